//! A unix socket and its file: nobody else's is removed, and its own when the server ends.

use std::{
    fs, io,
    os::unix::{
        fs::{chown, FileTypeExt, MetadataExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::PathBuf,
};

use socket2::{Domain, SockAddr, Socket, Type};

use super::listen::BACKLOG;
use crate::config::UnixSocket;

/// The file of a unix socket; it is removed with this, unless it is another's by then.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Its device and number.
    identity: (u64, u64),
}

impl SocketFile {
    /// Makes the socket; nobody can connect before its mode and owner are set.
    pub(super) fn bind(unix: &UnixSocket) -> io::Result<(UnixListener, Self)> {
        remove_stale(unix)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(&unix.path)?)?;
        let file = Self::adopt(unix)?;
        if unix.user.or(unix.group).is_some() {
            chown(&unix.path, unix.user, unix.group)?;
        }
        if let Some(mode) = unix.mode {
            fs::set_permissions(&unix.path, fs::Permissions::from_mode(mode))?;
        }
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok((socket.into(), file))
    }

    /// Takes care of a file that is there.
    pub(super) fn adopt(unix: &UnixSocket) -> io::Result<Self> {
        let found = fs::symlink_metadata(&unix.path)?;
        Ok(Self {
            path: unix.path.clone(),
            identity: (found.dev(), found.ino()),
        })
    }

    /// Leaves the file to the process that has taken the socket over.
    pub(super) fn leave(self) {
        std::mem::forget(self);
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes what a server left behind that ended without a word.
fn remove_stale(unix: &UnixSocket) -> io::Result<()> {
    let in_use = |why| Err(io::Error::new(io::ErrorKind::AddrInUse, why));
    match fs::symlink_metadata(&unix.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return in_use("there is a file, and it is no socket");
        }
        Ok(_) => {}
    }
    match UnixStream::connect(&unix.path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            log::info!(path:% = unix.path.display(); "removed the socket of a server that is gone");
            fs::remove_file(&unix.path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => in_use("another server listens there"),
    }
}
