//! Counts that many threads add to.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// A row of counts. Each thread adds to a copy of its own, as far as there are copies, so that processors do not pull at
/// one cache line; who reads adds the copies up.
pub struct Tallies {
    /// As many as a power of two.
    copies: Box<[Box<[Line]>]>,
    len: usize,
}

/// Counts that share a cache line (two: processors fetch them in pairs) with nothing else.
#[derive(Default)]
#[repr(align(128))]
struct Line([AtomicU64; LINE]);

impl Tallies {
    /// So many counts, all 0.
    pub fn new(len: usize) -> Tallies {
        let wanted = available_parallelism().map_or(1, usize::from).next_power_of_two();
        // What has many counts has many routes, and they are spread by that already.
        let most = if len > MANY { 1 } else { MOST_COPIES };
        let copy = |_| (0..len.div_ceil(LINE)).map(|_| Line::default()).collect();
        Tallies { copies: (0..wanted.min(most)).map(copy).collect(), len }
    }

    /// How many counts there are.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds to one of them; to none past the last.
    pub fn add(&self, at: usize, n: u64) {
        let copy = SEAT.with(|seat| *seat) & (self.copies.len() - 1);
        if at < self.len
            && let Some(count) = self.copies.get(copy).and_then(|copy| count(copy, at))
        {
            // Relaxed: the counts say nothing about other memory.
            count.fetch_add(n, Ordering::Relaxed);
        }
    }

    /// One of them.
    pub fn sum(&self, at: usize) -> u64 {
        let counts = self.copies.iter().filter_map(|copy| count(copy, at));
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

fn count(copy: &[Line], at: usize) -> Option<&AtomicU64> {
    copy.get(at / LINE)?.0.get(at % LINE)
}

thread_local! {
    /// This thread's number.
    static SEAT: usize = NEXT_SEAT.fetch_add(1, Ordering::Relaxed);
}

impl fmt::Debug for Tallies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries((0..self.len).map(|at| self.sum(at))).finish()
    }
}

static NEXT_SEAT: AtomicUsize = AtomicUsize::new(0);
const LINE: usize = 16;
const MOST_COPIES: usize = 16;
/// Counts that are copied for each thread at most: 16 copies of them are 8 MiB.
const MANY: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_add_is_summed() {
        let tallies = Tallies::new(20);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|n| tallies.add(n % 20, 1)));
            }
        });
        assert!((0..20).all(|at| tallies.sum(at) == 200));
        tallies.add(20, 1);
        assert_eq!(tallies.sum(20), 0);
    }
}
