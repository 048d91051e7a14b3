//! What a client speaks through: TCP, a unix socket, TLS.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

/// A blocking connection.
pub enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Socket {
    /// Asks for times after which reading and writing fail.
    #[track_caller]
    pub fn set_timeouts(&self, read: Duration, write: Duration) {
        let set = match self {
            Socket::Tcp(socket) => set_tcp(socket, read, write),
            Socket::Tls(socket) => set_tcp(&socket.sock, read, write),
            Socket::Unix(socket) => socket
                .set_read_timeout(Some(read))
                .and_then(|()| socket.set_write_timeout(Some(write))),
        };
        set.expect("timeouts");
    }

    #[track_caller]
    pub fn set_nonblocking(&self, nonblocking: bool) {
        let set = match self {
            Socket::Tcp(socket) => socket.set_nonblocking(nonblocking),
            Socket::Tls(socket) => socket.sock.set_nonblocking(nonblocking),
            Socket::Unix(socket) => socket.set_nonblocking(nonblocking),
        };
        set.expect("a mode");
    }

    /// Ends the sending side without a word.
    #[track_caller]
    pub fn finish_sending(&self) {
        let ended = match self {
            Socket::Tcp(socket) => socket.shutdown(Shutdown::Write),
            Socket::Tls(socket) => socket.sock.shutdown(Shutdown::Write),
            Socket::Unix(socket) => socket.shutdown(Shutdown::Write),
        };
        ended.expect("the sending side closes");
    }

    /// The TCP connection, under TLS too.
    #[track_caller]
    pub fn into_tcp(self) -> TcpStream {
        match self {
            Socket::Tcp(socket) => socket,
            Socket::Tls(socket) => socket.into_parts().1,
            Socket::Unix(_) => panic!("a unix socket is no TCP connection"),
        }
    }
}

fn set_tcp(socket: &TcpStream, read: Duration, write: Duration) -> io::Result<()> {
    socket.set_read_timeout(Some(read))?;
    socket.set_write_timeout(Some(write))?;
    socket.set_nodelay(true)
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.read(into),
            Socket::Unix(socket) => socket.read(into),
            Socket::Tls(socket) => socket.read(into),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.write(bytes),
            Socket::Unix(socket) => socket.write(bytes),
            Socket::Tls(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.flush(),
            Socket::Unix(socket) => socket.flush(),
            Socket::Tls(socket) => socket.flush(),
        }
    }
}
