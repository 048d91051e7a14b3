//! The program `p-8`: arguments, configuration, logger, run, exit code; nothing else.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::Parser;
use p8::{Server, Settings};

/// glibc's allocator mixes short-lived buffers with what a held client keeps, and gives nothing back;
/// its settings are in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Bad usage or configuration, as sysexits.h has it.
const EX_USAGE: u8 = 64;

/// A realtime push server: holds connections for web applications that answer short requests.
#[derive(Parser)]
#[command(name = "p-8", version, about)]
struct Arguments {
    /// The configuration file; P8_TABLE__KEY in the environment overrides its keys.
    config: PathBuf,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                EX_USAGE.into()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    start_logger();
    let settings = match Settings::load(&arguments.config) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("p-8: {error}");
            return EX_USAGE.into();
        }
    };
    for warning in &settings.warnings {
        log::warn!("{warning}");
    }
    match actix_rt::System::new().block_on(run(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("p-8: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: Settings) -> Result<(), p8::Error> {
    let server = Server::start(settings).await?;
    print_banner(&server);
    wait_for_signal().await?;
    log::info!("stopping: holds are ended, requests in flight finish");
    tokio::select! {
        () = server.stop() => {}
        second = wait_for_signal() => {
            log::warn!("second signal: ending now");
            second?;
        }
    }
    Ok(())
}

async fn wait_for_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{signal, SignalKind};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Says where everything is; nobody has to be reading it.
fn print_banner(server: &Server) {
    let _ = write_banner(server, &mut std::io::stdout().lock());
}

fn write_banner(server: &Server, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "P-8 {}", env!("CARGO_PKG_VERSION"))?;
    for address in server.client_addrs() {
        writeln!(out, "  clients      http://{address}/")?;
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

fn start_logger() {
    let filter =
        env_logger::Env::default().default_filter_or("info,actix_http=off,actix_server=warn");
    env_logger::Builder::from_env(filter).init();
}
