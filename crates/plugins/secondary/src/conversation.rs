//! A connection to a primary, and one question on it.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cartonym_tsig::{Exchange, Key};
use cartonym_wire::{Builder, Class, Flags, MAX_MESSAGE_LEN, Message, Name, Section, Ttl, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::incoming::TransferError;

/// One question to a primary, and its answer's messages.
pub(crate) struct Conversation {
    stream: TcpStream,
    id: u16,
    exchange: Option<Exchange>,
}

/// How long a connection, and each message, is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

impl Conversation {
    /// Asks for a zone; `soa` is that of the version that is here, where differences are asked for.
    pub(crate) async fn begin(
        primary: SocketAddr,
        zone: &Name,
        qtype: Type,
        soa: Option<&[u8]>,
        key: Option<&Arc<Key>>,
    ) -> Result<Conversation, TransferError> {
        let id = RandomState::new().hash_one(primary) as u16;
        let mut message = question(id, zone, qtype, soa);
        let exchange = key.and_then(|key| key.sign(&mut message, now()));
        let mut stream = in_time(TcpStream::connect(primary)).await?;
        let framed = [&(message.len() as u16).to_be_bytes()[..], &message].concat();
        in_time(stream.write_all(&framed)).await?;
        Ok(Conversation { stream, id, exchange })
    }

    /// The next message of the answer; its signature has been verified and taken off.
    pub(crate) async fn next(&mut self) -> Result<Vec<u8>, TransferError> {
        let len = in_time(self.stream.read_u16()).await?;
        let mut message = vec![0; usize::from(len)];
        in_time(self.stream.read_exact(&mut message)).await?;
        let header = Message::new(&message).map_err(|_| TransferError::Malformed("no message"))?.header();
        if header.id != self.id || !header.flags.has(Flags::QR) {
            return Err(TransferError::Malformed("an answer to another question"));
        }
        if let Some(exchange) = &mut self.exchange {
            exchange.verify(&mut message, now())?;
        }
        Ok(message)
    }

    /// Says that the message before was the last: it must have been signed, if any had to be.
    pub(crate) fn finish(self) -> Result<(), TransferError> {
        self.exchange.map_or(Ok(()), |exchange| exchange.finish().map_err(TransferError::from))
    }
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> Result<T, TransferError> {
    Ok(timeout(PATIENCE, work).await.map_err(|_| TransferError::Timeout)??)
}

/// A signature tells another host when it was made.
#[allow(clippy::disallowed_methods, reason = "this is no query's answer, and so no time comes with it")]
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn question(id: u16, zone: &Name, qtype: Type, soa: Option<&[u8]>) -> Vec<u8> {
    let mut room = vec![0; MAX_MESSAGE_LEN];
    let mut builder = Builder::new(&mut room, id, Flags::default(), MAX_MESSAGE_LEN);
    let question = [zone.as_wire(), &qtype.0.to_be_bytes(), &Class::IN.0.to_be_bytes()].concat();
    // There is room for both.
    let _ = builder.question(&question);
    if let Some(soa) = soa {
        let _ = builder.record(Section::Authority, zone, Type::SOA, Class::IN, Ttl::ZERO, soa);
    }
    let len = builder.finish();
    room.truncate(len);
    room
}
