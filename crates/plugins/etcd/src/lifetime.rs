//! Times to live that end at a moment: as seconds they are only known when somebody asks.
//!
//! A compiled record keeps its TTL as a number below 2^30, or as 2^30 and the moment when it ends, in seconds since the
//! Unix epoch modulo 2^30. What is sent is counted from that, and no record is compiled again for the passing of time.

use std::time::Duration;

use cartonym_wire::Ttl;

/// Marks a moment.
const MARK: u32 = 1 << 30;
/// The longest time to live that is not taken for a moment.
pub(crate) const LONGEST: u32 = MARK - 1;

/// Within which bounds a lease is a time to live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bounds {
    /// In seconds.
    pub(crate) min: u32,
    /// In seconds.
    pub(crate) max: u32,
}

/// Until a moment in seconds since the Unix epoch.
pub(crate) fn until(moment: u64) -> Ttl {
    Ttl::from_secs(MARK | (moment % u64::from(MARK)) as u32)
}

/// The TTL to send now.
pub(crate) fn resolve(ttl: Ttl, now: Duration, bounds: Bounds) -> Ttl {
    let secs = ttl.as_secs();
    if secs & MARK == 0 {
        return ttl;
    }
    let left = (secs & LONGEST).wrapping_sub(now.as_secs() as u32) & LONGEST;
    // What seems to lie in the far future is past.
    let left = if left > LONGEST / 2 { 0 } else { left };
    Ttl::from_secs(left.max(bounds.min).min(bounds.max))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { min: 30, max: 3600 };

    #[test]
    fn a_moment_is_counted_down_to_the_least() {
        let at = |now: u64| resolve(until(2_000_000_100), Duration::from_secs(now), BOUNDS).as_secs();
        assert_eq!(at(2_000_000_000), 100);
        assert_eq!(at(2_000_000_060), 40);
        assert_eq!(at(2_000_000_099), 30);
        assert_eq!(at(2_000_000_500), 30);
        assert_eq!(at(1_999_000_000), 3600);
    }

    #[test]
    fn a_number_of_seconds_stays() {
        for secs in [0, 7, LONGEST] {
            assert_eq!(resolve(Ttl::from_secs(secs), Duration::from_secs(5), BOUNDS).as_secs(), secs);
        }
    }
}
