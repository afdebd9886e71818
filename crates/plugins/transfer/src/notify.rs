//! NOTIFY: telling secondaries that there is something to be told (RFC 1996).

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use cartonym_wire::{
    Builder, Class, Flags, MAX_NAME_LEN, Message, Name, NameBuf, Opcode, Rcode, Section, Type,
};
use cartonym_zone::Soa;
use tokio::net::UdpSocket;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

/// Sends NOTIFY, and again until there is an answer. What has not been answered ends with it.
#[derive(Debug, Default)]
pub(crate) struct Notifier {
    tasks: JoinSet<()>,
    /// The serial that a server was told of last, and the task that does so.
    told: HashMap<(NameBuf, SocketAddr), (u32, AbortHandle)>,
    /// Ids of messages nobody can foresee.
    lot: RandomState,
}

/// How long an answer is waited for, each time: seconds.
const WAITS: [u64; 5] = [1, 2, 4, 8, 16];

impl Notifier {
    /// Tells a server of a version, unless it has been told already; what is older is told no more.
    pub(crate) fn tell(&mut self, zone: &NameBuf, soa: &Soa, server: SocketAddr, source: IpAddr) {
        while self.tasks.try_join_next().is_some() {}
        let key = (*zone, server);
        match self.told.get(&key) {
            Some((serial, _)) if *serial == soa.serial => return,
            Some((_, older)) => older.abort(),
            None => {}
        }
        let id = self.lot.hash_one((soa.serial, server)) as u16;
        let message = message(id, zone, soa);
        let zone = *zone;
        let task = self.tasks.spawn(async move {
            match notify(&message, server, source).await {
                Ok(Some(Rcode::NOERROR)) => tracing::debug!(%zone, %server, "notified"),
                Ok(Some(rcode)) => tracing::warn!(%zone, %server, %rcode, "does not take a NOTIFY"),
                Ok(None) => tracing::warn!(%zone, %server, "does not answer a NOTIFY"),
                Err(error) => tracing::warn!(%zone, %server, %error, "cannot be notified"),
            }
        });
        self.told.insert(key, (soa.serial, task));
    }

    /// Forgets zones that are gone.
    pub(crate) fn keep(&mut self, keeps: impl Fn(&Name) -> bool) {
        self.told.retain(|(zone, _), _| keeps(zone));
    }
}

/// Sends until there is an answer, and gives its rcode; none if there is none.
async fn notify(message: &[u8], server: SocketAddr, source: IpAddr) -> io::Result<Option<Rcode>> {
    let socket = UdpSocket::bind((source, 0)).await?;
    socket.connect(server).await?;
    for wait in WAITS {
        // A server that is not there yet may refuse; it is asked again.
        let _ = socket.send(message).await;
        if let Ok(rcode) = timeout(Duration::from_secs(wait), answer(&socket, message)).await {
            return Ok(Some(rcode));
        }
    }
    Ok(None)
}

/// The rcode of the answer; whatever else comes is passed over.
async fn answer(socket: &UdpSocket, message: &[u8]) -> Rcode {
    let mut room = [0; 512];
    loop {
        let Ok(len) = socket.recv(&mut room).await else {
            // Nobody is there at the moment; what is asked next is asked after the wait.
            std::future::pending::<()>().await;
            continue;
        };
        let Some(Ok(answer)) = room.get(..len).map(Message::new) else { continue };
        let (flags, id) = (answer.header().flags, answer.header().id);
        let is_answer = flags.has(Flags::QR)
            && flags.opcode() == Opcode::NOTIFY
            && message.first_chunk().is_some_and(|sent| *sent == id.to_be_bytes());
        if is_answer {
            return flags.rcode();
        }
    }
}

fn message(id: u16, zone: &Name, soa: &Soa) -> Vec<u8> {
    let mut room = vec![0; 12 + 3 * (MAX_NAME_LEN + 16) + soa.rdata.len()];
    let flags = Flags::AA.with_opcode(Opcode::NOTIFY);
    let limit = room.len();
    let mut builder = Builder::new(&mut room, id, flags, limit);
    let question = [zone.as_wire(), &Type::SOA.0.to_be_bytes(), &Class::IN.0.to_be_bytes()].concat();
    // There is room for both.
    let _ = builder.question(&question);
    let _ = builder.record(Section::Answer, zone, Type::SOA, Class::IN, soa.ttl, &soa.rdata);
    let len = builder.finish();
    room.truncate(len);
    room
}
