#![doc = include_str!("../README.md")]

mod collector;
mod configure;
mod frames;
mod message;
#[cfg(test)]
mod tests;

pub use collector::Collector;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use cartonym_plugin::metrics::Counter;
use cartonym_plugin::{BoxFuture, Exchange, Listener, Plugin, Query, Response, Step, Transport};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{Notify, Semaphore};

use collector::Writer;
use message::{CLIENT_QUERY, CLIENT_RESPONSE, FORWARDER_QUERY, FORWARDER_RESPONSE, Message};

/// Tells a collector of queries and responses.
#[derive(Debug)]
pub struct Tap {
    options: Options,
    queue: Sender<Message>,
    /// Octets that may still wait; who has written a message gives its octets back.
    room: Arc<Semaphore>,
    /// For the task that writes, which takes it.
    written: Mutex<Option<Receiver<Message>>>,
    /// Messages that were not told: there was no room, the connection broke, or the writer ended.
    dropped: Counter,
    /// Tells the task that writes to end.
    end: Arc<Notify>,
}

/// What is told, and to whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Where messages go.
    pub collector: Collector,
    /// Whether they have the DNS messages with them.
    pub is_full: bool,
    /// How many may wait.
    pub queue: usize,
    /// What this server calls itself.
    pub identity: Vec<u8>,
    /// What it says it is.
    pub version: Vec<u8>,
    /// What is said with each message; nothing if empty.
    pub extra: Vec<u8>,
}

impl Tap {
    /// As options say; `dropped` counts what is not told.
    pub fn new(options: Options, dropped: Counter) -> Tap {
        let (queue, written) = channel(options.queue.max(1));
        let octets = options.queue.saturating_mul(OCTETS).min(Semaphore::MAX_PERMITS);
        let (room, written) = (Arc::new(Semaphore::new(octets)), Mutex::new(Some(written)));
        Tap { options, queue, room, written, dropped, end: Arc::default() }
    }

    /// Puts a message with so many octets of DNS in the queue. A query waits for nobody; and where there is no room, nothing
    /// is made.
    fn tell(&self, octets: usize, message: impl FnOnce() -> Message) {
        let weight = u32::try_from(Message::weight(octets)).unwrap_or(u32::MAX);
        let Ok(place) = self.queue.try_reserve() else { return self.dropped.add_one() };
        let Ok(room) = self.room.try_acquire_many(weight) else { return self.dropped.add_one() };
        room.forget();
        place.send(message());
    }

    /// Of a DNS message, what is told.
    fn told<'m>(&self, message: &'m [u8]) -> Option<&'m [u8]> {
        self.options.is_full.then_some(message)
    }
}

impl Listener for Tap {
    fn hear(&self, exchange: &Exchange<'_>) {
        let now = now();
        let asked = now.saturating_sub(exchange.took);
        let query = self.told(exchange.query);
        self.tell(query.map_or(0, <[u8]>::len), || Message {
            query: query.map(<[u8]>::to_vec),
            ..Message::of_exchange(FORWARDER_QUERY, exchange, asked)
        });
        let Some(response) = exchange.response else { return };
        let response = self.told(response);
        self.tell(response.map_or(0, <[u8]>::len), || Message {
            response_seconds: Some(now.as_secs()),
            response_nanos: Some(now.subsec_nanos()),
            response: response.map(<[u8]>::to_vec),
            ..Message::of_exchange(FORWARDER_RESPONSE, exchange, asked)
        });
    }
}

impl Plugin for Tap {
    fn name(&self) -> &'static str {
        "dnstap"
    }

    fn answer(&self, query: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        if query.client().transport != Transport::Internal {
            let octets = self.told(query.message().as_bytes());
            self.tell(octets.map_or(0, <[u8]>::len), || Message {
                query: octets.map(<[u8]>::to_vec),
                ..Message::of(CLIENT_QUERY, query.client(), query.now())
            });
        }
        Step::Next
    }

    fn on_response(&self, query: &Query<'_>, response: &mut Response<'_>) {
        if query.client().transport == Transport::Internal {
            return;
        }
        let message = if self.options.is_full { response.message() } else { None };
        let octets = message.as_ref().map(|message| message.as_bytes());
        self.tell(octets.map_or(0, <[u8]>::len), || {
            let now = now();
            Message {
                response_seconds: Some(now.as_secs()),
                response_nanos: Some(now.subsec_nanos()),
                response: octets.map(<[u8]>::to_vec),
                ..Message::of(CLIENT_RESPONSE, query.client(), query.now())
            }
        });
    }

    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        let queue = self.written.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let (options, room, end) = (self.options.clone(), Arc::clone(&self.room), Arc::clone(&self.end));
        let writer = Writer { options, queue, room, dropped: self.dropped.clone(), end, writing: 0 };
        // The task does not keep the tap, and counts what it has not written.
        Some(Box::pin(writer.run()))
    }

    fn end(&self) -> bool {
        self.end.notify_one();
        true
    }
}

/// Octets that may wait for each message that may.
const OCTETS: usize = 1024;

#[allow(clippy::disallowed_methods, reason = "no query brings its end along")]
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
