//! Instances that were deregistered and drain: out of DNS, and there until nobody can know them any more.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Plan, Registry, Shared, WriteError};
use crate::model::{Model, Touched};
use crate::publisher::Published;
use crate::{
    Change, Changes, Edit, Expect, InstanceEntry, InstanceId, Key, OperationId, Record, ServiceId, Timestamp,
};

/// Instances that drain, the first to go first.
type Draining = BTreeSet<(Timestamp, ServiceId, InstanceId)>;

/// The most that are removed in one change: a backend's transaction has a bound.
const MOST: usize = 100;

/// The longest wait: the clock may be set meanwhile.
const LOOK: Duration = Duration::from_secs(30);

/// The wait after a removal that failed.
const RETRY: Duration = Duration::from_secs(1);

/// Removes each instance that has drained, for as long as there is a registry.
///
/// Holds the registry only to remove what is due: its store is closed when the last handle of others is dropped.
pub(super) async fn remove_drained(
    registry: Weak<Shared>,
    published: Arc<Published>,
    clock: fn() -> Timestamp,
    mut changes: Changes,
) {
    let mut draining = Draining::new();
    let mut wait = LOOK;
    loop {
        tokio::select! {
            touched = changes.next() => follow(&published.model.read(), &touched, &mut draining),
            () = tokio::time::sleep(wait), if !draining.is_empty() => {}
        }
        wait = until_due(&draining, clock());
        if wait.is_zero() {
            let Some(registry) = registry.upgrade().map(Registry) else { return };
            wait = registry.remove_due(&mut draining).await;
        }
    }
}

/// How long it is until the first is due, or may be: nothing when it is.
fn until_due(draining: &Draining, now: Timestamp) -> Duration {
    let due = draining.first().map(|(until, ..)| until.as_millis().saturating_sub(now.as_millis()));
    due.map_or(LOOK, Duration::from_millis).min(LOOK)
}

/// Takes note of what drains among that which was touched. What no longer does is found out when it is due.
fn follow(model: &Model, touched: &Touched, draining: &mut Draining) {
    let mut note = |service, entry: &InstanceEntry| {
        if let Some(until) = entry.instance.draining_until() {
            draining.insert((until, service, entry.instance.id().clone()));
        }
    };
    if touched.all {
        for entry in model.services() {
            entry.instances.iter().for_each(|instance| note(entry.service.id, instance));
        }
    }
    for (id, service) in &touched.services {
        let touched = service.instances.iter().filter_map(|instance| model.instance(*id, instance.as_str()));
        touched.for_each(|instance| note(*id, instance));
    }
}

impl Registry {
    /// The change that has an instance drain for `time`, if it does not already, and its operation.
    pub(super) fn draining(
        &self,
        service: ServiceId,
        before: &InstanceEntry,
        time: Duration,
    ) -> (Change, OperationId) {
        let instance = &before.instance;
        let operation = self.deregistration(service, instance.id());
        let (key, answer) = (Key::Instance(service, instance.id().clone()), operation.id);
        let mut edits = vec![Edit::Put(Record::Operation(operation))];
        if instance.draining_until().is_none() {
            let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            let until = Timestamp::from_millis(self.now().as_millis().saturating_add(time));
            edits.push(Edit::Put(Record::Instance { service, instance: instance.draining(until) }));
        }
        (Change { expect: vec![Expect::Unchanged(key, before.revision)], edits }, answer)
    }

    /// Removes what has drained; returns how long to wait until there may be more.
    async fn remove_due(&self, draining: &mut Draining) -> Duration {
        loop {
            let now = self.now();
            let due: Vec<_> = draining.iter().take_while(|(until, ..)| *until <= now).take(MOST).collect();
            if due.is_empty() {
                return until_due(draining, now);
            }
            if let Err(error) = self.remove_all_drained(&due).await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(
                    error,
                    instances = due.len(),
                    "drained instances are not removed; tried again"
                );
                return RETRY;
            }
            let removed = due.len();
            (0..removed).for_each(|_| _ = draining.pop_first());
        }
    }

    /// Removes those that still drain until then: who was registered again meanwhile is another.
    async fn remove_all_drained(
        &self,
        due: &[&(Timestamp, ServiceId, InstanceId)],
    ) -> Result<(), WriteError> {
        self.change(|model| {
            let mut change = Change::default();
            for (until, service, id) in due {
                let Some(entry) = model.instance(*service, id.as_str()) else { continue };
                if entry.instance.draining_until() == Some(*until) {
                    let key = Key::Instance(*service, id.clone());
                    change.expect.push(Expect::Unchanged(key.clone(), entry.revision));
                    change.edits.push(Edit::Delete(key));
                }
            }
            Ok(if change.edits.is_empty() { Plan::Done(()) } else { Plan::Commit(change, ()) })
        })
        .await
    }
}
