//! The one task that follows the registry, begins checks, and writes what they find.

use std::collections::HashSet;
use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use cartonym_registry::{Changes, Finding, Registry, Timestamp, Touched, Verdict, WriteError};
use parking_lot::Mutex;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::Instant;

use crate::admission::Manner;
use crate::probe::{Outcome, Probed, Prober};
use crate::table::{Slot, SlotId, Table};
use crate::{Options, Report};

#[cfg(test)]
mod tests;

/// Follows a registry and checks its instances, each in a task of its own for as long as the check takes.
pub(crate) struct Driver<P> {
    registry: Registry,
    changes: Changes,
    prober: P,
    interval: Duration,
    damping: Option<Duration>,
    /// Guards what only this task changes, and the handle's readers read; never held over an `await`.
    table: Arc<Mutex<Table>>,
    checks: JoinSet<(SlotId, Probed)>,
    /// Slots whose verdict is to be written.
    unwritten: HashSet<SlotId>,
    /// At most one write at a time: what changes meanwhile goes with the next, however much it is.
    writing: Option<Writing>,
    /// When to write again after a write that failed.
    write_after: Option<Instant>,
}

type Writing = Pin<Box<dyn Future<Output = (Vec<(SlotId, Verdict)>, Result<(), WriteError>)> + Send>>;

type Ended = Result<(task::Id, (SlotId, Probed)), JoinError>;

/// The longest time, in parts of the interval, that a check is put off by chance.
const JITTER: u32 = 20;

/// The wait of a check whose target has enough of others.
const POSTPONE: Duration = Duration::from_millis(20);

/// The wait after a write that failed.
const RETRY: Duration = Duration::from_millis(500);

/// The most verdicts in one change: a backend's transaction has a bound.
const MOST_WRITTEN: usize = 100;

/// Longer than anything is waited for; there is always some alarm.
const IDLE: Duration = Duration::from_secs(3600);

impl<P: Prober> Driver<P> {
    pub(crate) fn new(registry: Registry, options: &Options, prober: P) -> Self {
        Self {
            changes: registry.changes(),
            registry,
            prober,
            interval: options.interval(),
            damping: options.damping,
            table: Arc::new(Mutex::new(Table::new(options))),
            checks: JoinSet::new(),
            unwritten: HashSet::new(),
            writing: None,
            write_after: None,
        }
    }

    pub(crate) fn table(&self) -> Arc<Mutex<Table>> {
        Arc::clone(&self.table)
    }

    /// Works until it is dropped, and its checks with it.
    pub(crate) async fn run(mut self) {
        let mut alarm = pin!(tokio::time::sleep(Duration::ZERO));
        loop {
            let due = self.begin_due();
            let due = [due, self.write_after].into_iter().flatten().min();
            let due = due.unwrap_or_else(|| Instant::now() + IDLE);
            if alarm.deadline() != due {
                alarm.as_mut().reset(due);
            }
            tokio::select! {
                touched = self.changes.next() => self.follow(&touched),
                Some(ended) = self.checks.join_next_with_id() => self.end(ended),
                (written, result) = write_of(&mut self.writing) => self.written(written, result),
                () = alarm.as_mut() => {}
            }
            self.write();
        }
    }

    fn follow(&mut self, touched: &Touched) {
        let mut table = self.table.lock();
        table.follow(&self.registry.model(), touched, Instant::now());
    }

    /// Begins what waits and what is due; returns when the next is.
    fn begin_due(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let table = Arc::clone(&self.table);
        let table = &mut *table.lock();
        for manner in Manner::ALL {
            while table.admission.has_room(manner)
                && let Some(id) = table.waiting[manner as usize].pop_front()
            {
                self.begin(table, id, now);
            }
        }
        while let Some((due, id)) = table.schedule.pop(now) {
            // After a pause everything is due: begin as at a start, so that no burst follows.
            if now - due > self.interval {
                table.schedule.push(now + table.chance.part(self.interval), id);
            } else {
                self.begin(table, id, now);
            }
        }
        table.schedule.next()
    }

    fn begin(&mut self, table: &mut Table, id: SlotId, now: Instant) {
        let Some(slot) = table.slots.get_mut(&id) else { return };
        let (address, manner) = (slot.target.address, slot.manner());
        if !table.admission.has_room(manner) {
            table.counts.postponed += 1;
            table.waiting[manner as usize].push_back(id);
            return;
        }
        if table.admission.is_busy(address) {
            table.counts.postponed += 1;
            table.schedule.push(now + POSTPONE, id);
            return;
        }
        let check = self.prober.clone().probe(slot.target.clone(), slot.kept.take());
        let check = self.checks.spawn(async move { (id, check.await) });
        slot.started = Some(now);
        slot.running = Some((check, table.admission.admit(address, manner)));
    }

