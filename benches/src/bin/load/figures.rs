//! What is printed.

use std::time::Duration;

/// Prints how long things took.
#[allow(clippy::print_stdout)]
pub(crate) fn latencies(what: &str, mut all: Vec<Duration>) {
    all.sort_unstable();
    let at =
        |share: f64| all.get((all.len() as f64 * share) as usize).or(all.last()).copied().unwrap_or_default();
    println!(
        "{what}: n {} · p50 {:?} · p90 {:?} · p99 {:?} · p99.9 {:?} · most {:?}",
        all.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        all.last().copied().unwrap_or_default()
    );
}

/// Prints how many a second.
#[allow(clippy::print_stdout)]
pub(crate) fn rate(what: &str, count: usize, time: Duration) {
    println!("{what}: {count} in {time:.2?} = {:.0}/s", count as f64 / time.as_secs_f64());
}

/// Prints one value.
#[allow(clippy::print_stdout)]
pub(crate) fn value(what: &str, value: impl std::fmt::Display) {
    println!("{what}: {value}");
}
