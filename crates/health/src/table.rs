//! What is checked: the registry's checked instances, and what is known of each.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cartonym_registry::{
    Finding, InstanceEntry, InstanceId, Members, Model, ServiceId, Timestamp, Touched, TouchedService,
    Verdict,
};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::admission::{Admission, Admitted, Manner};
use crate::probe::{Check, Kept, Target};
use crate::schedule::{Chance, Schedule};
use crate::streak::Streak;
use crate::{Counts, Options, Report};

/// Everything that is checked.
#[derive(Debug)]
pub(crate) struct Table {
    interval: Duration,
    pub(crate) slots: HashMap<SlotId, Slot>,
    services: HashMap<ServiceId, Checked>,
    /// Who checks what.
    members: Members,
    /// Each slot that neither runs nor waits is due once; slots that are gone may be due too.
    pub(crate) schedule: Schedule<SlotId>,
    pub(crate) admission: Admission,
    /// Slots that are due and have no room, by the manner of their target, longest waiting first.
    pub(crate) waiting: [VecDeque<SlotId>; Manner::ALL.len()],
    /// How many slots keep a connection, `kept <= most_kept`.
    kept: usize,
    most_kept: usize,
    pub(crate) chance: Chance,
    pub(crate) counts: Counts,
    next_id: SlotId,
}

/// One instance, as it was registered once: never given to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SlotId(u64);

/// An instance that is checked.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) service: ServiceId,
    pub(crate) instance: InstanceId,
    pub(crate) registered: Timestamp,
    pub(crate) target: Target,
    pub(crate) streak: Streak,
    pub(crate) last: Option<Report>,
    pub(crate) last_failure: Option<Report>,
    /// When its target was last checked, as this instance or as the one before it.
    pub(crate) started: Option<Instant>,
    pub(crate) running: Option<(AbortHandle, Admitted)>,
    kept: Option<Kept>,
    /// Whether the registry does not yet say what the streak does.
    pub(crate) unwritten: bool,
}

/// A service that is checked.
#[derive(Debug)]
struct Checked {
    check: Arc<Check>,
    instances: HashMap<InstanceId, SlotId>,
}

/// The part of the interval within which an instance that is new is checked first, so that a thousand do not
/// begin at once: a tenth, and a second at most.
const FIRST: (u32, Duration) = (10, Duration::from_secs(1));

impl Table {
    pub(crate) fn new(options: &Options, members: Members) -> Self {
        Self {
            interval: options.interval(),
            slots: HashMap::new(),
            services: HashMap::new(),
            members,
            schedule: Schedule::new(),
            admission: Admission::new(options.running, options.running_per_target),
            waiting: Default::default(),
            kept: 0,
            most_kept: options.kept,
            chance: Chance::new(),
            counts: Counts::default(),
            next_id: SlotId(0),
        }
    }

    /// Takes over what has changed in `model`; costs what was touched.
    pub(crate) fn follow(&mut self, model: &Model, touched: &Touched, now: Instant) {
        if touched.all {
            let gone = self.services.keys().filter(|id| model.service(**id).is_none()).copied();
            gone.collect::<Vec<_>>().into_iter().for_each(|id| self.remove_service(id));
            for entry in model.services() {
                self.follow_service(model, entry.service.id, self.interval, now);
            }
            return;
        }
        let spread = self.first_spread();
        for (id, TouchedService { whole, instances, .. }) in &touched.services {
            match whole {
                true => self.follow_service(model, *id, spread, now),
                false => self.follow_instances(model, *id, instances, spread, now),
            }
        }
    }

    /// Takes over what falls to this node now, and lets go of what does not.
    pub(crate) fn follow_members(&mut self, model: &Model, members: Members, now: Instant) {
        self.members = members;
        // What was another's has waited already.
        let spread = self.first_spread();
        for entry in model.services() {
            self.follow_service(model, entry.service.id, spread, now);
        }
    }

    fn first_spread(&self) -> Duration {
        let (parts, most) = FIRST;
        most.min(self.interval / parts)
    }

    /// Gives a slot the connection that its check leaves, if there is room for it.
    pub(crate) fn keep(&mut self, id: SlotId, connection: Option<Kept>) {
        let connection = connection.filter(|_| self.kept < self.most_kept);
        if let Some(slot) = self.slots.get_mut(&id) {
            self.kept += usize::from(connection.is_some());
            slot.kept = connection;
        }
    }

    /// Takes the connection that a slot keeps.
    pub(crate) fn take_kept(&mut self, id: SlotId) -> Option<Kept> {
        let connection = self.slots.get_mut(&id)?.kept.take();
        self.kept -= usize::from(connection.is_some());
        connection
    }

    /// The slot whose check runs as `task`.
    pub(crate) fn slot_of_task(&self, task: tokio::task::Id) -> Option<SlotId> {
        let runs = |slot: &Slot| slot.running.as_ref().is_some_and(|(handle, _)| handle.id() == task);
        self.slots.iter().find(|(_, slot)| runs(slot)).map(|(id, _)| *id)
    }

    pub(crate) fn slot_called(&self, service: ServiceId, instance: &InstanceId) -> Option<&Slot> {
        self.slots.get(self.services.get(&service)?.instances.get(instance)?)
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts { instances: self.slots.len(), running: self.admission.running(), ..self.counts }
    }

