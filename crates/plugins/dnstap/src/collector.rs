//! The other end: where it is, and the task that writes to it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::metrics::Counter;
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc::Receiver;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{sleep, timeout};

use crate::Options;
use crate::frames::{finish, frame, greet};
use crate::message::{Dnstap, MESSAGE, Message};

/// Where messages go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Collector {
    /// A socket of this machine.
    Unix(PathBuf),
    /// An address.
    Tcp(SocketAddr),
}

/// Takes messages out of the queue, and to the collector.
pub(crate) struct Writer {
    pub(crate) options: Options,
    pub(crate) queue: Receiver<Message>,
    /// Where the octets go back to of messages that wait no more.
    pub(crate) room: Arc<Semaphore>,
    pub(crate) dropped: Counter,
    /// Told when nothing more is to be taken.
    pub(crate) end: Arc<Notify>,
    /// How many messages are being written, of which nobody knows whether they have arrived.
    pub(crate) writing: usize,
}

impl Writer {
    /// Writes what comes, and when it is to end what has come till then. While the other end is away the queue fills up.
    pub(crate) async fn run(mut self) {
        let mut is_told = false;
        loop {
            let failed = match self.write(&mut is_told).await {
                Ok(()) => return,
                Err(error) => error,
            };
            // Once for each time that it is away.
            if !std::mem::replace(&mut is_told, true) {
                tracing::warn!(collector = ?self.options.collector, error = %failed, "the dnstap collector is away");
            }
            if self.queue.is_closed() {
                return;
            }
            tokio::select! {
                () = sleep(AGAIN) => {}
                // It is tried once more.
                () = self.end.notified() => self.queue.close(),
            }
        }
    }

    /// Ends well when all is written and nothing more can come.
    async fn write(&mut self, is_told: &mut bool) -> io::Result<()> {
        match &self.options.collector {
            Collector::Unix(path) => {
                let stream = timeout(PATIENCE, UnixStream::connect(path)).await??;
                self.copy(stream, is_told).await
            }
            Collector::Tcp(address) => {
                let stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
                self.copy(stream, is_told).await
            }
        }
    }

    async fn copy(
        &mut self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        is_told: &mut bool,
    ) -> io::Result<()> {
        timeout(PATIENCE, greet(&mut stream)).await??;
        *is_told = false;
        let (mut messages, mut buffer) = (Vec::with_capacity(BATCH), Vec::new());
        loop {
            let taken = tokio::select! {
                // First, so that nothing is taken for one who has gone.
                biased;
                said = stream.read_u8() => return Err(gone(said)),
                () = self.end.notified() => {
                    self.queue.close();
                    continue;
                }
                taken = self.queue.recv_many(&mut messages, BATCH) => taken,
            };
            if taken == 0 {
                return timeout(PATIENCE, finish(&mut stream)).await?;
            }
            self.writing = taken;
            let octets = messages.iter().map(Message::own_weight).sum();
            buffer.clear();
            messages.drain(..).for_each(|message| frame(&self.dnstap(message).encode_to_vec(), &mut buffer));
            let written = timeout(PATIENCE, async {
                stream.write_all(&buffer).await?;
                stream.flush().await
            });
            let written = written.await;
            self.room.add_permits(octets);
            if let Err(error) = written.map_err(io::Error::from).flatten() {
                self.drop_writing();
                return Err(error);
            }
            self.writing = 0;
        }
    }

    /// Counts what was being written.
    fn drop_writing(&mut self) {
        (0..std::mem::take(&mut self.writing)).for_each(|_| self.dropped.add_one());
    }

    fn dnstap(&self, message: Message) -> Dnstap {
        let Options { identity, version, extra, .. } = &self.options;
        let some = |octets: &Vec<u8>| (!octets.is_empty()).then(|| octets.clone());
        let (identity, version, extra) = (some(identity), some(version), some(extra));
        Dnstap { identity, version, extra, message: Some(message), kind: MESSAGE }
    }
}

/// What it has not written is not told: it is counted.
impl Drop for Writer {
    fn drop(&mut self) {
        self.drop_writing();
        // What comes from here on finds no room.
        self.queue.close();
        while self.queue.try_recv().is_ok() {
            self.dropped.add_one();
        }
    }
}

/// Why a collector that ends the stream, or speaks, is heard no more: after its greeting it only listens.
fn gone(said: io::Result<u8>) -> io::Error {
    match said {
        Ok(_) => io::Error::other("it has ended the stream"),
        Err(error) => error,
    }
}

/// Messages that are written at once.
const BATCH: usize = 256;
/// How long the other end may take over anything.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it is left alone when it has failed.
const AGAIN: Duration = Duration::from_secs(1);
