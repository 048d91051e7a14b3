//! ZeroMQ peers that write and read bytes as the test says, and addresses for them.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use p8::engine::zmq::zmtp;

use super::wait::DEADLINE;
use super::wait_until;

/// A connection that has greeted, and sends and reads bytes.
pub struct Raw(pub UnixStream);

impl Raw {
    /// Connects to the socket at that path as a socket of that kind.
    #[track_caller]
    pub fn connect(path: &Path, kind: &str) -> Raw {
        let mut stream = None;
        wait_until(DEADLINE, "the socket", || {
            stream = UnixStream::connect(path).ok();
            stream.is_some()
        });
        Raw::accept(stream.expect("a connection"), kind)
    }

    /// Greets on a connection as a socket of that kind.
    #[track_caller]
    pub fn accept(stream: UnixStream, kind: &str) -> Raw {
        let mut raw = Raw(stream);
        raw.0.set_read_timeout(Some(DEADLINE)).expect("a time-out");
        raw.send(&zmtp::greeting());
        let mut ready = b"\x05READY\x0bSocket-Type\x00\x00\x00".to_vec();
        ready.push(kind.len() as u8);
        ready.extend_from_slice(kind.as_bytes());
        raw.send(&[4, ready.len() as u8]);
        raw.send(&ready);
        let mut greeting = [0; 66];
        raw.0.read_exact(&mut greeting).expect("a greeting");
        let mut ready = vec![0; usize::from(greeting[65])];
        // None comes if the kind does not fit.
        let _ = raw.0.read_exact(&mut ready);
        raw
    }

    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("it is open");
    }

    /// Reads the next message, its frames in order.
    #[track_caller]
    pub fn message(&mut self) -> Vec<Bytes> {
        let mut frames = Vec::new();
        loop {
            let mut flags = [0];
            self.0.read_exact(&mut flags).expect("a frame");
            let length = if flags[0] & 2 == 0 {
                let mut length = [0];
                self.0.read_exact(&mut length).expect("a length");
                u64::from(length[0])
            } else {
                let mut length = [0; 8];
                self.0.read_exact(&mut length).expect("a length");
                u64::from_be_bytes(length)
            };
            let mut content = vec![0; usize::try_from(length).expect("a length")];
            self.0.read_exact(&mut content).expect("a content");
            frames.push(content.into());
            if flags[0] & 1 == 0 {
                return frames;
            }
        }
    }

    /// P-8 has closed the connection.
    #[track_caller]
    pub fn expect_end(&mut self) {
        let mut rest = Vec::new();
        let ended = self.0.read_to_end(&mut rest);
        let reset = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(
            ended.is_ok() || ended.as_ref().is_err_and(reset),
            "{ended:?}"
        );
    }
}

/// Specs of their own, in a folder.
pub fn ipc(folder: &Path) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    format!("ipc://{}", folder.join(format!("z{number}")).display())
}

/// The path of a spec.
#[track_caller]
pub fn path(spec: &str) -> PathBuf {
    Path::new(spec.strip_prefix("ipc://").expect("an ipc spec")).to_owned()
}
