//! A responder with a chain, to be asked.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};
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
        Tester::with(Responder::builder().zone(Name::ROOT, chain).build())
    }

    /// With routes of its own.
    pub fn with(responder: Arc<Responder>) -> Tester {
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

    /// As [`Tester::wait`], for a test that is not async.
    ///
    /// # Panics
    ///
    /// If the answer waits for ten seconds.
    pub fn resolve(&self, ask: impl Into<Ask>) -> Option<Answer> {
        block_on(self.wait(ask))
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

/// How long a test waits for one thing to happen, and for how many things: both far beyond what is meant.
const WAIT: Duration = Duration::from_millis(500);
const MAX_WAKES: usize = 20;

/// Runs a future on this thread; what it waits for must be going on elsewhere.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Arc::new(Unpark(thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    for _ in 0..MAX_WAKES {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        thread::park_timeout(WAIT);
    }
    panic!("the query waits for ever")
}
