//! SIGUSR2: the program as it is on disk now is started with this one's listening sockets, and takes
//! over once it serves. Until then, and if it does not, nothing changes here.
//!
//! ```text
//! old:  spawn ────────────── waits ─────────────▶ ready? ─▶ stops accepting, drains, exits with 0
//! new:  configuration, threads, the same sockets ──┘
//! ```

use std::{
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::net::UnixStream as StdStream},
    path::PathBuf,
    process::{Child, Command},
    time::Duration,
};

use actix::clock::timeout;
use command_fds::{CommandFdExt, FdMapping};
use p8::server::{Server, READY, VARIABLES};
use tokio::{io::AsyncReadExt, net::UnixStream};

use super::service;

/// How long the new process may take to serve.
const READY_BY: Duration = Duration::from_secs(30);

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
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Origin {
    /// Looks at the program's path while it is certainly there.
    pub(super) fn look() -> io::Result<Origin> {
        Ok(Origin {
            program: std::env::current_exe()?,
            arguments: std::env::args_os().skip(1).collect(),
        })
    }

    /// Starts the new process, and returns its id when it serves.
    pub(super) async fn replace(&self, server: &Server) -> Result<u32, UpgradeError> {
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut ready = UnixStream::from_std(ours)?;
        let mut starting = Starting(Some(self.spawn(server, theirs.into())?));
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

    fn spawn(&self, server: &Server, ready: OwnedFd) -> io::Result<Child> {
        let mut handed = server.sockets()?;
        handed.push((READY, ready));
        let names: Vec<_> = handed.iter().map(|(name, _)| *name).collect();
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        let [files_variable, names_variable, owner_variable] = VARIABLES;
        command.env(files_variable, handed.len().to_string());
        command.env(names_variable, names.join(":"));
        // It is the child's, whose id nobody knows yet.
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
        command.spawn()
    }
}

/// A process that does not serve yet; dropping it ends it.
struct Starting(Option<Child>);

impl Starting {
    /// Leaves it to itself.
    fn leave(&mut self) -> u32 {
        self.0.take().map_or(0, |child| child.id())
    }

    /// Ends it, unless it has ended, and says how it did.
    fn end(&mut self) -> String {
        let Some(mut child) = self.0.take() else {
            return String::new();
        };
        // One that has ended by itself cannot be killed, and keeps its own status.
        let _ = child.kill();
        match child.wait() {
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
