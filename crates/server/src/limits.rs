//! What strangers may take.

use std::time::Duration;

/// Bounds on what clients may hold or wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Connections at once, over all listeners; fewer where the process may open fewer files. When all are taken,
    /// a new client gets the place of the one that has been idle longest.
    pub connections: usize,
    /// Connections at once from one IPv4 address, or one IPv6 /64.
    pub connections_per_client: usize,
    /// From accepting a connection to the end of its first message.
    pub first_message: Duration,
    /// From the first octet of a message to its last; those who drip are cut off.
    pub message: Duration,
    /// Without a message, and with nothing to answer (RFC 7766 §6.2.3).
    pub idle: Duration,
    /// Without taking 4 KiB, or all there is, of what is ready for it.
    pub stall: Duration,
    /// From accepting a connection to its end, whatever it does.
    pub life: Duration,
    /// Octets that wait for a client that does not read; past that, no more is read from it, and none answered.
    pub queued: usize,
    /// Queries of one connection that may wait for a plugin at once; past that, no more is read from it.
    pub pipelined: usize,
    /// Messages of one connection, which is closed when they are answered.
    pub messages: u64,
    /// How long a query may wait for a plugin, on any transport; then it is SERVFAIL.
    pub deadline: Duration,
    /// How long a shutdown waits for what has begun.
    pub grace: Duration,
}

/// What a listener's connections may take, where not what all may.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Patience {
    /// [`Limits::first_message`], [`Limits::message`], and agreeing on keys.
    pub read: Option<Duration>,
    /// [`Limits::stall`].
    pub write: Option<Duration>,
    /// [`Limits::idle`].
    pub idle: Option<Duration>,
    /// [`Limits::messages`].
    pub messages: Option<u64>,
    /// Connections at once to this listener, of all that [`Limits::connections`] allows.
    pub connections: Option<usize>,
}

impl Patience {
    /// How long a connection may be idle: [`Limits::idle`] where this says nothing.
    pub fn idle(&self) -> Duration {
        self.idle.unwrap_or(Limits::default().idle)
    }

    /// With what `later` says where it says something.
    #[must_use]
    pub fn then(self, later: Patience) -> Patience {
        Patience {
            read: later.read.or(self.read),
            write: later.write.or(self.write),
            idle: later.idle.or(self.idle),
            messages: later.messages.or(self.messages),
            connections: later.connections.or(self.connections),
        }
    }
}

impl Limits {
    /// With a listener's own.
    pub(crate) fn with(self, patience: Patience) -> Limits {
        Limits {
            first_message: patience.read.unwrap_or(self.first_message),
            message: patience.read.unwrap_or(self.message),
            stall: patience.write.unwrap_or(self.stall),
            idle: patience.idle.unwrap_or(self.idle),
            messages: patience.messages.unwrap_or(self.messages),
            connections: patience.connections.unwrap_or(self.connections),
            ..self
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 4096,
            connections_per_client: 1024,
            first_message: Duration::from_secs(5),
            message: Duration::from_secs(5),
            idle: Duration::from_secs(10),
            stall: Duration::from_secs(10),
            life: Duration::from_secs(3600),
            queued: 64 * 1024,
            pipelined: 128,
            messages: u64::MAX,
            deadline: Duration::from_secs(5),
            grace: Duration::from_secs(5),
        }
    }
}
