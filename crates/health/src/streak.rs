//! From results to a verdict.

use std::time::Duration;

use cartonym_registry::Verdict;
use tokio::time::Instant;

/// A verdict, and the results in a row that speak against it.
#[derive(Debug, Clone)]
pub(crate) struct Streak {
    verdict: Verdict,
    contrary: u16,
    /// How often in a row it failed soon after a recovery; at most `MAX_FLAPS`.
    flaps: u8,
    recovered: Option<Instant>,
}

const MAX_FLAPS: u8 = 4;

impl Streak {
    pub(crate) fn new(verdict: Verdict) -> Self {
        Self { verdict, contrary: 0, flaps: 0, recovered: None }
    }

    /// Takes a result; returns the verdict if it changes.
    ///
    /// A success on top of no verdict is no change, since both count as healthy.
    pub(crate) fn observe(
        &mut self,
        passed: bool,
        threshold: u8,
        damping: Option<Duration>,
        now: Instant,
    ) -> Option<Verdict> {
        if passed == self.is_fit() {
            self.contrary = 0;
            return None;
        }
        self.contrary += 1;
        if self.contrary < self.needed(threshold) {
            return None;
        }
        self.contrary = 0;
        if passed {
            self.recovered = Some(now);
            self.verdict = Verdict::Healthy;
        } else {
            let is_flap = self.recovered.zip(damping).is_some_and(|(at, window)| now - at <= window);
            self.flaps = if is_flap { MAX_FLAPS.min(self.flaps + 1) } else { 0 };
            self.verdict = Verdict::Unhealthy;
        }
        Some(self.verdict)
    }

    /// Takes over a verdict that somebody else has come to.
    pub(crate) fn adopt(&mut self, verdict: Verdict) {
        if (verdict == Verdict::Unhealthy) == self.is_fit() {
            self.contrary = 0;
        }
        self.verdict = verdict;
    }

    /// How many contrary results change the verdict.
    pub(crate) fn needed(&self, threshold: u8) -> u16 {
        let flaps = if self.is_fit() { 0 } else { self.flaps };
        u16::from(threshold.max(1)) << flaps
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.verdict
    }

    pub(crate) fn contrary(&self) -> u16 {
        self.contrary
    }

    fn is_fit(&self) -> bool {
        self.verdict != Verdict::Unhealthy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The verdicts after each of a row of results (`+` passed, `-` failed), one a second: `H`, `U`, `.` for none.
    fn verdicts(threshold: u8, damping: Option<Duration>, results: &str) -> String {
        let mut streak = Streak::new(Verdict::Unset);
        let mut now = Instant::now();
        let letter = |result: char| {
            now += SECOND;
            streak.observe(result == '+', threshold, damping, now);
            match streak.verdict() {
                Verdict::Unset => '.',
                Verdict::Healthy => 'H',
                Verdict::Unhealthy => 'U',
            }
        };
        results.chars().map(letter).collect()
    }

    #[test]
    fn a_threshold_of_one_changes_with_each_result() {
        assert_eq!(verdicts(1, None, "+-+--++"), ".UHUUHH");
    }

    #[test]
    fn only_results_in_a_row_count_both_ways() {
        assert_eq!(verdicts(3, None, "--+--+---"), "........U");
        assert_eq!(verdicts(3, None, "---++-++-+++"), "..UUUUUUUUUH");
    }

    #[test]
    fn a_flapping_instance_takes_longer_to_recover_each_time_up_to_a_limit() {
        let damping = Some(10 * SECOND);
        assert_eq!(verdicts(1, damping, "-+-++-++++-"), "UHUUHUUUUHU");
        let mut streak = Streak::new(Verdict::Unset);
        let now = Instant::now();
        for _ in 0..2000 {
            streak.observe(false, 10, damping, now);
            streak.observe(true, 10, damping, now);
            (0..200).for_each(|_| _ = streak.observe(false, 10, damping, now));
            (0..200).for_each(|_| _ = streak.observe(true, 10, damping, now));
        }
        (0..10).for_each(|_| _ = streak.observe(false, 10, damping, now));
        assert_eq!(streak.needed(10), 160);
    }

    #[test]
    fn who_fails_long_after_a_recovery_does_not_flap() {
        assert_eq!(verdicts(1, Some(3 * SECOND), "-+++++-+"), "UHHHHHUH");
    }

    #[test]
    fn a_verdict_of_others_replaces_ours_and_what_spoke_against_it() {
        let mut streak = Streak::new(Verdict::Healthy);
        let now = Instant::now();
        streak.observe(false, 2, None, now);
        streak.adopt(Verdict::Unhealthy);
        assert_eq!(streak.contrary(), 0);
        streak.observe(true, 2, None, now);
        streak.adopt(Verdict::Unhealthy);
        assert_eq!(streak.observe(true, 2, None, now), Some(Verdict::Healthy));
    }
}
