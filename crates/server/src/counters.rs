//! Counts, kept by each worker for itself and summed by who reads them.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a server has done since its start.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counters {
    /// What came and went as datagrams.
    pub udp: Traffic,
    /// What came and went over connections.
    pub tcp: Traffic,
    /// Connections open now.
    pub connections: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections closed at once, because their client had too many.
    pub refused: u64,
    /// Idle connections closed to make room for new ones.
    pub evicted: u64,
    /// Workers that died of a defect and were started again, and connections that died of one.
    pub panics: u64,
}

/// Messages of one kind of transport.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Traffic {
    /// Messages received, well formed or not.
    pub received: u64,
    /// Responses that the system took.
    pub sent: u64,
    /// Messages that got no response: by decision, or because it could not be sent.
    pub dropped: u64,
    /// Queries that waited for a plugin.
    pub deferred: u64,
}

/// One worker's counts, on cache lines of their own (two: processors fetch them in pairs).
#[derive(Default, Debug)]
#[repr(align(128))]
pub(crate) struct Tally {
    received: AtomicU64,
    sent: AtomicU64,
    dropped: AtomicU64,
    deferred: AtomicU64,
    panics: AtomicU64,
}

impl Tally {
    /// Adds a batch's counts; cheap enough for a batch, not meant for each query.
    pub(crate) fn add(&self, traffic: &Traffic) {
        // Relaxed: the counts say nothing about other memory, and a reader may see one before the other.
        for (count, n) in [
            (&self.received, traffic.received),
            (&self.sent, traffic.sent),
            (&self.dropped, traffic.dropped),
            (&self.deferred, traffic.deferred),
        ] {
            if n > 0 {
                count.fetch_add(n, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            received: self.received.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            deferred: self.deferred.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Traffic) {
        self.received += other.received;
        self.sent += other.sent;
        self.dropped += other.dropped;
        self.deferred += other.deferred;
    }
}
