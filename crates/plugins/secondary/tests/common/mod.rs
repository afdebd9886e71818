//! A primary that does as it is told, and a secondary that is asked.

#![allow(dead_code)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cartonym_plugin::{Fallthrough, Plugin};
use cartonym_plugin_secondary::{Primaries, Secondary};
use cartonym_responder::Chain;
use cartonym_responder::tsig::{Algorithm, Key, Keys};
use cartonym_testing::{Answer, Ask, TestRecord, Tester};
use cartonym_wire::{Builder, Class, Flags, Message, NameBuf, Opcode, Rcode, Section, Type};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a primary says to one question.
#[derive(Clone, Debug)]
pub(crate) enum Say {
    /// Messages of these records, one on a line, messages apart by `--`.
    Records(String),
    /// The same, signed with a key of this secret.
    Signed(String, &'static [u8]),
    Rcode(Rcode),
    /// Nothing: the connection is closed.
    Hang,
}

/// A primary: it says what is next in its script, and its last word over and over.
pub(crate) struct Primary {
    pub(crate) address: SocketAddr,
    script: Arc<Mutex<VecDeque<Say>>>,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Primary {
    pub(crate) async fn new(script: impl IntoIterator<Item = Say>) -> Primary {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script: Arc<Mutex<VecDeque<Say>>> = Arc::new(Mutex::new(script.into_iter().collect()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (says, hears) = (Arc::clone(&script), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // A secondary that has heard enough may be gone.
                let _ = serve(stream, &says, &hears).await;
            }
        });
        Primary { address, script, asked, task }
    }

    /// From now on it says this.
    pub(crate) fn say(&self, script: impl IntoIterator<Item = Say>) {
        *self.script.lock() = script.into_iter().collect();
    }

    /// What it has been asked: the type, and the serial of an IXFR.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }
}

impl Drop for Primary {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    script: &Mutex<VecDeque<Say>>,
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let len = stream.read_u16().await?;
    let mut query = vec![0; usize::from(len)];
    stream.read_exact(&mut query).await?;
    asked.lock().push(question(&query));
    let say = {
        let mut script = script.lock();
        if script.len() > 1 { script.pop_front() } else { script.front().cloned() }
    };
    for message in messages(&query, &say.unwrap_or(Say::Hang)) {
        stream.write_u16(message.len() as u16).await?;
        stream.write_all(&message).await?;
    }
    Ok(())
}

fn question(query: &[u8]) -> String {
    let message = Message::new(query).unwrap();
    let soa = message.records().map(Result::unwrap).find(|record| record.rtype == Type::SOA);
    let qtype = message.question().unwrap().qtype;
    match soa {
        Some(soa) => {
            let serial = &soa.rdata[soa.rdata.len() - 20..][..4];
            format!("{qtype} {}", u32::from_be_bytes(serial.try_into().unwrap()))
        }
        None => qtype.to_string(),
    }
}

pub(crate) fn messages(query: &[u8], say: &Say) -> Vec<Vec<u8>> {
    match say {
        Say::Hang => Vec::new(),
        Say::Rcode(rcode) => vec![message(query, *rcode, "")],
        Say::Records(text) => text.split("--").map(|part| message(query, Rcode::NOERROR, part)).collect(),
        Say::Signed(text, secret) => {
            let mut keys = Keys::new();
            keys.add(Key::clone(&key(secret))).unwrap();
            let at = Message::new(query).unwrap().records().last().unwrap().unwrap().start;
            let now = now();
            let Ok(mut session) = keys.verify(query, at, now) else { return Vec::new() };
            let mut messages = messages(query, &Say::Records(text.clone()));
            messages.iter_mut().for_each(|message| session.sign_vec(message, now).unwrap());
            messages
        }
    }
}

fn message(query: &[u8], rcode: Rcode, records: &str) -> Vec<u8> {
    let view = Message::new(query).unwrap();
    let mut room = vec![0; 65535];
    let flags = Flags::QR.with(Flags::AA, true).with_rcode(rcode);
    let mut builder = Builder::new(&mut room, view.header().id, flags, 65535);
    builder.question(&query[12..view.question().unwrap().end]).unwrap();
    for line in records.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let TestRecord { owner, ttl, rtype, rdata } = line.parse().unwrap();
        builder.record(Section::Answer, &owner, rtype, Class::IN, ttl, &rdata).unwrap();
    }
    let len = builder.finish();
    room.truncate(len);
    room
}

#[allow(clippy::disallowed_methods, reason = "the secondary signs by the clock")]
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

pub(crate) fn key(secret: &[u8]) -> Arc<Key> {
    Arc::new(Key::new(&name("xfr."), Algorithm::HmacSha256, secret).unwrap())
}

pub(crate) fn name(text: &str) -> NameBuf {
    text.parse().unwrap()
}

/// An SOA of `example.` that lets a secondary ask once an hour, and give up after a day.
pub(crate) fn soa(serial: u32) -> String {
    soa_with(serial, [3600, 600, 86400])
}

pub(crate) fn soa_with(serial: u32, [refresh, retry, expire]: [u32; 3]) -> String {
    format!("example. 60 SOA ns.example. host.example. {serial} {refresh} {retry} {expire} 5\n")
}

/// A whole zone of one name.
pub(crate) fn whole(serial: u32, address: &str) -> String {
    format!("{0}www.example. 60 A {address}\n{0}", soa(serial))
}

/// What leads from one zone of one name to the other.
pub(crate) fn step(from: u32, old: &str, to: u32, new: &str) -> String {
    let (from, to) = (soa(from), soa(to));
    format!("{to}{from}www.example. 60 A {old}\n{to}www.example. 60 A {new}\n{to}")
}

/// A secondary of `example.` at work.
pub(crate) struct World {
    pub(crate) secondary: Arc<Secondary>,
    tester: Tester,
    task: JoinHandle<()>,
}

impl World {
    pub(crate) fn new(primaries: impl IntoIterator<Item = SocketAddr>) -> World {
        World::of(Primaries::new(primaries))
    }

