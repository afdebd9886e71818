//! What plugins do that they must not, and whose doing it was.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cartonym_plugin::Plugin;

/// Counts what plugins have done against the contract, by their names.
#[derive(Debug, Default)]
pub struct Faults {
    // Taken where something has gone wrong, and by who looks; never by a query that goes well.
    by_plugin: Mutex<BTreeMap<&'static str, Fault>>,
}

/// What one plugin has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fault {
    /// Queries in which it panicked; each got SERVFAIL.
    pub panics: u64,
    /// Calls that took longer than [`Faults::SLOW`], among those that were timed: after a batch that took too long, each
    /// call in the next is.
    pub slow: u64,
    /// Promises that were not kept before the deadline; each query got SERVFAIL.
    pub expired: u64,
    /// Promises that were not taken, as many being open as may; each query got SERVFAIL.
    pub rejected: u64,
}

/// What a chain is run with: where faults are counted, and the clock while something is slow.
#[derive(Clone, Copy)]
pub(crate) struct Care<'a> {
    pub(crate) faults: &'a Faults,
    /// Tells the time since any moment; none while nothing is slow, so that a query looks at no clock.
    pub(crate) clock: Option<fn() -> Duration>,
}

impl Faults {
    /// How long a plugin may take over one call. It needs a few microseconds if it waits for nothing.
    pub const SLOW: Duration = Duration::from_millis(1);
    /// How long a batch of queries may take before each call in the next is timed.
    pub(crate) const SLOW_BATCH: Duration = Duration::from_millis(2);

    /// What each plugin has done, of those that have done anything.
    pub fn by_plugin(&self) -> BTreeMap<&'static str, Fault> {
        self.by_plugin.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[cold]
    pub(crate) fn note(&self, plugin: &'static str, note: impl FnOnce(&mut Fault)) {
        let mut by_plugin = self.by_plugin.lock().unwrap_or_else(PoisonError::into_inner);
        note(by_plugin.entry(plugin).or_default());
    }
}

impl Care<'_> {
    /// Calls a plugin, and times it where something is slow.
    #[inline]
    pub(crate) fn time<T>(self, plugin: &dyn Plugin, call: impl FnOnce() -> T) -> T {
        let Some(clock) = self.clock else { return call() };
        let start = clock();
        let said = call();
        if clock().saturating_sub(start) > Faults::SLOW {
            self.faults.note(plugin.name(), |fault| fault.slow += 1);
        }
        said
    }
}

/// Runs what a plugin may panic in; none if it does.
pub(crate) fn guard<T>(run: impl FnOnce() -> T) -> Option<T> {
    // Whatever the plugin leaves behind is its own, or the response of this query, which is written anew.
    catch_unwind(AssertUnwindSafe(run)).ok()
}
