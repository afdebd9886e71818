//! Instances that last only as long as somebody speaks for them.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use cartonym_registry::{
    Finding, HealthCheck, InstanceEntry, InstanceId, Members, Model, ServiceId, Timestamp, Touched, Verdict,
};
use tokio::time::Instant;

use crate::schedule::Schedule;

/// The instances that last only as long as somebody speaks for them, and when that was.
///
/// Each node hears what is said to it. The one that hears an instance is recorded as its keeper, and only that one says when it
/// has fallen silent; when the keeper is gone, the node that the instance falls to gives it its whole time once more.
#[derive(Debug)]
pub(crate) struct Heartbeats {
    /// `None` where this node says of nobody that it has fallen silent.
    grace: Option<Duration>,
    members: Members,
    services: HashMap<ServiceId, HashMap<InstanceId, Beat>>,
    /// Of what it holds, only what agrees with a beat's `next` counts.
    schedule: Schedule<(ServiceId, InstanceId)>,
    /// Heard here, and recorded as heard by another or by nobody.
    strays: HashSet<(ServiceId, InstanceId)>,
}

/// What silence leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// The instance is no longer fit.
    Unfit(Finding),
    /// It is no longer wanted.
    Unwanted(Unwanted),
}

/// An instance that is no longer wanted, as it was when it fell silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unwanted {
    pub(crate) service: ServiceId,
    pub(crate) instance: InstanceId,
    pub(crate) registered: Timestamp,
    pub(crate) keeper: Option<Box<str>>,
}

#[derive(Debug)]
struct Beat {
    terms: Terms,
    heard: Instant,
    lapsed: bool,
    /// When it is looked at: no earlier than it can have lapsed, so that to hear of it moves nothing.
    next: Instant,
}

/// On which an instance is silent; where they change, its time begins anew.
#[derive(Debug, PartialEq, Eq)]
struct Terms {
    registered: Timestamp,
    ttl: Duration,
    /// Whether its health is what somebody says, so that silence says something of it.
    custom: bool,
    /// How long it stays registered when it has lapsed; `None` where that is another node's business.
    grace: Option<Duration>,
    keeper: Option<Box<str>>,
    /// Whether this node is recorded as its keeper.
    is_kept: bool,
}

impl Heartbeats {
    pub(crate) fn new(grace: Option<Duration>, members: Members) -> Self {
        let (services, schedule, strays) = (HashMap::new(), Schedule::new(), HashSet::new());
        Self { grace, members, services, schedule, strays }
    }

    /// Takes over what has changed in `model`, and who was spoken for; costs what was touched.
    ///
    /// At a start everybody has just been heard: what was said before nobody knows.
    pub(crate) fn follow(&mut self, model: &Model, touched: &Touched, now: Instant) {
        if touched.all {
            self.services.retain(|id, _| model.service(*id).is_some());
            self.follow_all(model, now);
        }
        for (id, service) in &touched.services {
            match service.whole {
                true => self.follow_service(model, *id, now),
                false => {
                    service.instances.iter().for_each(|instance| self.follow_one(model, *id, instance, now))
                }
            }
        }
        for (service, instances) in &touched.heard {
            for instance in instances {
                self.hear(*service, instance, now);
            }
        }
    }

    /// Takes over what falls to this node now, and lets go of what does not.
    pub(crate) fn follow_members(&mut self, model: &Model, members: Members, now: Instant) {
        self.members = members;
        self.follow_all(model, now);
    }

    /// Takes up to `most` of those that are heard here and not yet recorded so.
    pub(crate) fn take_strays(&mut self, most: usize) -> Vec<(ServiceId, InstanceId)> {
        let taken: Vec<_> = self.strays.iter().take(most).cloned().collect();
        taken.iter().for_each(|stray| _ = self.strays.remove(stray));
        taken
    }