    /// Takes the result of a check, and of those that have ended besides.
    fn end(&mut self, ended: Ended) {
        let now = Instant::now();
        let table = Arc::clone(&self.table);
        let mut table = table.lock();
        self.end_one(&mut table, ended, now);
        while let Some(ended) = self.checks.try_join_next_with_id() {
            self.end_one(&mut table, ended, now);
        }
    }

    fn end_one(&mut self, table: &mut Table, ended: Ended, now: Instant) {
        let (id, probed) = match ended {
            Ok((_, ended)) => ended,
            // Aborted: its slot is gone. Or else it panicked, and is no result.
            Err(error) => match table.slot_of_task(error.id()) {
                Some(id) => (id, Probed { outcome: Outcome::Inconclusive, kept: None }),
                None => return,
            },
        };
        let Some(slot) = table.slots.get_mut(&id) else { return };
        let Some((_, admitted)) = slot.running.take() else { return };
        table.admission.release(admitted);
        slot.kept = probed.kept;
        let started = slot.started.unwrap_or(now);
        let jitter = table.chance.part(self.interval / JITTER);
        table.schedule.push(now.max(started + self.interval + jitter), id);
        let failure = match probed.outcome {
            Outcome::Passed => None,
            Outcome::Failed(failure) => Some(failure),
            Outcome::Inconclusive => return table.counts.inconclusive += 1,
        };
        table.counts.checks += 1;
        table.counts.failures += u64::from(failure.is_some());
        let report = Report { at: Timestamp::now(), latency: now - started, failure };
        let threshold = slot.target.check.threshold;
        if let Some(verdict) = slot.streak.observe(report.failure.is_none(), threshold, self.damping, now) {
            table.counts.transitions += 1;
            tell(slot, verdict, &report);
            slot.unwritten = true;
            self.unwritten.insert(id);
        }
        slot.take_report(report);
    }

    /// Begins to write the verdicts that changed, if no write runs or waits.
    fn write(&mut self) {
        if self.writing.is_some() || self.unwritten.is_empty() {
            return;
        }
        if self.write_after.is_some_and(|after| Instant::now() < after) {
            return;
        }
        self.write_after = None;
        let table = self.table.lock();
        let ids: Vec<_> = self.unwritten.iter().take(MOST_WRITTEN).copied().collect();
        let (mut written, mut findings) = (Vec::new(), Vec::new());
        for id in ids {
            self.unwritten.remove(&id);
            let Some(slot) = table.slots.get(&id) else { continue };
            written.push((id, slot.streak.verdict()));
            findings.push(slot.finding());
        }
        let registry = self.registry.clone();
        self.writing = Some(Box::pin(async move {
            let result = registry.set_health(&findings).await;
            (written, result)
        }));
    }

    fn written(&mut self, written: Vec<(SlotId, Verdict)>, result: Result<(), WriteError>) {
        self.writing = None;
        if let Err(error) = &result {
            let error: &dyn std::error::Error = error;
            tracing::warn!(
                error,
                verdicts = written.len(),
                "verdicts on health are not written; tried again"
            );
            self.write_after = Some(Instant::now() + RETRY);
        }
        let mut table = self.table.lock();
        for (id, verdict) in written {
            let Some(slot) = table.slots.get_mut(&id) else { continue };
            slot.unwritten = result.is_err() || slot.streak.verdict() != verdict;
            if slot.unwritten {
                self.unwritten.insert(id);
            }
        }
    }
}

impl Slot {
    fn finding(&self) -> Finding {
        Finding {
            service: self.service,
            instance: self.instance.clone(),
            registered: self.registered,
            verdict: self.streak.verdict(),
        }
    }

    fn take_report(&mut self, report: Report) {
        if report.failure.is_some() {
            self.last_failure = Some(report.clone());
        }
        self.last = Some(report);
    }
}

fn tell(slot: &Slot, verdict: Verdict, report: &Report) {
    let (service, instance) = (slot.target.check.host.as_str(), slot.instance.as_str());
    let (target, latency) = (slot.target.address, report.latency.as_millis());
    match (&report.failure, verdict) {
        (Some(reason), _) => {
            tracing::info!(service, instance, %target, %reason, latency_ms = latency, "an instance is unhealthy");
        }
        (None, _) => {
            tracing::info!(service, instance, %target, latency_ms = latency, "an instance is healthy")
        }
    }
}

async fn write_of(writing: &mut Option<Writing>) -> (Vec<(SlotId, Verdict)>, Result<(), WriteError>) {
    match writing {
        Some(writing) => writing.await,
        None => pending().await,
    }
}