    fn follow_service(&mut self, model: &Model, id: ServiceId, spread: Duration, now: Instant) {
        let Some(check) = check_of(model, id) else { return self.remove_service(id) };
        let checked = self
            .services
            .entry(id)
            .or_insert_with(|| Checked { check: Arc::new(check), instances: HashMap::new() });
        if let Some(check) = check_of(model, id).filter(|check| *check != *checked.check) {
            checked.check = Arc::new(check);
        }
        let there = model.instances(id);
        let mut touched: HashSet<InstanceId> = checked.instances.keys().cloned().collect();
        touched.extend(there.into_iter().flat_map(|all| all.iter()).map(|entry| entry.instance.id().clone()));
        self.follow_instances(model, id, &touched, spread, now);
    }

    fn follow_instances(
        &mut self,
        model: &Model,
        service: ServiceId,
        instances: &HashSet<InstanceId>,
        spread: Duration,
        now: Instant,
    ) {
        if !self.services.contains_key(&service) {
            return;
        }
        for id in instances {
            match model.instance(service, id.as_str()) {
                Some(entry) => self.follow_instance(service, entry, spread, now),
                None => _ = self.remove(service, id),
            }
        }
    }

    fn follow_instance(&mut self, service: ServiceId, entry: &InstanceEntry, spread: Duration, now: Instant) {
        let instance = &entry.instance;
        let Some(checked) = self.services.get(&service) else { return };
        // Who drains was sent home: what becomes of it is no news.
        let is_checked = instance.draining_until().is_none() && self.members.is_mine(service, instance.id());
        let target = Target::of(instance, &checked.check).filter(|_| is_checked);
        let verdict = instance.health().verdict;
        let slot = checked.instances.get(instance.id()).and_then(|id| self.slots.get_mut(id));
        if let (Some(slot), Some(target)) = (slot, &target)
            && slot.target == *target
            && slot.registered == instance.created()
        {
            if !slot.unwritten {
                slot.streak.adopt(verdict);
            }
            return;
        }
        let before = self.remove(service, instance.id());
        let Some(target) = target else { return };
        let mut slot = Slot::new(service, instance.id().clone(), instance.created(), target, verdict);
        // Who registers again and again has its target checked neither faster for it nor later.
        slot.started = before.filter(|before| before.target == slot.target).and_then(|before| before.started);
        let first = match slot.started {
            Some(started) => now.max(started + self.interval),
            None => now + self.chance.part(spread),
        };
        self.insert(slot, first);
    }

    fn insert(&mut self, slot: Slot, due: Instant) {
        let id = self.next_id;
        self.next_id = SlotId(id.0 + 1);
        if let Some(checked) = self.services.get_mut(&slot.service) {
            checked.instances.insert(slot.instance.clone(), id);
            self.slots.insert(id, slot);
            self.schedule.push(due, id);
        }
    }

    fn remove(&mut self, service: ServiceId, instance: &InstanceId) -> Option<Slot> {
        let id = self.services.get_mut(&service)?.instances.remove(instance)?;
        let mut slot = self.slots.remove(&id)?;
        self.kept -= usize::from(slot.kept.is_some());
        if let Some((check, admitted)) = slot.running.take() {
            check.abort();
            self.admission.release(admitted);
        }
        Some(slot)
    }

    fn remove_service(&mut self, id: ServiceId) {
        let Some(checked) = self.services.get(&id) else { return };
        let instances: Vec<_> = checked.instances.keys().cloned().collect();
        instances.iter().for_each(|instance| _ = self.remove(id, instance));
        self.services.remove(&id);
    }
}

impl Slot {
    fn new(
        service: ServiceId,
        instance: InstanceId,
        registered: Timestamp,
        target: Target,
        verdict: Verdict,
    ) -> Self {
        Self {
            service,
            instance,
            registered,
            target,
            streak: Streak::new(verdict),
            last: None,
            last_failure: None,
            started: None,
            running: None,
            kept: None,
            unwritten: false,
        }
    }

    pub(crate) fn finding(&self) -> Finding {
        let verdict = self.streak.verdict();
        let failure = self.last_failure.as_ref().and_then(|report| report.failure.as_ref());
        Finding {
            service: self.service,
            instance: self.instance.clone(),
            registered: self.registered,
            verdict,
            reason: failure.filter(|_| verdict == Verdict::Unhealthy).map(ToString::to_string),
        }
    }

    pub(crate) fn take_report(&mut self, report: Report) {
        if report.failure.is_some() {
            self.last_failure = Some(report.clone());
        }
        self.last = Some(report);
    }

    /// What is to be expected of its target.
    pub(crate) fn manner(&self) -> Manner {
        match self.last.as_ref().map(|report| report.failure.as_ref()) {
            None => Manner::Unknown,
            Some(Some(failure)) if failure.is_silence() => Manner::Silent,
            Some(_) => Manner::Prompt,
        }
    }
}

fn check_of(model: &Model, id: ServiceId) -> Option<Check> {
    let service = &model.service(id)?.service;
    let namespace = &model.namespace(service.namespace)?.namespace;
    Some(Check::new(service.health.active()?, service, namespace))
}