    /// When somebody may next have been silent for too long.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.schedule.next()
    }

    /// One who has been silent for too long.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Silence> {
        while let Some((when, (service, instance))) = self.schedule.pop(now) {
            let beat = self.services.get_mut(&service).and_then(|all| all.get_mut(&instance));
            let Some(beat) = beat.filter(|beat| beat.next == when) else { continue };
            let Some(grace) = beat.terms.grace else { continue };
            let (registered, end) = (beat.terms.registered, beat.heard + beat.terms.ttl);
            let (next, silence) = match now {
                now if now < end => (end, None),
                _ if beat.terms.custom && !beat.lapsed => {
                    beat.lapsed = true;
                    let (instance, verdict) = (instance.clone(), Verdict::Unhealthy);
                    let reason = Some("nobody speaks for it".to_owned());
                    let finding = Finding { service, instance, registered, verdict, reason };
                    (end + grace, Some(Silence::Unfit(finding)))
                }
                now if now < end + grace => (end + grace, None),
                now => {
                    let (instance, keeper) = (instance.clone(), beat.terms.keeper.clone());
                    let unwanted = Unwanted { service, instance, registered, keeper };
                    // If it has to stay for now, because it is the last one, it is asked again.
                    (now + beat.terms.ttl, Some(Silence::Unwanted(unwanted)))
                }
            };
            beat.next = next;
            self.schedule.push(next, (service, instance));
            if silence.is_some() {
                return silence;
            }
        }
        None
    }

    fn follow_all(&mut self, model: &Model, now: Instant) {
        model.services().for_each(|entry| self.follow_service(model, entry.service.id, now));
    }

    fn follow_service(&mut self, model: &Model, id: ServiceId, now: Instant) {
        let known = self.services.get(&id).into_iter().flat_map(|all| all.keys().cloned());
        let there = model.instances(id).into_iter().flat_map(|all| all.iter());
        let there = there.filter(|entry| entry.instance.ttl().is_some());
        let all: HashSet<_> = known.chain(there.map(|entry| entry.instance.id().clone())).collect();
        all.iter().for_each(|instance| self.follow_one(model, id, instance, now));
    }

    fn follow_one(&mut self, model: &Model, service: ServiceId, instance: &InstanceId, now: Instant) {
        let entry = model
            .service(service)
            .and_then(|of| Some((&of.service.health, of.instances.get(instance.as_str())?)));
        let Some((health, entry)) = entry else { return self.forget(service, instance) };
        // Who drains is removed in time, whoever speaks for it.
        match entry.instance.ttl().filter(|_| entry.instance.draining_until().is_none()) {
            Some(ttl) => self.keep(service, health, entry, ttl, now),
            None => self.forget(service, instance),
        }
    }

    fn keep(
        &mut self,
        service: ServiceId,
        health: &HealthCheck,
        entry: &InstanceEntry,
        ttl: Duration,
        now: Instant,
    ) {
        let instance = &entry.instance;
        // Where nobody asks for health, to be out of DNS is to be gone.
        let grace = if health.is_none() { self.grace.map(|_| Duration::ZERO) } else { self.grace };
        let terms = Terms {
            registered: instance.created(),
            ttl,
            custom: health.is_custom(),
            grace: grace.filter(|_| self.members.keeps(service, instance)),
            keeper: instance.keeper().map(Box::from),
            is_kept: self.members.is_keeper(instance),
        };
        let (all, id) = (self.services.entry(service).or_default(), instance.id());
        if all.get(id).is_some_and(|before| before.terms == terms) {
            return;
        }
        let next = now + ttl;
        all.insert(id.clone(), Beat { terms, heard: now, lapsed: false, next });
        self.schedule.push(next, (service, id.clone()));
    }

    fn hear(&mut self, service: ServiceId, instance: &InstanceId, now: Instant) {
        let Some(beat) = self.services.get_mut(&service).and_then(|all| all.get_mut(instance)) else {
            return;
        };
        if !beat.terms.is_kept {
            self.strays.insert((service, instance.clone()));
        }
        beat.heard = now;
        if std::mem::take(&mut beat.lapsed) {
            beat.next = now + beat.terms.ttl;
            self.schedule.push(beat.next, (service, instance.clone()));
        }
    }

    fn forget(&mut self, service: ServiceId, instance: &InstanceId) {
        let Some(all) = self.services.get_mut(&service) else { return };
        all.remove(instance);
        if all.is_empty() {
            self.services.remove(&service);
        }
    }
}
