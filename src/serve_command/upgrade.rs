//! SIGUSR2: the program as it is on disk now is started with this one's listening sockets, and takes
//! over once it serves. Until then, and if it does not, nothing changes here.
//!
//! ```text
//! old:      spawn ───────────── waits ──────────▶ ready? ─▶ stops accepting, drains, exits with 0
//! starter:    spawn ─ tells its id, waits ───────────│─▶ ended by the old one
//! new:          configuration, threads, the same sockets ──┘
//! ```
//!
//! systemd waits only for the end of a process that is its own child: of another one it would kill what
//! is left as soon as it has sent SIGTERM. The new process becomes its child when the starter ends.

use std::{
    ffi::OsString,
    io::{self, BufRead, BufReader, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream as StdStream,
    },
    path::PathBuf,
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};

use actix::clock::timeout;
use command_fds::{CommandFdExt, FdMapping};
use nix::{
    sys::signal::{kill, Signal},
    unistd::Pid,
};
use p8::server::{Server, READY, VARIABLES};
use tokio::{io::AsyncReadExt, net::UnixStream};

use super::service;

/// How long the new process may take to serve.
const READY_BY: Duration = Duration::from_secs(30);

/// How long the starter may take to start it.
const STARTED_BY: Duration = Duration::from_secs(5);

/// The variable that makes a process the starter.
const STARTER: &str = "P8_STARTER";

/// The first file of those that are handed over.
const FIRST_FILE: i32 = 3;

/// Why the new process does not take over.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpgradeError {
    #[error("it cannot be started: {0}")]
    Start(#[from] io::Error),
    #[error("it ended before it served ({0})")]
    Ended(String),
    #[error("it did not serve within {} s and was ended", READY_BY.as_secs())]
    TooSlow,
}

/// How this process was started.
pub(super) struct Origin {
    /// Unknown where there is no `/proc`.
    program: Result<PathBuf, String>,
    arguments: Vec<OsString>,
}

impl Origin {
    /// Looks at the program's path while it is certainly there.
    pub(super) fn look() -> Origin {
        Origin {
            program: std::env::current_exe().map_err(|error| error.to_string()),
            arguments: std::env::args_os().skip(1).collect(),
        }
    }

    /// Starts the new process, and returns its id when it serves.
    pub(super) async fn replace(&self, server: &Server) -> Result<u32, UpgradeError> {
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut ready = UnixStream::from_std(ours)?;
        let mut starting = Starting::begin(self.command(server, theirs.into())?)?;
        let mut said = [0; READY.len()];
        match timeout(READY_BY, ready.read_exact(&mut said)).await {
            Ok(Ok(_)) if said == *READY.as_bytes() => Ok(starting.leave()),
            Ok(_) => Err(UpgradeError::Ended(starting.end())),
            Err(_) => {
                starting.end();
                Err(UpgradeError::TooSlow)
            }
        }
    }

    fn command(&self, server: &Server, ready: OwnedFd) -> io::Result<Command> {
        let mut handed = server.sockets()?;
        handed.push((READY, ready));
        let names: Vec<_> = handed.iter().map(|(name, _)| *name).collect();
        let program = self.program.as_ref();
        let program = program.map_err(|why| io::Error::other(why.clone()))?;
        let mut command = Command::new(program);
        command.args(&self.arguments).env(STARTER, "1");
        let [files_variable, names_variable, owner_variable] = VARIABLES;
        command.env(files_variable, handed.len().to_string());
        command.env(names_variable, names.join(":"));
        // It is that of the new process, whose id nobody knows yet.
        command.env_remove(owner_variable);
        if service::watched_within().is_some() {
            command.env_remove(service::WATCHED);
        }
        let files = (FIRST_FILE..).zip(handed);
        let mapped = files.map(|(child_fd, (_, parent_fd))| FdMapping {
            parent_fd,
            child_fd,
        });
        command
            .fd_mappings(mapped.collect())
            .map_err(io::Error::other)?;
        Ok(command)
    }
}

/// Tells whether this process is to start another one, and to do nothing else.
pub(crate) fn is_starter() -> bool {
    std::env::var_os(STARTER).is_some()
}

/// Starts this program again, with all that this process was given, tells its id to the one at the other
/// end of standard input, and ends as it ends.
pub(crate) fn run_starter() -> io::Result<ExitCode> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(std::env::args_os().skip(1))
        .env_remove(STARTER);
    let mut new = command.stdin(Stdio::null()).spawn()?;
    let mut asker = StdStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    writeln!(asker, "{}", new.id())?;
    let code = new.wait()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// A process that does not serve yet, and the one that started it; dropping it ends both.
struct Starting {
    starter: Option<Child>,
    new: i32,
}

impl Starting {
    fn begin(mut command: Command) -> io::Result<Starting> {
        let (ours, theirs) = StdStream::pair()?;
        let starter = command.stdin(OwnedFd::from(theirs)).spawn()?;
        // It has the other end open, and so has the command.
        drop(command);
        let mut starting = Starting {
            starter: Some(starter),
            new: 0,
        };
        ours.set_read_timeout(Some(STARTED_BY))?;
        let mut told = String::new();
        BufReader::new(ours).read_line(&mut told)?;
        starting.new = told.trim_end().parse().map_err(|_| {
            let status = starting.end();
            io::Error::other(format!("it was not started ({status})"))
        })?;
        Ok(starting)
    }

    /// Leaves the new process to whoever adopts it.
    fn leave(&mut self) -> u32 {
        if let Some(mut starter) = self.starter.take() {
            let _ = starter.kill();
            let _ = starter.wait();
        }
        self.new.unsigned_abs()
    }

    /// Ends it, unless it has ended, and says how it did.
    fn end(&mut self) -> String {
        let Some(mut starter) = self.starter.take() else {
            return String::new();
        };
        // While the starter is there, the id is no other's; and it ends as the new one ends.
        if let (Ok(None), new @ 1..) = (starter.try_wait(), self.new) {
            let _ = kill(Pid::from_raw(new), Signal::SIGKILL);
        } else {
            // Has nothing started yet; one that has ended by itself keeps its own status.
            let _ = starter.kill();
        }
        match starter.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.end();
    }
}
