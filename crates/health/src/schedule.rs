//! When what is due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

/// Moments at which something is due, the earliest first.
///
/// What is no longer wanted stays until it is due, so the one who asks must know it for dead.
#[derive(Debug)]
pub(crate) struct Schedule<T>(BinaryHeap<Reverse<(Instant, T)>>);

/// Numbers by chance, for spreading checks over time; nothing secret depends on them.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl<T: Ord> Schedule<T> {
    pub(crate) fn new() -> Self {
        Self(BinaryHeap::new())
    }

    pub(crate) fn push(&mut self, when: Instant, what: T) {
        self.0.push(Reverse((when, what)));
    }

    /// Takes the earliest of what is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Instant, T)> {
        self.next().filter(|when| *when <= now)?;
        self.0.pop().map(|Reverse(due)| due)
    }

    /// When the earliest is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((when, _))| *when)
    }
}

impl Chance {
    pub(crate) fn new() -> Self {
        // The standard library's hasher is seeded by the system; zero is the one state that never changes.
        Self(RandomState::new().build_hasher().finish() | 1)
    }

    /// Some part of `whole`.
    pub(crate) fn part(&mut self, whole: Duration) -> Duration {
        whole.mul_f64((self.next() >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// The next state of xorshift64 (Marsaglia, Xorshift RNGs, §3).
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_in_order_and_not_before() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut schedule = Schedule::new();
        [3, 1, 2].into_iter().for_each(|n| schedule.push(at(n), n));
        assert_eq!(schedule.next(), Some(at(1)));
        assert_eq!(schedule.pop(now), None);
        assert_eq!(schedule.pop(at(2)), Some((at(1), 1)));
        assert_eq!(schedule.pop(at(2)), Some((at(2), 2)));
        assert_eq!(schedule.pop(at(2)), None);
        assert_eq!(schedule.next(), Some(at(3)));
    }

    #[test]
    fn parts_are_spread_over_the_whole() {
        let (mut chance, whole) = (Chance::new(), Duration::from_secs(10));
        let mut tenths = [0; 10];
        for _ in 0..10_000 {
            tenths[chance.part(whole).as_secs() as usize] += 1;
        }
        assert!(tenths.iter().all(|n| (700..1300).contains(n)), "{tenths:?}");
    }
}
