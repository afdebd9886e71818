//! A worker's clock and dice.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, SystemTime};

use cartonym_responder::Moment;

/// Makes a [`Moment`] for each query: one reading of the clock a batch, one step of xorshift64* a query.
#[derive(Debug)]
pub(crate) struct Moments {
    now: Duration,
    /// Never 0, where xorshift would stay.
    state: u64,
}

impl Moments {
    /// Seeded by the operating system.
    pub(crate) fn new() -> Moments {
        let seed = RandomState::new().build_hasher().finish();
        Moments { now: Duration::ZERO, state: seed | 1 }
    }

    /// Reads the clock, for the batch that begins.
    pub(crate) fn tick(&mut self) {
        self.now = now();
    }

    /// Reads the clock again: the time since the batch began.
    pub(crate) fn elapsed(&self) -> Duration {
        now().saturating_sub(self.now)
    }

    /// The moment of the next query.
    pub(crate) fn next(&mut self) -> Moment {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        Moment { now: self.now, random: self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) }
    }
}

/// Time since the Unix epoch.
pub(crate) fn now() -> Duration {
    // A clock before 1970 is a clock that is not set; queries are answered all the same.
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_a_batch_share_the_time_and_differ_in_their_random_number() {
        let mut moments = Moments::new();
        moments.tick();
        let (a, b) = (moments.next(), moments.next());
        assert!(a.now == b.now && a.now > Duration::ZERO && a.random != b.random);
    }
}
