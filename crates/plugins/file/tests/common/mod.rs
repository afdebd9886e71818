//! A zone in a folder, and those who change it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::{Plugin, Settings, Shared};
use cartonym_plugin_file::FileDirective;
use cartonym_responder::tsig::{Algorithm, Key, Keyring, Keys};
use cartonym_responder::{Moment, Responder, Scratch, Verdict};
use cartonym_testing::{Answer, Ask, TestRecord, configure_in};
use cartonym_wire::{Class, Flags, Name, NameBuf, Opcode, Rcode, Type};
use tempfile::TempDir;

const NOW: Duration = Duration::from_secs(1_700_000_000);

/// A folder with a master file of `example.`, and servers of it.
pub(crate) struct World {
    pub(crate) folder: TempDir,
}

/// A server as it has started.
pub(crate) struct Server {
    responder: Arc<Responder>,
    pub(crate) plugins: Vec<Arc<dyn Plugin>>,
}

impl World {
    pub(crate) fn new() -> World {
        let world = World { folder: TempDir::new().unwrap() };
        world.master(7, "");
        world
    }

    /// Writes the master file.
    pub(crate) fn master(&self, serial: u32, more: &str) {
        let text =
            format!("$TTL 60\n@ SOA ns host {serial} 60 10 3600 5\n@ NS ns\nns A 192.0.2.53\n{more}\n");
        fs::write(self.folder.path().join("db"), text).unwrap();
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.folder.path().join("db.example.journal")
    }

    /// Starts a server of the folder.
    pub(crate) fn start(&self) -> Result<Server, String> {
        self.start_with("update key.\nreload 1ms")
    }

    pub(crate) fn start_with(&self, options: &str) -> Result<Server, String> {
        let shared = Shared::default();
        let ring = shared.get::<Keyring>();
        for name in ["key.", "other."] {
            ring.add(Key::clone(&key(name))).unwrap();
        }
        let mut settings = Settings::default();
        settings.root = self.folder.path().to_owned();
        let directives = format!("file db {{\n{options}\n}}");
        let chain = configure_in::<FileDirective>("example.", &directives, &mut settings, &shared)?;
        let plugins = chain.plugins().cloned().collect();
        let mut keys = Keys::new();
        for name in ["key.", "other."] {
            keys.add(Key::clone(&key(name))).unwrap();
        }
        let responder = Responder::builder().zone(Name::ROOT, chain).keys(keys).build();
        Ok(Server { responder, plugins })
    }
}

impl Server {
    /// Sends an update of `example.` signed with `key.`: each line `add RECORD` or `delete RECORD`.
    pub(crate) async fn update(&self, lines: &str) -> Rcode {
        self.send(message("example. SOA", lines), Some("key.")).await
    }

    /// Sends a message, signed or not.
    pub(crate) async fn send(&self, mut message: Vec<u8>, signer: Option<&str>) -> Rcode {
        if let Some(name) = signer {
            key(name).sign(&mut message, NOW).unwrap();
        }
        let mut out = vec![0; 65535];
        let moment = Moment { now: NOW, random: 0 };
        let client = Ask::new("example. SOA").client();
        match self.responder.respond(&mut Scratch::default(), &message, client, moment, &mut out) {
            Verdict::Send(len) => Answer::new(out[..len].to_vec()).rcode(),
            Verdict::Wait(suspended) => {
                let reply = suspended.resume(std::future::pending()).await;
                Answer::new(reply.into_message().unwrap()).rcode()
            }
            Verdict::Drop => panic!("dropped"),
        }
    }

    /// The answer to a question, in one line for each record.
    pub(crate) fn ask(&self, question: &str) -> Vec<String> {
        let mut out = vec![0; 65535];
        let moment = Moment { now: NOW, random: 0 };
        let ask = Ask::new(question);
        match self.responder.respond(
            &mut Scratch::default(),
            &ask.to_message(),
            ask.client(),
            moment,
            &mut out,
        ) {
            Verdict::Send(len) => {
                Answer::new(out[..len].to_vec()).answers().iter().map(ToString::to_string).collect()
            }
            verdict => panic!("{verdict:?}"),
        }
    }

    pub(crate) fn serial(&self) -> u32 {
        self.ask("example. SOA")[0].split(' ').nth(5).unwrap().parse().unwrap()
    }
}

pub(crate) fn key(name: &str) -> Arc<Key> {
    let name: NameBuf = name.parse().unwrap();
    Arc::new(Key::new(&name, Algorithm::HmacSha256, b"secret").unwrap())
}

/// An update message without signature.
pub(crate) fn message(question: &str, lines: &str) -> Vec<u8> {
    let flags = Flags::default().with_opcode(Opcode::UPDATE);
    let mut message = Ask::new(question).flags(flags).to_message();
    for (count, line) in (1u16..).zip(lines.lines().map(str::trim)) {
        let (verb, record) = line.split_once(' ').unwrap();
        let TestRecord { owner, ttl, rtype, rdata } = record.parse().unwrap();
        let (class, ttl) = if verb == "add" { (Class::IN, ttl.as_secs()) } else { (Class::NONE, 0) };
        push(&mut message, owner.as_wire(), (rtype, class, ttl), &rdata);
        message[8..10].copy_from_slice(&count.to_be_bytes());
    }
    message
}

fn push(message: &mut Vec<u8>, owner: &[u8], (rtype, class, ttl): (Type, Class, u32), rdata: &[u8]) {
    message.extend_from_slice(owner);
    message.extend_from_slice(&rtype.0.to_be_bytes());
    message.extend_from_slice(&class.0.to_be_bytes());
    message.extend_from_slice(&ttl.to_be_bytes());
    message.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
    message.extend_from_slice(rdata);
}
