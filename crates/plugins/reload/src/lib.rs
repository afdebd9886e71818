#![doc = include_str!("../README.md")]

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cartonym_plugin::corefile::Error;
use cartonym_plugin::{Configure, Place, Setup};

/// When the configuration is looked at again; what all of it has in common, and its server asks for.
#[derive(Debug, Default)]
pub struct Schedule {
    // Taken while configuring, and once an interval.
    reload: Mutex<Option<Reload>>,
}

/// How often, and how much that may vary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reload {
    /// The time between two looks.
    pub interval: Duration,
    /// How far it may vary, in all.
    pub jitter: Duration,
}

impl Schedule {
    /// The time to the next look, for a server that has drawn `random` by lot; none where nobody asks for one.
    pub fn interval(&self, random: u64) -> Option<Duration> {
        let reload = *self.reload.lock().unwrap_or_else(PoisonError::into_inner);
        reload.map(|reload| reload.varied(random))
    }
}

impl Reload {
    /// The interval, moved by up to half of the jitter to either side.
    fn varied(&self, random: u64) -> Duration {
        let share = (random >> 32) as f64 / f64::from(u32::MAX);
        self.interval - self.jitter / 2 + self.jitter.mul_f64(share)
    }

    fn of(setup: &Setup<'_>) -> Result<Reload, Error> {
        let directive = setup.only()?;
        directive.no_block()?;
        let (mut interval, mut jitter) = (INTERVAL, JITTER);
        let args = directive.arg_count(0..=2)?;
        if let Some(word) = args.first() {
            interval = word.duration_or_seconds()?;
            if interval < LEAST_INTERVAL {
                return Err(word.error("the interval is 2s at least"));
            }
        }
        if let Some(word) = args.get(1) {
            jitter = word.duration_or_seconds()?;
            if !jitter.is_zero() && jitter < LEAST_JITTER {
                return Err(word.error("the jitter is 0, or 1s at least"));
            }
        }
        Ok(Reload { interval, jitter: jitter.min(interval / 2) })
    }
}

impl Configure for Reload {
    const NAME: &'static str = "reload";
    const PLACE: Place = Place::Last;

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let reload = Reload::of(setup)?;
        let schedule = setup.shared.get::<Schedule>();
        *schedule.reload.lock().unwrap_or_else(PoisonError::into_inner) = Some(reload);
        Ok(())
    }
}

const INTERVAL: Duration = Duration::from_secs(30);
const JITTER: Duration = Duration::from_secs(15);
const LEAST_INTERVAL: Duration = Duration::from_secs(2);
const LEAST_JITTER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_varies_by_half_the_jitter_to_either_side() {
        let reload = Reload { interval: Duration::from_secs(10), jitter: Duration::from_secs(4) };
        assert_eq!(reload.varied(0), Duration::from_secs(8));
        assert_eq!(reload.varied(u64::MAX), Duration::from_secs(12));
    }

    #[test]
    fn words_are_read_within_their_bounds() {
        let read = |line: &str| {
            let setup = cartonym_testing::configure::<Reload>(line);
            setup.map(|_| ()).map_err(|error| error.to_string())
        };
        for line in ["reload", "reload 2s", "reload 10s 0s", "reload 10 1", "reload 2s 1h"] {
            assert_eq!(read(line), Ok(()), "{line}");
        }
        for line in ["reload 1s", "reload x", "reload 10s 999ms", "reload 10s 1s 1s", "reload {\n}"] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
