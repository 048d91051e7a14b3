//! Opens the sockets of `[zmq]` as all listening sockets are opened: they can be inherited, and handed
//! over.

use super::{listen::Sockets, Error};
use crate::{
    config::UnixSocket,
    engine::zmq::{endpoint::Endpoint, options::ZmqOptions},
    http::{
        listener::ListeningSocket,
        socket_file::SocketFile,
        zmq::{BoundListener, OpenedSurfaces},
    },
};

/// Opens them; returns the files of unix sockets too, which go with the server.
pub(super) fn open(
    zmq: &ZmqOptions,
    sockets: &mut Sockets,
) -> Result<(OpenedSurfaces, Vec<SocketFile>), Error> {
    let mut files = Vec::new();
    let mut open = |endpoint: &Endpoint, key| {
        let mut at = endpoint.clone();
        let socket = match endpoint {
            Endpoint::Tcp(address) => {
                let socket = sockets.tcp(*address, key)?;
                at = Endpoint::Tcp(socket.local_addr()?);
                ListeningSocket::Tcp(socket)
            }
            // Never of a socket that is bound.
            Endpoint::Named(..) => {
                return Err(Error::Start(std::io::ErrorKind::InvalidInput.into()));
            }
            Endpoint::Ipc(path) => {
                let unix = UnixSocket {
                    path: path.clone(),
                    mode: zmq.ipc_file_mode,
                    ..UnixSocket::default()
                };
                let (socket, file) = sockets.unix(&unix, key)?;
                files.extend(file);
                ListeningSocket::Unix(socket)
            }
        };
        Ok::<_, Error>((at, BoundListener::open(socket)))
    };
    let mut opened = OpenedSurfaces::default();
    let pull = zmq.pull.as_ref();
    opened.pull = pull.map(|at| open(at, "[zmq] pull")).transpose()?;
    let command = zmq.command.as_ref();
    opened.command = command.map(|at| open(at, "[zmq] command")).transpose()?;
    let stats = zmq.stats.as_ref();
    opened.stats = stats.map(|at| open(at, "[zmq] stats")).transpose()?;
    let subs = zmq.sub.iter().filter(|_| !zmq.sub_connect);
    let subs = subs.map(|at| open(at, "[zmq] sub"));
    opened.sub = subs.collect::<Result<_, _>>()?;
    Ok((opened, files))
}
