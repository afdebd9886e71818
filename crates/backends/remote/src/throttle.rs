//! What bounds how much is asked.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::Quotas;

/// Lets calls through, each kind at its own rate.
#[derive(Debug)]
pub(crate) struct Throttle {
    pub(crate) listings: Bucket,
    pub(crate) discoveries: Bucket,
}

/// Lets calls through at a rate, and a few at once after a rest.
#[derive(Debug)]
pub(crate) struct Bucket {
    interval: Duration,
    /// Guards when the next call may be made if none had been saved up: a step of arithmetic.
    next: Mutex<Instant>,
}

impl Throttle {
    pub(crate) fn new(quotas: Quotas) -> Self {
        Self { listings: Bucket::new(quotas.listings), discoveries: Bucket::new(quotas.discoveries) }
    }
}

impl Bucket {
    fn new(calls_a_second: u32) -> Self {
        let interval = Duration::from_secs(1) / calls_a_second.max(1);
        Self { interval, next: Mutex::new(Instant::now()) }
    }

    /// Returns when a call may be made; who comes first goes first.
    pub(crate) async fn pass(&self) {
        let turn = {
            let mut next = self.next.lock();
            let now = Instant::now();
            // What was not used is saved up, as far as it goes.
            let saved = self.interval * (BURST - 1);
            let turn = (*next).max(now.checked_sub(saved).unwrap_or(now));
            *next = turn + self.interval;
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}

/// Calls that are made at once after a rest.
const BURST: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_pass_at_their_rate_and_few_at_once() {
        let bucket = Bucket::new(2);
        tokio::time::advance(Duration::from_secs(60)).await;
        let start = Instant::now();
        let mut passed = Vec::new();
        for _ in 0..6 {
            bucket.pass().await;
            passed.push(start.elapsed().as_millis());
        }
        // A timer has a resolution of a millisecond.
        let expected = [0, 0, 0, 500, 1000, 1500];
        assert!(passed.iter().zip(expected).all(|(at, due)| (due..due + 2).contains(at)), "{passed:?}");
    }
}
