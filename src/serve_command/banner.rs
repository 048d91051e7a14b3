//! What the program prints once it serves: where everything is.

use std::io::{self, Write};

use p8::Server;

/// Says where everything is; nobody has to be reading it.
pub(super) fn print(server: &Server) {
    let _ = write(server, &mut io::stdout().lock());
}

fn write(server: &Server, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "P-8 {}", env!("CARGO_PKG_VERSION"))?;
    for client in server.client_addresses() {
        writeln!(out, "  clients      {client}")?;
    }
    let control = server.control_addr();
    writeln!(out, "  publish      http://{control}/publish/")?;
    writeln!(out, "  admin        http://{control}/admin/")?;
    for route in server.broker().options().routes.routes() {
        let targets = route.targets.iter().map(|target| target.kind.to_string());
        let targets: Vec<_> = targets.collect();
        let (host, path) = (&route.host, route.path_beg.as_deref().unwrap_or("/"));
        writeln!(out, "  route        {host}{path} -> {}", targets.join(", "))?;
    }
    out.flush()
}
