//! `p-8 man` and `p-8 completions`: what is said of the command line elsewhere, from the same definition.

use std::io::{self, Write};

use clap::{builder::PossibleValuesParser, Args, Command};
use clap_complete::{generate, Shell};

/// The name of the program, as it is called.
const PROGRAM: &str = "p-8";

/// Print a man page
#[derive(Args)]
pub(crate) struct Man {
    /// The command it is about; without one it is about P-8 itself
    #[arg(value_parser = PossibleValuesParser::new(["publish", "import", "check", "man", "completions"]))]
    command: Option<String>,
}

/// Print completions for a shell
#[derive(Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Man {
    /// Writes the page, in roff, to standard output.
    ///
    /// **Errors**: those of standard output.
    pub(crate) fn print(&self, program: Command) -> io::Result<()> {
        let mut program = program.disable_help_subcommand(true);
        // So that the commands have their whole names.
        program.build();
        let found = self.command.as_ref();
        let found = found
            .and_then(|name| program.find_subcommand(name))
            .cloned();
        let page = clap_mangen::Man::new(found.unwrap_or(program));
        let mut written = Vec::new();
        page.render(&mut written)?;
        print(&written)
    }
}

impl Completions {
    /// Writes the script to standard output.
    ///
    /// **Errors**: those of standard output.
    pub(crate) fn print(&self, mut program: Command) -> io::Result<()> {
        let mut written = Vec::new();
        generate(self.shell, &mut program, PROGRAM, &mut written);
        print(&written)
    }
}

fn print(written: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(written)?;
    out.flush()
}
