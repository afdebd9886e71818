//! Waits that differ from node to node, and grow while all goes wrong.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The wait between two rounds.
#[derive(Debug)]
pub(crate) struct Pace {
    pause: Duration,
    failures: u32,
}

impl Pace {
    pub(crate) fn new(pause: Duration) -> Self {
        Self { pause, failures: 0 }
    }

    /// Takes note of how the last round went.
    pub(crate) fn note<T, E>(&mut self, round: &Result<T, E>) {
        self.failures = if round.is_ok() { 0 } else { self.failures.saturating_add(1) };
    }

    /// How many rounds have failed, one after the other.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The wait before the next round, a tenth more or less: after a failure twice as long, then four
    /// times, and so on.
    pub(crate) fn wait(&self) -> Duration {
        let grown = self.pause.saturating_mul(1 << self.failures.min(4));
        grown.min(MOST.max(self.pause)).mul_f64(0.9 + 0.2 * fraction())
    }
}

/// Any number from 0 to 1.
fn fraction() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}

/// The longest wait, if the usual one is not longer.
const MOST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const OK: Result<(), ()> = Ok(());
    const FAILED: Result<(), ()> = Err(());

    #[test]
    fn waits_differ_and_grow_with_failures_to_a_bound() {
        let mut pace = Pace::new(Duration::from_secs(1));
        let about = |pace: &Pace, seconds: f64| {
            let waits: Vec<f64> = (0..100).map(|_| pace.wait().as_secs_f64()).collect();
            assert!(waits.iter().all(|wait| (0.9 * seconds..=1.1 * seconds).contains(wait)), "{waits:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]));
        };
        about(&pace, 1.0);
        for seconds in [2.0, 4.0, 8.0, 16.0, 16.0] {
            pace.note(&FAILED);
            about(&pace, seconds);
        }
        pace.note(&OK);
        about(&pace, 1.0);
        let mut pace = Pace::new(Duration::from_secs(10));
        (0..9).for_each(|_| pace.note(&FAILED));
        about(&pace, 60.0);
    }
}
