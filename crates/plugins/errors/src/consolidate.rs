//! Counting errors instead of writing them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cartonym_plugin::corefile::{Directive, Error};
use cartonym_plugin::{Journal, Level};
use regex::Regex;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Errors;

/// Errors that are counted for a time, and then written as a number.
#[derive(Debug)]
pub(crate) struct Pattern {
    period: Duration,
    regex: Regex,
    level: Level,
    show_first: bool,
    /// Errors of this period so far.
    count: AtomicU64,
    /// Told when a period begins.
    begun: Notify,
}

impl Pattern {
    /// Reads `consolidate DURATION REGEXP [LEVEL] [show_first]`.
    pub(crate) fn of(entry: &Directive) -> Result<Pattern, Error> {
        let [period, regex, rest @ ..] = entry.arg_count(2..=4)? else {
            return Err(entry.error("`consolidate` takes a duration and a pattern"));
        };
        let (mut level, mut show_first) = (Level::Error, false);
        for word in rest {
            match word.one_of(&["error", "warning", "info", "debug", "show_first"])? {
                "error" => level = Level::Error,
                "warning" => level = Level::Warning,
                "info" => level = Level::Info,
                "debug" => level = Level::Debug,
                _ => show_first = true,
            }
        }
        Ok(Pattern {
            period: period.duration()?,
            regex: Regex::new(regex.as_str()).map_err(|error| regex.error(format!("{error}")))?,
            level,
            show_first,
            count: AtomicU64::new(0),
            begun: Notify::new(),
        })
    }

    pub(crate) fn matches(&self, reason: &str) -> bool {
        self.regex.is_match(reason)
    }

    /// Counts one more error; whether it is not to be written.
    pub(crate) fn swallows(&self) -> bool {
        let first = self.count.fetch_add(1, Ordering::Relaxed) == 0;
        if first {
            self.begun.notify_one();
        }
        !(first && self.show_first)
    }

    /// Writes what was counted since the last time.
    pub(crate) fn report(&self, journal: &Journal) {
        if let Some(text) = self.line(self.count.swap(0, Ordering::Relaxed)) {
            journal.write(self.level, move |line| line.push_str(&text));
        }
    }

    /// The line for a period that has ended; none where it would tell nothing that was not shown.
    fn line(&self, count: u64) -> Option<String> {
        let shown = u64::from(self.show_first);
        (count > shown).then(|| {
            let (regex, period) = (self.regex.as_str(), in_words(self.period));
            format!("plugin/errors: {count} errors like '{regex}' occurred in last {period}")
        })
    }
}

/// Writes the numbers, each pattern's at the end of its periods.
pub(crate) async fn report(errors: Arc<Errors>) {
    let mut patterns = JoinSet::new();
    for at in 0..errors.patterns.len() {
        let errors = errors.clone();
        patterns.spawn(async move {
            let Some(pattern) = errors.patterns.get(at) else { return };
            loop {
                pattern.begun.notified().await;
                sleep(pattern.period).await;
                pattern.report(&errors.journal);
            }
        });
    }
    while patterns.join_next().await.is_some() {}
}

/// As a Corefile has it: `1h30m`, `30s`.
fn in_words(period: Duration) -> String {
    let (secs, millis) = (period.as_secs(), period.subsec_millis());
    let mut words = String::new();
    for (count, unit) in [(secs / 3600, "h"), (secs / 60 % 60, "m"), (secs % 60, "s"), (millis.into(), "ms")]
    {
        if count > 0 {
            words.push_str(&format!("{count}{unit}"));
        }
    }
    if words.is_empty() { "0s".to_owned() } else { words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_told_in_words() {
        let table = [(0, "0s"), (30_000, "30s"), (90_000, "1m30s"), (5_400_000, "1h30m"), (1_500, "1s500ms")];
        for (millis, words) in table {
            assert_eq!(in_words(Duration::from_millis(millis)), words);
        }
    }
}
