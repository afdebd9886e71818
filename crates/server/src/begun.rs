//! A connection of which a part has been read already, to find out what it begins with.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A stream that gives what was read of it again, and then the rest.
pub(crate) struct Begun {
    stream: TcpStream,
    /// Octets that were read too early; no memory where there are none, and none when they are taken.
    early: Vec<u8>,
}

impl Begun {
    /// A stream of which these octets have been read.
    pub(crate) fn new(stream: TcpStream, early: &[u8]) -> Begun {
        Begun { stream, early: early.to_vec() }
    }
}

impl AsyncRead for Begun {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let begun = self.get_mut();
        if begun.early.is_empty() {
            return Pin::new(&mut begun.stream).poll_read(context, out);
        }
        let taken = begun.early.len().min(out.remaining());
        out.put_slice(begun.early.get(..taken).unwrap_or_default());
        begun.early.drain(..taken);
        if begun.early.is_empty() {
            begun.early = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Begun {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, octets)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, octets)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
