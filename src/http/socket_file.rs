//! A unix socket and its file: nobody else's is removed, and its own when the server ends.

use std::{
    fs, io,
    os::unix::{
        fs::{chown, FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use socket2::{Domain, SockAddr, Socket, Type};

/// Who may connect to a unix socket; what is not set is as the process makes files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Access {
    /// As in `chmod`.
    pub mode: Option<u32>,
    /// The number of its owner.
    pub user: Option<u32>,
    /// The number of its group.
    pub group: Option<u32>,
}

/// The file of a unix socket; it is removed with this, unless it is another's by then.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Its device and number.
    identity: (u64, u64),
}

impl SocketFile {
    /// Makes a socket that listens, with so many clients in its queue; nobody can connect before its mode
    /// and owner are set.
    pub fn listen(path: &Path, access: Access, backlog: i32) -> io::Result<(Socket, Self)> {
        remove_stale(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        let file = Self::adopt(path)?;
        if access.user.or(access.group).is_some() {
            chown(path, access.user, access.group)?;
        }
        if let Some(mode) = access.mode {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        socket.listen(backlog)?;
        socket.set_nonblocking(true)?;
        Ok((socket, file))
    }

    /// Takes care of a file that is there.
    pub fn adopt(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            identity: (found.dev(), found.ino()),
        })
    }

    /// Leaves the file to the process that has taken the socket over.
    pub fn leave(self) {
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
fn remove_stale(path: &Path) -> io::Result<()> {
    let in_use = |why| Err(io::Error::new(io::ErrorKind::AddrInUse, why));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return in_use("there is a file, and it is no socket");
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            log::info!(path:% = path.display(); "removed the socket of a server that is gone");
            fs::remove_file(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => in_use("another server listens there"),
    }
}
