//! A real nginx with one server.

use std::path::Path;
use std::process::{Command, Stdio};

use super::programs::{Running, TempDir};

/// Its server.
#[derive(Clone, Copy, Default)]
pub struct Site<'a> {
    /// What `listen` says: an address or a unix socket, and `ssl` if it has the certificate
    /// `server.crt` of its folder.
    pub listen: &'a str,
    /// What else the server block says, as nginx writes it.
    pub inside: &'a str,
    /// What stands beside that block.
    pub beside: &'a str,
}

/// Runs it on a folder, whose files it serves.
#[track_caller]
pub fn run(nginx: &Path, folder: &TempDir, site: Site) -> Running {
    let Site {
        listen,
        inside,
        beside,
    } = site;
    let root = folder.path().display();
    let tls = match listen.contains("ssl") {
        true => {
            format!("ssl_certificate {root}/server.crt; ssl_certificate_key {root}/server.key;")
        }
        false => String::new(),
    };
    let config = folder.file(
        "nginx.conf",
        format!(
            "daemon off; master_process off; pid {root}/nginx.pid; error_log {root}/error.log;\n\
             events {{ worker_connections 256; }}\n\
             http {{ access_log off; client_body_temp_path {root}; proxy_temp_path {root};\n\
             fastcgi_temp_path {root}; uwsgi_temp_path {root}; scgi_temp_path {root};\n\
             map $http_upgrade $connection_asked {{ default upgrade; '' ''; }}\n\
             {beside} server {{ listen {listen}; {tls} root {root}; {inside} }} }}\n"
        ),
    );
    let mut command = Command::new(nginx);
    command.arg("-p").arg(folder.path()).arg("-c").arg(config);
    command.arg("-e").arg(folder.path().join("error.log"));
    Running(command.stderr(Stdio::null()).spawn().expect("nginx starts"))
}
