//! The program `p-8`: which command, its errors, its exit code; nothing else.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{CommandFactory, Parser, Subcommand};
use p8::{server::Inherited, Settings};

mod check_command;
mod describe_command;
mod import_command;
mod publish_command;
mod serve_command;

/// glibc's allocator mixes short-lived buffers with what a held client keeps, and gives nothing back;
/// its settings are in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Bad usage or configuration, as sysexits.h has it.
const EX_USAGE: u8 = 64;

/// A realtime push server: holds connections for web applications that answer short requests.
#[derive(Parser)]
#[command(name = "p-8", version, about, disable_help_subcommand = true)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments {
    /// The configuration file; P8_TABLE__KEY in the environment overrides its keys.
    #[arg(required = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    Publish(publish_command::Arguments),
    Import(import_command::Arguments),
    Check(check_command::Arguments),
    Man(describe_command::Man),
    Completions(describe_command::Completions),
}

fn main() -> ExitCode {
    if serve_command::is_starter() {
        return serve_command::run_starter().unwrap_or_else(|error| told(Err(error)));
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return match error.use_stderr() {
                true => EX_USAGE.into(),
                false => ExitCode::SUCCESS,
            };
        }
    };
    match arguments.command {
        Some(Command::Publish(arguments)) => publish(arguments),
        Some(Command::Import(arguments)) => told(import_command::run(&arguments)),
        Some(Command::Check(arguments)) => configured(check_command::run(&arguments))
            .map_or_else(|code| code, |()| ExitCode::SUCCESS),
        Some(Command::Man(man)) => told(man.print(Arguments::command())),
        Some(Command::Completions(wanted)) => told(wanted.print(Arguments::command())),
        None => serve(&arguments.config.unwrap_or_default()).unwrap_or_else(|code| code),
    }
}

fn publish(arguments: publish_command::Arguments) -> ExitCode {
    match actix_rt::System::new().block_on(publish_command::run(arguments)) {
        Ok(told) => {
            let _ = writeln!(std::io::stdout(), "{told}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn told<E: std::fmt::Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("p-8: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Says what is wrong with the configuration.
fn configured<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T, ExitCode> {
    result.map_err(|error| {
        eprintln!("p-8: {error}");
        EX_USAGE.into()
    })
}

fn serve(config: &Path) -> Result<ExitCode, ExitCode> {
    let settings = configured(Settings::load(config))?;
    let logger = serve_command::Logger::start(&settings.log);
    for warning in &settings.warnings {
        log::warn!("{warning}");
    }
    let inherited = Inherited::from_environment();
    let serving = serve_command::run(settings, logger, inherited);
    Ok(told(actix_rt::System::new().block_on(serving)))
}
