//! What has been found, on its way to the registry.

use std::collections::HashSet;
use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use cartonym_registry::{Finding, Registry, Verdict, WriteError};
use tokio::time::Instant;

use crate::table::{SlotId, Table};

/// Writes what was found, in one change after another: what is found meanwhile goes with the next.
pub(crate) struct Writer {
    registry: Registry,
    /// Slots whose verdict is to be written.
    slots: HashSet<SlotId>,
    /// Findings that no slot has.
    others: Vec<Finding>,
    writing: Option<Writing>,
    /// When to write again after a write that failed.
    after: Option<Instant>,
}

/// A write that has ended.
pub(crate) struct Written {
    slots: Vec<(SlotId, Verdict)>,
    others: Vec<Finding>,
    result: Result<(), WriteError>,
}

type Writing = Pin<Box<dyn Future<Output = Written> + Send>>;

/// The most verdicts in one change: a backend's transaction has a bound.
const MOST: usize = 100;

/// The wait after a write that failed.
const RETRY: Duration = Duration::from_millis(500);

impl Writer {
    pub(crate) fn new(registry: Registry) -> Self {
        Self { registry, slots: HashSet::new(), others: Vec::new(), writing: None, after: None }
    }

    pub(crate) fn add_slot(&mut self, id: SlotId) {
        self.slots.insert(id);
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        self.others.push(finding);
    }

    /// Begins to write, if there is something to write and nothing is being written.
    pub(crate) fn begin(&mut self, table: &Table) {
        if !self.has_work()
            || self.writing.is_some()
            || self.after.is_some_and(|after| Instant::now() < after)
        {
            return;
        }
        self.after = None;
        let ids: Vec<_> = self.slots.iter().take(MOST).copied().collect();
        let others = self.others.split_off(self.others.len().saturating_sub(MOST - ids.len()));
        let (mut slots, mut findings) = (Vec::new(), others.clone());
        for id in ids {
            self.slots.remove(&id);
            let Some(slot) = table.slots.get(&id) else { continue };
            slots.push((id, slot.streak.verdict()));
            findings.push(slot.finding());
        }
        let registry = self.registry.clone();
        self.writing = Some(Box::pin(async move {
            let result = registry.set_health(&findings).await;
            Written { slots, others, result }
        }));
    }

    /// Waits for the write that runs; for ever where there is none. Loses nothing if it is dropped.
    pub(crate) async fn written(&mut self) -> Written {
        match &mut self.writing {
            Some(writing) => writing.await,
            None => pending().await,
        }
    }

    /// Takes note of a write that has ended; what failed is to be written again.
    pub(crate) fn end(&mut self, written: Written, table: &mut Table) {
        let Written { slots, others, result } = written;
        self.writing = None;
        if let Err(error) = &result {
            let verdicts = slots.len() + others.len();
            let error: &dyn std::error::Error = error;
            tracing::warn!(error, verdicts, "verdicts on health are not written; tried again");
            self.after = Some(Instant::now() + RETRY);
            self.others.extend(others);
        }
        for (id, verdict) in slots {
            let Some(slot) = table.slots.get_mut(&id) else { continue };
            slot.unwritten = result.is_err() || slot.streak.verdict() != verdict;
            if slot.unwritten {
                self.slots.insert(id);
            }
        }
    }

    /// When to begin a write that is put off; never, where there is nothing left of it.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.after.filter(|_| self.has_work())
    }

    fn has_work(&self) -> bool {
        !self.slots.is_empty() || !self.others.is_empty()
    }
}
