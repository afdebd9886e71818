//! Numbers that nobody can foresee.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// A keyed hash of a counter: cheap, shared between threads, and not to be foreseen without the key, which an attacker
/// would need for the id of a query (RFC 5452 §4.3).
#[derive(Debug, Default)]
pub(crate) struct Dice {
    key: RandomState,
    count: AtomicU64,
}

impl Dice {
    pub(crate) fn roll(&self) -> u64 {
        self.key.hash_one(self.count.fetch_add(1, Ordering::Relaxed))
    }
}
