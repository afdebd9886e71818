//! How long things took, in buckets.

use std::time::Duration;

use super::{Samples, Tallies};

/// Rows of a histogram of times. Adding to one neither waits nor allocates.
#[derive(Debug)]
pub struct Durations {
    bounds: &'static [f64],
    /// A row is a count for each bound, one for all above, and the sum in nanoseconds.
    tallies: Tallies,
}

impl Durations {
    /// Bounds in seconds: from 0.25 ms, each twice the one before, to 8 s.
    pub const FINE: &[f64] = &{
        let mut bounds = [0.000_25; 16];
        let mut at = 1;
        while at < bounds.len() {
            bounds[at] = bounds[at - 1] * 2.0;
            at += 1;
        }
        bounds
    };
    /// Bounds in seconds: from 0.25 ms, each ten times the one before, to 2.5 s.
    pub const COARSE: &[f64] = &[0.000_25, 0.0025, 0.025, 0.25, 2.5];

    /// So many rows, each with these bounds.
    pub fn new(bounds: &'static [f64], rows: usize) -> Durations {
        Durations { bounds, tallies: Tallies::new(rows * (bounds.len() + 2)) }
    }

    /// Adds to a row that `count` things took so long each.
    pub fn add(&self, row: usize, count: u64, time: Duration) {
        let start = self.start(row);
        let secs = time.as_secs_f64();
        let bucket = self.bounds.iter().position(|bound| secs <= *bound).unwrap_or(self.bounds.len());
        self.tallies.add(start + bucket, count);
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.tallies.add(start + self.bounds.len() + 1, nanos.saturating_mul(count));
    }

    /// Tells a row, unless nothing was added to it.
    pub fn tell(&self, row: usize, labels: &[(&'static str, String)], samples: &mut Samples<'_>) {
        let start = self.start(row);
        let counts: Vec<u64> =
            (0..=self.bounds.len()).map(|bucket| self.tallies.sum(start + bucket)).collect();
        if counts.iter().any(|count| *count > 0) {
            let sum = self.tallies.sum(start + self.bounds.len() + 1) as f64 * 1e-9;
            samples.histogram(labels, self.bounds, &counts, sum);
        }
    }

    fn start(&self, row: usize) -> usize {
        row * (self.bounds.len() + 2)
    }
}
