//! One query's way through the upstreams.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use cartonym_plugin::{Resumed, Transport};
use cartonym_wire::{Ede, Flags, Message, OptionCode, Rcode};
use tokio::time::{Instant, sleep, timeout};

use crate::dice::Dice;
use crate::options::{Options, Policy, Protocol};
use crate::outgoing::Outgoing;
use crate::upstream::{ExchangeError, Target, Upstream};

/// The upstreams, and how to choose among them.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) options: Options,
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
    #[error("upstreams: i/o timeout")]
    Timeout,
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
    pub(crate) async fn relay(self, query: Outgoing) -> Resumed {
        let relay = &self.0;
        let answer = timeout(DEADLINE, relay.ask(query)).await.unwrap_or(Err(RelayError::Timeout));
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
            dice: Dice::default(),
            turn: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            rejected: AtomicU64::new(0),
            broken: AtomicU64::new(0),
        }
    }

    async fn ask(&self, mut query: Outgoing) -> Result<Vec<u8>, RelayError> {
        let count = self.upstreams.len();
        let attempts = self.options.attempts.unwrap_or(2 * count);
        let (mut at, mut last) = (self.first(), Err(RelayError::NoneFit));
        for attempt in 1..=attempts {
            let Some((found, upstream)) = self.next_fit(at) else { return last };
            at = found + 1;
            // A new id each time: an answer that comes too late must not pass for another upstream's.
            query.set_id(self.dice.roll() as u16);
            last = match self.exchange(upstream, &query).await {
                Ok(answer) if self.is_for_another(&answer) && attempt < count => Ok(answer),
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    if self.options.max_fails > 0 {
                        upstream.doubt.notify_one();
                    }
                    Err(RelayError::Upstream(upstream.address(), error))
                }
            };
            if attempt % count == 0 {
                // All have been tried; a port that is closed says so at once, over and over.
                sleep(PAUSE).await;
            }
        }
        last
    }

    async fn exchange(&self, upstream: &Upstream, query: &Outgoing) -> Result<Vec<u8>, ExchangeError> {
        let began = Instant::now();
        let answer = self.exchange_over(upstream, query).await?;
        upstream.times.note(flags(&answer).rcode(), began.elapsed());
        Ok(answer)
    }

    async fn exchange_over(&self, upstream: &Upstream, query: &Outgoing) -> Result<Vec<u8>, ExchangeError> {
        let limit = self.options.read_timeout;
        let prefer_udp = match self.options.protocol {
            _ if upstream.is_encrypted() => return upstream.ask_tcp(query, limit).await,
            Protocol::Tcp => return upstream.ask_tcp(query, limit).await,
            Protocol::PreferUdp => true,
            // A question from within fits a datagram as well as any.
            Protocol::AsClient => query.transport == Transport::Internal,
        };
        if !prefer_udp && query.transport.is_stream() {
            return upstream.ask_tcp(query, limit).await;
        }
        let answer = upstream.ask_udp(query, limit).await?;
        if prefer_udp && flags(&answer).has(Flags::TC) {
            return upstream.ask_tcp(query, limit).await;
        }
        Ok(answer)
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
/// Between two rounds through all upstreams.
const PAUSE: Duration = Duration::from_millis(10);
