//! Verdicts that still hold.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cartonym_plugin::wire::{Name, NameBuf};

/// What the service says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Allow,
    Deny,
}

/// The verdicts of the last seconds, of a bounded number.
#[derive(Debug)]
pub(crate) struct Verdicts {
    // Held for one look or one insertion, by workers and tasks alike.
    held: Mutex<HashMap<(IpAddr, NameBuf), (Verdict, Duration)>>,
    lifetime: Duration,
}

impl Verdicts {
    pub(crate) fn new(lifetime: Duration) -> Verdicts {
        Verdicts { held: Mutex::default(), lifetime }
    }

    /// The verdict, if it still holds at `now`.
    pub(crate) fn find(&self, client: IpAddr, name: &Name, now: Duration) -> Option<Verdict> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (verdict, until) = held.get(&(client, name.to_buf()))?;
        (now < *until).then_some(*verdict)
    }

    /// Keeps a verdict that was asked for at `now`.
    pub(crate) fn keep(&self, client: IpAddr, name: NameBuf, verdict: Verdict, now: Duration) {
        if self.lifetime.is_zero() {
            return;
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= MOST {
            held.retain(|_, (_, until)| now < *until);
        }
        // Full of what still holds: a stranger who asks for many names costs verdicts, not memory.
        if held.len() >= MOST {
            held.clear();
        }
        held.insert((client, name), (verdict, now + self.lifetime));
    }
}

const MOST: usize = 10_000;
