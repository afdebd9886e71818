//! What a directive says.

use std::time::Duration;

use cartonym_wire::{Name, NameBuf, Ttl};

use crate::secs;

/// What is kept, and for how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// The names whose responses are kept; in lower case.
    pub zones: Vec<NameBuf>,
    /// How answers are kept.
    pub answers: Keeping,
    /// How denials are kept.
    pub denials: Keeping,
    /// How long failures are kept.
    pub servfail: Duration,
    /// When to ask again for what is popular.
    pub prefetch: Option<Prefetch>,
    /// What to do with what has expired.
    pub stale: Option<Stale>,
    /// Whether an answer that has expired is better than a denial.
    pub prefer_positive: bool,
    /// Names whose answers are not kept.
    pub no_answers: Vec<NameBuf>,
    /// Names whose denials are not kept.
    pub no_denials: Vec<NameBuf>,
    /// Whether TTLs stay as they came.
    pub keep_ttl: bool,
}

/// How many responses of one kind are kept, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keeping {
    /// How many.
    pub capacity: usize,
    /// Seconds at most.
    pub max_ttl: u32,
    /// Seconds at least.
    pub min_ttl: u32,
}

/// When to ask again for what is popular.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefetch {
    /// After so many queries.
    pub amount: u32,
    /// With no more time than this between two of them.
    pub gap: Duration,
    /// When so much of its time is left.
    pub percentage: u8,
}

/// What to do with what has expired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stale {
    /// How much longer it is kept.
    pub period: Duration,
    /// When it is sent.
    pub mode: StaleMode,
}

/// When a response that has expired is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StaleMode {
    /// At once and with this TTL, while it is asked for again.
    Immediate(Ttl),
    /// Only if asking again has failed.
    Verify,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            zones: vec![NameBuf::ROOT],
            answers: Keeping { capacity: CAPACITY, max_ttl: 3600, min_ttl: 5 },
            denials: Keeping { capacity: CAPACITY, max_ttl: 1800, min_ttl: 5 },
            servfail: secs(5),
            prefetch: None,
            stale: None,
            prefer_positive: false,
            no_answers: Vec::new(),
            no_denials: Vec::new(),
            keep_ttl: false,
        }
    }
}

impl Options {
    /// Whether answers, or else denials, of `name` are not kept.
    pub(crate) fn disabled(&self, is_answer: bool, name: &Name) -> bool {
        let zones = if is_answer { &self.no_answers } else { &self.no_denials };
        zones.iter().any(|zone| name.is_within(zone))
    }
}

/// What CoreDNS keeps.
const CAPACITY: usize = 9984;
