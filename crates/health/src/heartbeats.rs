//! Instances that last only as long as somebody speaks for them.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use cartonym_registry::{
    Finding, HealthCheck, InstanceEntry, InstanceId, Model, ServiceId, Timestamp, Touched, Verdict,
};
use tokio::time::Instant;

use crate::schedule::Schedule;

/// The instances that last only as long as somebody speaks for them, and when that was.
#[derive(Debug)]
pub(crate) struct Heartbeats {
    grace: Duration,
    services: HashMap<ServiceId, HashMap<InstanceId, Beat>>,
    /// Of what it holds, only what agrees with a beat's `next` counts.
    schedule: Schedule<(ServiceId, InstanceId)>,
}

/// What silence leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// The instance is no longer fit.
    Unfit(Finding),
    /// It is no longer wanted.
    Unwanted { service: ServiceId, instance: InstanceId, registered: Timestamp },
}

#[derive(Debug)]
struct Beat {
    registered: Timestamp,
    ttl: Duration,
    /// Whether its health is what somebody says, so that silence says something of it.
    custom: bool,
    /// How long it stays registered when it has lapsed.
    grace: Duration,
    heard: Instant,
    lapsed: bool,
    /// When it is looked at: no earlier than it can have lapsed, so that to hear of it moves nothing.
    next: Instant,
}

impl Heartbeats {
    pub(crate) fn new(grace: Duration) -> Self {
        Self { grace, services: HashMap::new(), schedule: Schedule::new() }
    }

    /// Takes over what has changed in `model`, and who was spoken for; costs what was touched.
    ///
    /// At a start everybody has just been heard: what was said before nobody knows.
    pub(crate) fn follow(&mut self, model: &Model, touched: &Touched, now: Instant) {
        if touched.all {
            self.services.retain(|id, _| model.service(*id).is_some());
            for entry in model.services() {
                self.follow_service(model, entry.service.id, now);
            }
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

    /// When somebody may next have been silent for too long.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.schedule.next()
    }

    /// One who has been silent for too long.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Silence> {
        while let Some((when, (service, instance))) = self.schedule.pop(now) {
            let beat = self.services.get_mut(&service).and_then(|all| all.get_mut(&instance));
            let Some(beat) = beat.filter(|beat| beat.next == when) else { continue };
            let (registered, end) = (beat.registered, beat.heard + beat.ttl);
            let (next, silence) = match now {
                now if now < end => (end, None),
                _ if beat.custom && !beat.lapsed => {
                    beat.lapsed = true;
                    let (instance, verdict) = (instance.clone(), Verdict::Unhealthy);
                    (
                        end + beat.grace,
                        Some(Silence::Unfit(Finding { service, instance, registered, verdict })),
                    )
                }
                now if now < end + beat.grace => (end + beat.grace, None),
                // If it has to stay for now, because it is the last one, it is asked again.
                now => (
                    now + beat.ttl,
                    Some(Silence::Unwanted { service, instance: instance.clone(), registered }),
                ),
            };
            beat.next = next;
            self.schedule.push(next, (service, instance));
            if silence.is_some() {
                return silence;
            }
        }
        None
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
        match entry.instance.ttl() {
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
        let (id, registered, custom) = (entry.instance.id(), entry.instance.created(), health.is_custom());
        // Where nobody asks for health, to be out of DNS is to be gone.
        let grace = if health.is_none() { Duration::ZERO } else { self.grace };
        let all = self.services.entry(service).or_default();
        let before = all.get(id).map(|beat| (beat.registered, beat.custom, beat.grace));
        if before == Some((registered, custom, grace)) {
            return;
        }
        let next = now + ttl;
        let beat = Beat { registered, ttl, custom, grace, heard: now, lapsed: false, next };
        all.insert(id.clone(), beat);
        self.schedule.push(next, (service, id.clone()));
    }

    fn hear(&mut self, service: ServiceId, instance: &InstanceId, now: Instant) {
        let Some(beat) = self.services.get_mut(&service).and_then(|all| all.get_mut(instance)) else {
            return;
        };
        beat.heard = now;
        if std::mem::take(&mut beat.lapsed) {
            beat.next = now + beat.ttl;
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
