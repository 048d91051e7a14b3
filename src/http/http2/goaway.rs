//! What a client sends on its way to hyper: first what was read of it already, and a GOAWAY is noticed,
//! for hyper tells nobody of it.
//!
//! Only the nine bytes before each frame are looked at. Source: RFC 9113 sections 4.1, 6.8.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{ready, Context, Poll},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
};

/// Length of the preface, and of what comes before each frame's payload.
const PREFACE: usize = 24;
const FRAME_HEAD: usize = 9;
const GOAWAY: u8 = 7;

/// Follows the frames of a byte stream.
struct Frames {
    /// Bytes before the next head.
    skip: usize,
    head: [u8; FRAME_HEAD],
    head_len: usize,
}

impl Frames {
    fn new() -> Self {
        Self {
            skip: PREFACE,
            head: [0; FRAME_HEAD],
            head_len: 0,
        }
    }

    /// Takes the next bytes; tells whether a GOAWAY begins among them.
    fn on_bytes(&mut self, mut bytes: &[u8]) -> bool {
        let mut is_seen = false;
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let taken = bytes.len().min(FRAME_HEAD - self.head_len);
            let (of_head, rest) = bytes.split_at(taken);
            let room = self.head.get_mut(self.head_len..self.head_len + taken);
            room.unwrap_or_default().copy_from_slice(of_head);
            self.head_len += taken;
            bytes = rest;
            if self.head_len == FRAME_HEAD {
                let [a, b, c, kind, ..] = self.head;
                self.skip = u32::from_be_bytes([0, a, b, c]) as usize;
                self.head_len = 0;
                is_seen |= kind == GOAWAY;
            }
        }
        is_seen
    }
}

/// A connection whose client's GOAWAY is noticed.
pub(super) struct Watched<IO> {
    io: IO,
    /// Read, but not passed on.
    ahead: Bytes,
    frames: Frames,
    noticed: Rc<Notify>,
}

impl<IO> Watched<IO> {
    /// Watches a connection from its preface on, of which `ahead` was read already.
    pub(super) fn new(ahead: Bytes, io: IO, noticed: Rc<Notify>) -> Self {
        Self {
            io,
            ahead,
            frames: Frames::new(),
            noticed,
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.ahead.is_empty() {
            ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        } else {
            let n = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead.split_to(n));
            if self.ahead.is_empty() {
                self.ahead = Bytes::new();
            }
        }
        let read = buf.filled().get(before..).unwrap_or_default();
        if self.frames.on_bytes(read) {
            self.noticed.notify_one();
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of that kind whose payload looks like heads of GOAWAYs.
    fn frame(kind: u8, len: usize) -> Vec<u8> {
        let length = (len as u32).to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, 0, 0, 0, 0, 0];
        bytes.extend(std::iter::repeat_n(GOAWAY, len));
        bytes
    }

    #[test]
    fn a_goaway_is_seen_however_the_bytes_are_cut() {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        for len in [0, 6, 9, 300] {
            bytes.extend(frame(4, len));
        }
        let before = bytes.len();
        bytes.extend(frame(GOAWAY, 8));
        for size in [1, 2, 7, 9, 50, bytes.len()] {
            let mut frames = Frames::new();
            let mut seen = 0;
            for piece in bytes.chunks(size) {
                if frames.on_bytes(piece) {
                    break;
                }
                seen += piece.len();
            }
            assert!(seen < bytes.len(), "unseen in pieces of {size}");
            assert!(seen + size >= before + FRAME_HEAD, "{size}");
        }
    }
}
