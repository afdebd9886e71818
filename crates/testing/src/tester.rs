//! A responder with a chain, to be asked.

use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::Plugin;
use cartonym_responder::{Chain, Moment, Reply, Responder, Scratch, Suspended, Verdict};
use cartonym_wire::{MAX_MESSAGE_LEN, Name};

use crate::{Answer, Ask};

/// A responder with one chain for all names.
#[derive(Debug)]
pub struct Tester {
    responder: Arc<Responder>,
    moment: Moment,
}

impl Tester {
    /// With one plugin.
    pub fn of(plugin: impl Plugin) -> Tester {
        Tester::new(Chain::new().then(plugin))
    }

    /// With a chain.
    pub fn new(chain: Chain) -> Tester {
        let responder = Responder::builder().zone(Name::ROOT, chain).build();
        Tester { responder, moment: Moment { now: Duration::from_secs(1_000_000), random: 0 } }
    }

    /// At this time since the Unix epoch, from here on.
    pub fn now(mut self, now: Duration) -> Tester {
        self.moment.now = now;
        self
    }

    /// With this random number, from here on.
    pub fn random(mut self, random: u64) -> Tester {
        self.moment.random = random;
        self
    }

    /// Asks a chain that answers at once.
    ///
    /// # Panics
    ///
    /// If it waits, or says nothing.
    pub fn ask(&self, ask: impl Into<Ask>) -> Answer {
        match self.send(&ask.into()) {
            Sent::Answer(answer) => answer,
            Sent::Nothing => panic!("the query was dropped"),
            Sent::Wait(_) => panic!("the query waits"),
        }
    }

    /// Whether the chain says nothing, and does so at once.
    pub fn drops(&self, ask: impl Into<Ask>) -> bool {
        matches!(self.send(&ask.into()), Sent::Nothing)
    }

    /// Asks a chain that may wait; none where it says nothing.
    pub async fn wait(&self, ask: impl Into<Ask>) -> Option<Answer> {
        let suspended = match self.send(&ask.into()) {
            Sent::Answer(answer) => return Some(answer),
            Sent::Nothing => return None,
            Sent::Wait(suspended) => suspended,
        };
        match suspended.resume(std::future::pending()).await {
            Reply::Message(message) => Some(Answer::new(message)),
            Reply::Stream(_) | Reply::Nothing => None,
        }
    }

    fn send(&self, ask: &Ask) -> Sent {
        let mut out = vec![0; MAX_MESSAGE_LEN];
        let message = ask.to_message();
        let verdict =
            self.responder.respond(&mut Scratch::default(), &message, ask.client(), self.moment, &mut out);
        match verdict {
            Verdict::Send(len) => {
                out.truncate(len);
                Sent::Answer(Answer::new(out))
            }
            Verdict::Drop => Sent::Nothing,
            Verdict::Wait(suspended) => Sent::Wait(suspended),
        }
    }
}

enum Sent {
    Answer(Answer),
    Nothing,
    Wait(Box<Suspended>),
}
