//! The one task that follows the registry, begins checks, and writes what they find.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cartonym_registry::{Changes, InstanceId, Members, Registry, ServiceId, Timestamp, Touched, Verdict};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use parking_lot::Mutex;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::Instant;

use crate::admission::Manner;
use crate::heartbeats::{Heartbeats, Silence, Unwanted};
use crate::probe::{Outcome, Probed, Prober};
use crate::table::{Slot, SlotId, Table};
use crate::writer::Writer;
use crate::{Counts, Options, Report};

#[cfg(test)]
mod tests;

/// Follows a registry and checks its instances, each in a task of its own for as long as the check takes.
pub(crate) struct Driver<P> {
    registry: Registry,
    changes: Changes,
    /// Who else checks; `None` where nobody can.
    members: Option<BoxStream<'static, Members>>,
    prober: P,
    interval: Duration,
    damping: Option<Duration>,
    /// Guards what only this task changes, and the handle's readers read; never held over an `await`.
    table: Arc<Mutex<Table>>,
    checks: JoinSet<(SlotId, Probed)>,
    writer: Writer,
    heartbeats: Heartbeats,
    removals: JoinSet<()>,
    /// What has the registry know who is heard here; one at most.
    keeping: JoinSet<()>,
}

type Ended = Result<(task::Id, (SlotId, Probed)), JoinError>;

/// The longest time, in parts of the interval, that a check is put off by chance.
const JITTER: u32 = 20;

/// The wait of a check whose target has enough of others.
const POSTPONE: Duration = Duration::from_millis(20);

/// The most instances in one change: a backend's transaction has a bound.
const MOST_KEPT: usize = 100;

/// Longer than anything is waited for; there is always some alarm.
const IDLE: Duration = Duration::from_secs(3600);

impl<P: Prober> Driver<P> {
    pub(crate) fn new(registry: Registry, options: &Options, prober: P) -> Self {
        let members = registry.join();
        // Until it is known who lives, nothing falls to anybody.
        let nobody = || Members::Several { own: String::new(), live: Vec::new() };
        let first = members.as_ref().map_or(Members::Alone, |_| nobody());
        Self {
            changes: registry.changes(),
            members,
            writer: Writer::new(registry.clone()),
            registry,
            prober,
            interval: options.interval(),
            damping: options.damping,
            table: Arc::new(Mutex::new(Table::new(options, first.clone()))),
            checks: JoinSet::new(),
            heartbeats: Heartbeats::new(options.grace, first),
            removals: JoinSet::new(),
            keeping: JoinSet::new(),
        }
    }

    pub(crate) fn table(&self) -> Arc<Mutex<Table>> {
        Arc::clone(&self.table)
    }

    /// Works until it is dropped, and its checks with it.
    pub(crate) async fn run(mut self) {
        let mut alarm = pin!(tokio::time::sleep(Duration::ZERO));
        loop {
            self.lapse();
            self.keep();
            self.writer.begin(&self.table.lock());
            let due =
                [self.begin_due(), self.writer.next(), self.heartbeats.next()].into_iter().flatten().min();
            let due = due.unwrap_or_else(|| Instant::now() + IDLE);
            if alarm.deadline() != due {
                alarm.as_mut().reset(due);
            }
            tokio::select! {
                touched = self.changes.next() => self.follow(&touched),
                Some(members) = next(&mut self.members) => self.follow_members(members),
                Some(ended) = self.checks.join_next_with_id() => self.end(ended),
                written = self.writer.written() => self.writer.end(written, &mut self.table.lock()),
                Some(_) = self.removals.join_next() => {}
                Some(_) = self.keeping.join_next() => {}
                () = alarm.as_mut() => {}
            }
        }
    }

    fn follow(&mut self, touched: &Touched) {
        let (now, mut table) = (Instant::now(), self.table.lock());
        let model = self.registry.model();
        table.follow(&model, touched, now);
        self.heartbeats.follow(&model, touched, now);
    }

    fn follow_members(&mut self, members: Members) {
        let (now, mut table) = (Instant::now(), self.table.lock());
        let model = self.registry.model();
        self.heartbeats.follow_members(&model, members.clone(), now);
        table.follow_members(&model, members, now);
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
        let target = slot.target.clone();
        let check = self.prober.clone().probe(target, table.take_kept(id));
        let check = self.checks.spawn(async move { (id, check.await) });
        let Some(slot) = table.slots.get_mut(&id) else { return };
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
        table.keep(id, probed.kept);
        let Some(slot) = table.slots.get_mut(&id) else { return };
        let Some((_, admitted)) = slot.running.take() else { return };
        table.admission.release(admitted);
        let started = slot.started.unwrap_or(now);
        let jitter = table.chance.part(self.interval / JITTER);
        table.schedule.push(now.max(started + self.interval + jitter), id);
        let failure = match probed.outcome {
            Outcome::Passed => None,
            Outcome::Failed(failure) => Some(failure),
            Outcome::Inconclusive => return inconclusive(&mut table.counts),
        };
        table.counts.checks += 1;
        table.counts.failures += u64::from(failure.is_some());
        let report = Report { at: Timestamp::now(), latency: now - started, failure };
        let threshold = slot.target.check.threshold;
        if let Some(verdict) = slot.streak.observe(report.failure.is_none(), threshold, self.damping, now) {
            table.counts.transitions += 1;
            tell(slot, verdict, &report);
            slot.unwritten = true;
            self.writer.add_slot(id);
        }
        slot.take_report(report);
    }

    /// Sees who has been silent for too long.
    fn lapse(&mut self) {
        let now = Instant::now();
        while let Some(silence) = self.heartbeats.pop(now) {
            match silence {
                Silence::Unfit(finding) => {
                    let (service, instance) = (finding.service, finding.instance.as_str());
                    tracing::info!(%service, instance, "an instance is unhealthy: nobody speaks for it");
                    self.writer.add(finding);
                }
                Silence::Unwanted(unwanted) => {
                    _ = self.removals.spawn(expire(self.registry.clone(), unwanted))
                }
            }
        }
    }

    /// Has the registry know of instances that they are heard here.
    fn keep(&mut self) {
        if !self.keeping.is_empty() {
            return;
        }
        let strays = self.heartbeats.take_strays(MOST_KEPT);
        if !strays.is_empty() {
            self.keeping.spawn(keep(self.registry.clone(), strays));
        }
    }
}

/// What comes next, if anything does.
async fn next(members: &mut Option<BoxStream<'static, Members>>) -> Option<Members> {
    members.as_mut()?.next().await
}

async fn expire(registry: Registry, unwanted: Unwanted) {
    let Unwanted { service, instance, registered, keeper } = unwanted;
    match registry.expire_instance(service, &instance, registered, keeper.as_deref()).await {
        Ok(true) => tracing::info!(%service, %instance, "an instance is removed: nobody speaks for it"),
        Ok(false) => {}
        Err(error) => tracing::warn!(%service, %instance, %error, "an instance is not removed; tried again"),
    }
}

async fn keep(registry: Registry, heard: Vec<(ServiceId, InstanceId)>) {
    if let Err(error) = registry.keep_instances(&heard).await {
        let instances = heard.len();
        tracing::warn!(instances, %error, "who is heard here is not recorded; tried again when they are heard again");
    }
}

fn inconclusive(counts: &mut Counts) {
    counts.inconclusive += 1;
    // Said ever more rarely, since what causes it once does so for all.
    if counts.inconclusive.is_power_of_two() {
        let checks = counts.inconclusive;
        tracing::warn!(checks, "checks ended without a result, for want of descriptors, ports or time");
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