    pub(crate) fn of(primaries: Primaries) -> World {
        let secondary = Secondary::new().zone(&name("example."), primaries, Fallthrough::default());
        let secondary = Arc::new(secondary);
        let plugin: Arc<dyn Plugin> = secondary.clone();
        let task = tokio::spawn(Arc::clone(&plugin).background().unwrap());
        World { secondary, tester: Tester::new(Chain::new().then_shared(plugin)), task }
    }

    pub(crate) fn ask(&self, ask: impl Into<Ask>) -> Answer {
        self.tester.ask(ask)
    }

    /// Asks for `www.example.` until the answer begins so; fails after ten seconds.
    pub(crate) async fn wait_for(&self, expected: &str) {
        let begins_so = async {
            while !self.ask("www.example. A").to_string().starts_with(expected) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(10), begins_so).await;
        assert!(in_time.is_ok(), "{}", self.ask("www.example. A"));
    }

    /// Sends NOTIFY of this serial.
    pub(crate) fn notify(&self, zone: &str, serial: u32, from: &str) -> Rcode {
        let flags = Flags::AA.with_opcode(Opcode::NOTIFY);
        let ask = Ask::new(&format!("{zone} SOA")).flags(flags).from(from);
        let mut message = ask.to_message();
        let TestRecord { owner, rdata, .. } = soa(serial).trim().parse().unwrap();
        message[7] = 1;
        message.extend_from_slice(owner.as_wire());
        message.extend_from_slice(&[0, 6, 0, 1, 0, 0, 0, 0]);
        message.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
        message.extend_from_slice(&rdata);
        self.send(&message, &ask)
    }

    fn send(&self, message: &[u8], ask: &Ask) -> Rcode {
        use cartonym_responder::{Moment, Responder, Scratch, Verdict};
        let plugin: Arc<dyn Plugin> = self.secondary.clone();
        let chain = Chain::new().then_shared(plugin);
        let responder = Responder::builder().zone(cartonym_wire::Name::ROOT, chain).build();
        let mut out = [0; 512];
        let moment = Moment { now: Duration::ZERO, random: 0 };
        match responder.respond(&mut Scratch::default(), message, ask.client(), moment, &mut out) {
            Verdict::Send(len) => Answer::new(out[..len].to_vec()).rcode(),
            verdict => panic!("{verdict:?}"),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.task.abort();
    }
}
