//! One query's way through the upstreams.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use cartonym_plugin::{Exchange, Listener, Note, Resumed, Transport};
use cartonym_wire::{Ede, Flags, Message, OptionCode, Rcode};
use tokio::time::{Instant, sleep, timeout_at};

use crate::dice::Dice;
use crate::options::{Options, Policy, Protocol};
use crate::outgoing::Outgoing;
use crate::upstream::{ExchangeError, Target, Upstream};

/// The upstreams, and how to choose among them.
pub(crate) struct Relay {
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) options: Options,
    /// Who hears what upstreams are asked.
    pub(crate) listeners: Vec<Arc<dyn Listener>>,
    pub(crate) dice: Dice,
    /// Whose turn it is.
    turn: AtomicUsize,
    waiting: AtomicUsize,
    pub(crate) rejected: AtomicU64,
    pub(crate) broken: AtomicU64,
}

/// A place among the queries that may wait; given back when dropped.
pub(crate) struct Permit(Arc<Relay>);

/// Why no upstream has answered.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("all upstreams are down")]
    NoneFit,
    #[error("{0}: {1}")]
    Upstream(SocketAddr, ExchangeError),
}

impl Permit {
    /// A place, if one is free.
    pub(crate) fn of(relay: &Arc<Relay>) -> Option<Permit> {
        if relay.waiting.fetch_add(1, Ordering::Relaxed) < relay.options.max_concurrent {
            return Some(Permit(relay.clone()));
        }
        relay.waiting.fetch_sub(1, Ordering::Relaxed);
        relay.rejected.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Asks upstreams until one answers.
    pub(crate) async fn relay(self, query: Outgoing, note: Option<Note>) -> Resumed {
        let (relay, mut asked) = (&self.0, None);
        let answer = relay.ask(query, &mut asked).await;
        if let (Some(note), Some(asked)) = (note, asked) {
            note.write(asked.to_string());
        }
        match answer {
            Ok(message) if relay.is_for_next(&message) => Resumed::Next,
            Ok(message) => Resumed::Answered(message),
            Err(error) => Resumed::Answered(failure(&error)),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Relay {
    pub(crate) fn new(upstreams: impl IntoIterator<Item = Target>, options: Options) -> Relay {
        Relay {
            upstreams: upstreams.into_iter().map(|target| Upstream::new(target, &options)).collect(),
            options,
            listeners: Vec::new(),
            dice: Dice::default(),
            turn: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            rejected: AtomicU64::new(0),
            broken: AtomicU64::new(0),
        }
    }

    /// Asks upstreams until one answers; `asked` is the last of them. A response that another might better counts if none
    /// does, whatever fails behind it.
    async fn ask(&self, mut query: Outgoing, asked: &mut Option<SocketAddr>) -> Result<Vec<u8>, RelayError> {
        let count = self.upstreams.len();
        let attempts = self.options.attempts.unwrap_or(2 * count);
        let until = Instant::now() + DEADLINE;
        let (mut at, mut response, mut failed) = (self.first(), None, RelayError::NoneFit);
        for attempt in 1..=attempts {
            let left = until.saturating_duration_since(Instant::now());
            let Some((found, upstream)) = self.next_fit(at).filter(|_| !left.is_zero()) else { break };
            at = found + 1;
            *asked = Some(upstream.address());
            // A new id each time: an answer that comes too late must not pass for another upstream's.
            query.set_id(self.dice.roll() as u16);
            // Those that have yet to be asked are left their part of the time, if this one is waited for longer than usual.
            let others = (count - (attempt - 1) % count).min(attempts - attempt + 1);
            let limit = self.options.read_timeout.min(USUAL.max(left / others as u32));
            let exchange = timeout_at(until, self.exchange(upstream, &query, limit));
            match exchange.await.unwrap_or(Err(ExchangeError::Timeout)) {
                Ok(answer) if self.is_for_another(&answer) && attempt < count => response = Some(answer),
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    if self.options.max_fails > 0 {
                        upstream.doubt.notify_one();
                    }
                    failed = RelayError::Upstream(upstream.address(), error);
                }
            }
            if attempt % count == 0 {
                // All have been tried; a port that is closed says so at once, over and over.
                sleep(PAUSE).await;
            }
        }
        response.ok_or(failed)
    }

    async fn exchange(
        &self,
        upstream: &Upstream,
        query: &Outgoing,
        limit: Duration,
    ) -> Result<Vec<u8>, ExchangeError> {
        let (transport, may_change) = self.transport(upstream, query);
        let answer = self.exchange_over(transport, upstream, query, limit).await?;
        if may_change && flags(&answer).has(Flags::TC) {
            return self.exchange_over(Transport::Tcp, upstream, query, limit).await;
        }
        Ok(answer)
    }

    /// What a query travels over, and whether it does so over TCP when its answer does not fit.
    fn transport(&self, upstream: &Upstream, query: &Outgoing) -> (Transport, bool) {
        match self.options.protocol {
            _ if upstream.is_encrypted() => (Transport::Tls, false),
            Protocol::Tcp => (Transport::Tcp, false),
            Protocol::PreferUdp => (Transport::Udp, true),
            // A question from within fits a datagram as well as any.
            Protocol::AsClient if query.transport == Transport::Internal => (Transport::Udp, true),
            Protocol::AsClient if query.transport.is_stream() => (Transport::Tcp, false),
            Protocol::AsClient => (Transport::Udp, false),
        }
    }

    async fn exchange_over(
        &self,
        transport: Transport,
        upstream: &Upstream,
        query: &Outgoing,
        limit: Duration,
    ) -> Result<Vec<u8>, ExchangeError> {
        let began = Instant::now();
        let answer = match transport {
            Transport::Udp => upstream.ask_udp(query, limit).await,
            _ => upstream.ask_tcp(query, limit).await,
        };
        let took = began.elapsed();
        if let Ok(answer) = &answer {
            upstream.times.note(flags(answer).rcode(), took);
        }
        let (server, query, response) = (upstream.address(), query.as_bytes(), answer.as_deref().ok());
        let exchange = Exchange { server, transport, took, query, response };
        self.listeners.iter().for_each(|listener| listener.hear(&exchange));
        answer
    }

    /// Where the list begins for one query.
    fn first(&self) -> usize {
        match self.options.policy {
            Policy::Random => (self.dice.roll() % self.upstreams.len().max(1) as u64) as usize,
            Policy::RoundRobin => self.turn.fetch_add(1, Ordering::Relaxed) % self.upstreams.len().max(1),
            Policy::Sequential => 0,
        }
    }

    /// The first upstream from `at` on that is fit. If none is, the one at `at`: then the probes are more likely to be
    /// wrong than all upstreams away.
    fn next_fit(&self, at: usize) -> Option<(usize, &Upstream)> {
        let from_at = || self.upstreams.iter().enumerate().cycle().skip(at).take(self.upstreams.len());
        if let Some(fit) = from_at().find(|(_, upstream)| upstream.is_fit(self.options.max_fails)) {
            return Some(fit);
        }
        self.broken.fetch_add(1, Ordering::Relaxed);
        from_at().next().filter(|_| !self.options.fail_fast)
    }

    fn is_for_another(&self, answer: &[u8]) -> bool {
        self.options.failover_rcodes.contains(&flags(answer).rcode())
    }

    fn is_for_next(&self, answer: &[u8]) -> bool {
        let rcode = flags(answer).rcode();
        let is_nodata = || {
            rcode == Rcode::NOERROR
                && Message::new(answer).is_ok_and(|message| message.header().counts[1] == 0)
        };
        self.options.next_rcodes.contains(&rcode) || self.options.next_on_nodata && is_nodata()
    }
}

fn flags(message: &[u8]) -> Flags {
    Message::new(message).map(|message| message.header().flags).unwrap_or_default()
}

/// SERVFAIL, and an OPT record that tells why (RFC 8914).
fn failure(error: &RelayError) -> Vec<u8> {
    let text = error.to_string();
    let ede = match error {
        RelayError::Upstream(_, ExchangeError::Io(_)) => Ede::NETWORK_ERROR,
        _ => Ede::NO_REACHABLE_AUTHORITY,
    };
    let mut message = Vec::new();
    for word in [0, Flags::QR.with_rcode(Rcode::SERVFAIL).0, 0, 0, 0, 1] {
        message.extend_from_slice(&word.to_be_bytes());
    }
    message.extend_from_slice(&[0, 0, 41, 0, 0, 0, 0, 0, 0]);
    let len = 2 + text.len() as u16;
    for word in [4 + len, OptionCode::EDE.0, len, ede.0] {
        message.extend_from_slice(&word.to_be_bytes());
    }
    message.extend_from_slice(text.as_bytes());
    message
}

/// How long one query may take: a client has asked elsewhere by then.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long an upstream is waited for, if it is to be, however many others there are.
const USUAL: Duration = Duration::from_secs(2);
/// Between two rounds through all upstreams.
const PAUSE: Duration = Duration::from_millis(10);
