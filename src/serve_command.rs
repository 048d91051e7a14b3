//! `p-8 CONFIG`: a server until a signal; its banner and its logger.

use std::io::Write;

use p8::{Server, Settings};
use tokio::signal::unix::{signal, Signal, SignalKind};

/// Serves until a signal, then drains; a second signal ends that at once.
pub(crate) async fn run(settings: Settings) -> Result<(), p8::Error> {
    // Before the banner: whoever has read it may stop P-8 in good order.
    let mut signals = Signals::listen()?;
    let server = Server::start(settings).await?;
    print_banner(&server);
    signals.next().await;
    log::info!("stopping: holds are ended, requests in flight finish");
    tokio::select! {
        () = server.stop() => {}
        () = signals.next() => log::warn!("second signal: ending now"),
    }
    Ok(())
}

/// The signals that end P-8.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Says where everything is; nobody has to be reading it.
fn print_banner(server: &Server) {
    let _ = write_banner(server, &mut std::io::stdout().lock());
}

fn write_banner(server: &Server, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "P-8 {}", env!("CARGO_PKG_VERSION"))?;
    for client in server.client_addresses() {
        let scheme = if client.is_secure { "https" } else { "http" };
        writeln!(out, "  clients      {scheme}://{}/", client.address)?;
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

/// Starts the logger that `RUST_LOG` configures.
pub(crate) fn start_logger() {
    let filter =
        env_logger::Env::default().default_filter_or("info,actix_http=off,actix_server=warn");
    env_logger::Builder::from_env(filter).init();
}
