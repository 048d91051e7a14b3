//! Listening sockets that somebody else has opened: a service manager, or the P-8 that this one replaces.
//!
//! They come as open files from 3 on, counted by `LISTEN_FDS` and named by `LISTEN_FDNAMES`, as systemd
//! has it. Each is given to the configured address that it is bound to. Their queues of clients go on
//! across the change: no connection is refused or reset.

use std::{
    env,
    io::{self, Write},
    net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener},
    os::{
        fd::OwnedFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
};

use listenfd::ListenFd;
use socket2::SockRef;

/// Most open files that are looked at.
const FILES_MAX: usize = 1_024;

/// The name of the socket that a process is told by that the one it started is ready.
pub const READY: &str = "p-8-ready";

/// The variables that say how many there are, how they are named, and whose they are.
pub const VARIABLES: [&str; 3] = ["LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID"];

/// Sockets that were open before this process was.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<Named>,
    ready: Option<UnixStream>,
}

#[derive(Debug)]
struct Named {
    name: String,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Inherited {
    /// Takes what the environment names; to be called once.
    ///
    /// To be called before the process has a second thread.
    pub fn from_environment() -> Self {
        let count = env::var("LISTEN_FDS")
            .ok()
            .and_then(|count| count.parse().ok());
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let count: usize = count.unwrap_or(0);
        if count > FILES_MAX {
            log::warn!(count, limit = FILES_MAX; "LISTEN_FDS is too large: no socket is taken over");
            return Self::default();
        }
        let mut files = ListenFd::from_env();
        let mut inherited = Self::default();
        let mut names = names.split(':');
        for index in 0..files.len() {
            let name = names.next().unwrap_or_default().to_owned();
            match taken(&mut files, index) {
                Ok(Some(socket)) => inherited.enter(name, socket),
                Ok(None) => {}
                Err(error) => {
                    log::warn!(name:?, error:%; "an inherited file is no listening socket: left alone");
                }
            }
        }
        inherited
    }

    fn enter(&mut self, name: String, socket: Socket) {
        match socket {
            Socket::Unix(socket) if name == READY => {
                self.ready = Some(UnixStream::from(OwnedFd::from(socket)));
            }
            socket => self.sockets.push(Named { name, socket }),
        }
    }

    /// Takes the socket that is bound to an address; for port 0, one that was opened for that key.
    pub(super) fn take_tcp(&mut self, address: SocketAddr, key: &str) -> Option<TcpListener> {
        let is_for = |named: &Named| match &named.socket {
            Socket::Tcp(socket) => {
                let bound = socket.local_addr();
                bound.is_ok_and(|bound| fits(bound, address, named.name == key))
            }
            Socket::Unix(_) => false,
        };
        let index = self.sockets.iter().position(is_for)?;
        match self.sockets.swap_remove(index).socket {
            Socket::Tcp(socket) => Some(socket),
            Socket::Unix(_) => None,
        }
    }

    /// Takes the socket that is bound to a path.
    pub(super) fn take_unix(&mut self, path: &Path) -> Option<UnixListener> {
        let is_for = |named: &Named| match &named.socket {
            Socket::Unix(socket) => {
                let bound = socket.local_addr();
                bound.is_ok_and(|bound| bound.as_pathname() == Some(path))
            }
            Socket::Tcp(_) => false,
        };
        let index = self.sockets.iter().position(is_for)?;
        match self.sockets.swap_remove(index).socket {
            Socket::Unix(socket) => Some(socket),
            Socket::Tcp(_) => None,
        }
    }

    /// Tells whether the sockets come from the process that this one replaces.
    pub(super) fn has_predecessor(&self) -> bool {
        self.ready.is_some()
    }

    /// Closes what nobody took, and says so.
    pub(super) fn finish(&mut self) {
        for Named { name, socket } in self.sockets.drain(..) {
            let address = match &socket {
                Socket::Tcp(socket) => socket.local_addr().map(|address| address.to_string()),
                Socket::Unix(socket) => socket.local_addr().map(|address| format!("{address:?}")),
            };
            let address = address.unwrap_or_default();
            log::warn!(name:?, address:%;
                "an inherited socket is of no address in the configuration: closed");
        }
    }

    /// Tells the process that this one replaces, if there is one, that it may go.
    pub fn tell_ready(&mut self) {
        if let Some(mut ready) = self.ready.take() {
            if let Err(error) = ready.write_all(READY.as_bytes()) {
                log::warn!(error:%; "the process before this one could not be told");
            }
        }
    }
}

fn taken(files: &mut ListenFd, index: usize) -> io::Result<Option<Socket>> {
    let tcp = files.take_tcp_listener(index);
    let socket = match tcp {
        Ok(socket) => socket.map(Socket::Tcp),
        Err(_) => files.take_unix_listener(index)?.map(Socket::Unix),
    };
    match &socket {
        Some(Socket::Tcp(socket)) if !SockRef::from(socket).is_listener()? => {
            return Err(io::Error::other("it does not listen"));
        }
        Some(Socket::Tcp(socket)) => socket.set_nonblocking(true)?,
        Some(Socket::Unix(socket)) => {
            let is_listener = SockRef::from(socket).is_listener()?;
            socket.set_nonblocking(is_listener)?;
        }
        None => {}
    }
    Ok(socket)
}

/// Tells whether a bound socket is that of a configured address. One of all IPv6 addresses is taken
/// for all IPv4 addresses too: systemd binds so where only a port is named.
fn fits(bound: SocketAddr, wanted: SocketAddr, is_of_key: bool) -> bool {
    let is_any = bound.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && wanted.ip().is_unspecified();
    let is_port = bound.port() == wanted.port() || (wanted.port() == 0 && is_of_key);
    (bound.ip() == wanted.ip() || is_any) && is_port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_fit_the_address_that_they_are_bound_to() {
        for (bound, wanted, is_of_key, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", false, true),
            ("127.0.0.1:80", "127.0.0.1:81", true, false),
            ("127.0.0.1:80", "127.0.0.2:80", true, false),
            ("127.0.0.1:80", "0.0.0.0:80", true, false),
            ("[::]:80", "0.0.0.0:80", false, true),
            ("[::]:80", "[::]:80", false, true),
            ("0.0.0.0:80", "[::]:80", false, false),
            ("127.0.0.1:4711", "127.0.0.1:0", true, true),
            ("127.0.0.1:4711", "127.0.0.1:0", false, false),
        ] {
            let [bound_at, wanted_at] = [bound, wanted].map(|text| text.parse().unwrap());
            let found = fits(bound_at, wanted_at, is_of_key);
            assert_eq!(found, expected, "{bound} for {wanted}");
        }
    }

    #[test]
    fn each_socket_is_taken_once_and_the_rest_is_left() {
        let socket = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (first, second) = (socket(), socket());
        let address = first.local_addr().unwrap();
        let mut inherited = Inherited::default();
        inherited.enter("a".to_owned(), Socket::Tcp(first));
        inherited.enter("[http] listen".to_owned(), Socket::Tcp(second));
        assert!(inherited.take_tcp(address, "[http] listen").is_some());
        assert!(inherited.take_tcp(address, "[http] listen").is_none());
        let any = "127.0.0.1:0".parse().unwrap();
        assert!(inherited.take_tcp(any, "[control] listen").is_none());
        assert!(inherited.take_tcp(any, "[http] listen").is_some());
        inherited.finish();
    }
}
