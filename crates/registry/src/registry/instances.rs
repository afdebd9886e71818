//! Registering and deregistering instances, and what is said of their health.

use std::sync::Arc;

use super::{Plan, Registry, WriteError};
use crate::model::{Model, ServiceEntry};
use crate::operation::Request;
use crate::{
    Attributes, Change, Edit, Expect, Instance, InstanceEntry, InstanceId, InvalidInstance, Key, Operation,
    OperationId, OperationKind, Record, Revision, ServiceId, Targets, Timestamp, Verdict,
};

/// What the registry itself has found of an instance: by a check, or because nobody spoke for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The service it is an instance of.
    pub service: ServiceId,
    /// The instance.
    pub instance: InstanceId,
    /// When it was registered: one that was registered anew is another.
    pub registered: Timestamp,
    /// What was found.
    pub verdict: Verdict,
    /// Why, where there is more to say.
    pub reason: Option<String>,
}

/// Why an instance is not registered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterInstanceError {
    /// What is asked for is not an instance of this service.
    #[error(transparent)]
    Invalid(#[from] InvalidInstance),
    /// There is no such service.
    #[error("there is no such service")]
    ServiceNotFound,
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Why an instance is not deregistered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeregisterInstanceError {
    /// There is no such service.
    #[error("there is no such service")]
    ServiceNotFound,
    /// The service has no such instance.
    #[error("the service has no such instance")]
    InstanceNotFound,
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Why a verdict on an instance's health is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateHealthError {
    /// There is no such service.
    #[error("there is no such service")]
    ServiceNotFound,
    /// The service has no such instance.
    #[error("the service has no such instance")]
    InstanceNotFound,
    /// The service's health is not known in this way.
    #[error("the health of the service's instances is not known in this way")]
    OtherCheck,
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Registry {
    /// Registers an instance, in the place of the one of this id if there is one.
    ///
    /// Of two at once, the later one stays.
    ///
    /// # Errors
    ///
    /// Refuses what is not an instance of this service.
    pub async fn register_instance(
        &self,
        service: ServiceId,
        id: InstanceId,
        attributes: Attributes,
        creator_request_id: Option<&str>,
    ) -> Result<OperationId, RegisterInstanceError> {
        let request = Request::new(creator_request_id, &(service, &id, &attributes));
        self.change(|model| {
            let (within, entry) = service_of(model, service).ok_or(RegisterInstanceError::ServiceNotFound)?;
            if let Some(done) = registered(model, service, &id, &attributes, request.as_ref()) {
                // Who asks again for what is done changes nothing, and still speaks for it.
                self.0.published.followers.tell_heard(service, &id);
                return Ok(Plan::Done(done));
            }
            let (id, attributes) = (id.clone(), attributes.clone());
            let targets =
                Targets { service: Some(service), instance: Some(id.clone()), ..Targets::default() };
            let (now, health) = (self.now(), &entry.service.health);
            let mut instance =
                Instance::new(id, attributes, creator_request_id, now, &entry.service, within)?;
            if self.0.options.unhealthy_until_checked && health.active().is_some() {
                instance = instance.with_health(Verdict::Unhealthy, now, Some("not checked yet"));
            }
            if let Some(node) = self.0.backend.node().filter(|_| instance.ttl().is_some()) {
                instance = instance.kept_by(node);
            }
            let operation = self.new_operation(OperationKind::RegisterInstance, targets, request.clone());
            let answer = operation.id;
            let change = Change {
                expect: vec![Expect::Unchanged(Key::Service(within.id, service), entry.revision)],
                edits: vec![
                    Edit::Put(Record::Instance { service, instance }),
                    Edit::Put(Record::Operation(operation)),
                ],
            };
            Ok(Plan::Commit(change, answer))
        })
        .await
    }

    /// Deregisters an instance: it is gone at once, or drains where it or its service says so.
    ///
    /// One that drains is out of DNS at once, and removed when nobody can know it any more; to deregister it again
    /// makes that neither sooner nor later.
    ///
    /// # Errors
    ///
    /// Refuses what is not there.
    pub async fn deregister_instance(
        &self,
        service: ServiceId,
        id: &InstanceId,
    ) -> Result<OperationId, DeregisterInstanceError> {
        self.change(|model| {
            let entry = model.service(service).ok_or(DeregisterInstanceError::ServiceNotFound)?;
            let before = entry.instances.get(id.as_str()).ok_or(DeregisterInstanceError::InstanceNotFound)?;
            let (change, operation) = match entry.service.drain_of(&before.instance) {
                Some(time) if !time.is_zero() => self.draining(service, before, time),
                _ => self.removal(service, id, None),
            };
            Ok(Plan::Commit(change, operation))
        })
        .await
    }

    /// Records that this node hears those who speak for these instances: the others no longer expire them while it lives.
    ///
    /// # Errors
    ///
    /// Only what keeps it from being written.
    pub async fn keep_instances(&self, heard: &[(ServiceId, InstanceId)]) -> Result<(), WriteError> {
        let Some(node) = self.0.backend.node() else { return Ok(()) };
        self.change(|model| {
            let mut change = Change::default();
            for (service, id) in heard {
                let Some(before) = model.instance(*service, id.as_str()) else { continue };
                if before.instance.keeper() == Some(node) {
                    continue;
                }
                let record = Record::Instance { service: *service, instance: before.instance.kept_by(node) };
                change.expect.push(Expect::Unchanged(record.key(), before.revision));
                change.edits.push(Edit::Put(record));
            }
            Ok(if change.edits.is_empty() { Plan::Done(()) } else { Plan::Commit(change, ()) })
        })
        .await
    }

    /// Deregisters an instance that nobody speaks for any more, as it was registered at `registered` and heard by `keeper`.
    ///
    /// Returns whether it did: not if the instance is gone, was registered anew or is heard by another node, and not while no
    /// other instance of its service is fit, since what takes the last one away should be somebody's decision.
    ///
    /// # Errors
    ///
    /// Only what keeps it from being written.
    pub async fn expire_instance(
        &self,
        service: ServiceId,
        id: &InstanceId,
        registered: Timestamp,
        keeper: Option<&str>,
    ) -> Result<bool, WriteError> {
        self.change(|model| {
            let Some(entry) = model.service(service) else { return Ok(Plan::Done(false)) };
            let Some(before) = entry.instances.get(id.as_str()) else { return Ok(Plan::Done(false)) };
            let is_fit = |entry: &InstanceEntry, of: &ServiceEntry| entry.instance.is_fit(&of.service.health);
            let mut others = entry.instances.iter().filter(|other| other.instance.id() != id);
            if before.instance.draining_until().is_some() {
                return Ok(Plan::Done(false));
            }
            if before.instance.keeper() != keeper {
                return Ok(Plan::Done(false));
            }
            if before.instance.created() != registered || !others.any(|other| is_fit(other, entry)) {
                return Ok(Plan::Done(false));
            }
            Ok(Plan::Commit(self.removal(service, id, Some(before.revision)).0, true))
        })
        .await
    }

    /// Takes what somebody says of the health of an instance, in a service of custom health.
    ///
    /// With [`Options::custom_health_delay`](crate::Options::custom_health_delay) it returns at once, and the verdict counts later; it is lost if
    /// the last handle is dropped before.
    ///
    /// # Errors
    ///
    /// Refuses what is not there, and a service whose health is not custom.
    pub async fn update_custom_health(
        &self,
        service: ServiceId,
        id: &InstanceId,
        verdict: Verdict,
    ) -> Result<(), UpdateHealthError> {
        custom_health_of(&self.model(), service, id)?;
        self.0.published.followers.tell_heard(service, id);
        let delay = self.0.options.custom_health_delay;
        if delay.is_zero() {
            return self.judge(service, id, verdict).await;
        }
        let (registry, id) = (Arc::downgrade(&self.0), id.clone());
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let Some(registry) = registry.upgrade().map(Registry) else { return };
            if let Err(error) = registry.judge(service, &id, verdict).await {
                tracing::debug!(%service, %id, %error, "a delayed verdict on health no longer counts");
            }
        });
        Ok(())
    }

    /// Takes what was found of instances, all of it in one change.
    ///
    /// What no longer concerns anybody is passed over: a finding of an instance that is gone or was registered anew, or
    /// of a service whose health is not asked for any more.
    ///
    /// # Errors
    ///
    /// Only what keeps all of them from being written.
    pub async fn set_health(&self, findings: &[Finding]) -> Result<(), WriteError> {
        self.change(|model| {
            let now = self.now();
            let mut change = Change::default();
            for finding in findings {
                let Some(before) = finding.concerns(model) else { continue };
                let instance = before.instance.with_health(finding.verdict, now, finding.reason.as_deref());
                let record = Record::Instance { service: finding.service, instance };
                change.expect.push(Expect::Unchanged(record.key(), before.revision));
                change.edits.push(Edit::Put(record));
            }
            Ok(if change.edits.is_empty() { Plan::Done(()) } else { Plan::Commit(change, ()) })
        })
        .await
    }

    /// The change that removes an instance, as it was put at `revision` or whatever it is, and its operation.
    fn removal(
        &self,
        service: ServiceId,
        id: &InstanceId,
        revision: Option<Revision>,
    ) -> (Change, OperationId) {
        let operation = self.deregistration(service, id);
        let (key, answer) = (Key::Instance(service, id.clone()), operation.id);
        let expect = match revision {
            Some(revision) => Expect::Unchanged(key.clone(), revision),
            None => Expect::Present(key.clone()),
        };
        let edits = vec![Edit::Delete(key), Edit::Put(Record::Operation(operation))];
        (Change { expect: vec![expect], edits }, answer)
    }

    /// The operation that deregisters an instance.
    pub(super) fn deregistration(&self, service: ServiceId, id: &InstanceId) -> Operation {
        let targets = Targets { service: Some(service), instance: Some(id.clone()), ..Targets::default() };
        self.new_operation(OperationKind::DeregisterInstance, targets, None)
    }

    async fn judge(
        &self,
        service: ServiceId,
        id: &InstanceId,
        verdict: Verdict,
    ) -> Result<(), UpdateHealthError> {
        let changed = self.change::<_, UpdateHealthError>(|model| {
            let before = custom_health_of(model, service, id)?;
            if before.instance.health().verdict == verdict {
                return Ok(Plan::Done(false));
            }
            let instance = before.instance.with_health(verdict, self.now(), None);
            let change = Change {
                expect: vec![Expect::Unchanged(Key::Instance(service, id.clone()), before.revision)],
                edits: vec![Edit::Put(Record::Instance { service, instance })],
            };
            Ok(Plan::Commit(change, true))
        });
        if changed.await? {
            let now = if verdict == Verdict::Unhealthy { "unhealthy" } else { "healthy" };
            tracing::info!(%service, instance = %id, "an instance is {now}: its custom health was set");
        }
        Ok(())
    }
}

impl Finding {
    /// The instance that it is news of.
    fn concerns<'a>(&self, model: &'a Model) -> Option<&'a InstanceEntry> {
        let entry = model.service(self.service)?;
        let before = entry.instances.get(self.instance.as_str())?;
        let news = before.instance.created() == self.registered
            && before.instance.health().verdict != self.verdict
            && !entry.service.health.is_none();
        news.then_some(before)
    }
}

fn service_of(model: &Model, id: ServiceId) -> Option<(&crate::Namespace, &ServiceEntry)> {
    let entry = model.service(id)?;
    Some((&model.namespace(entry.service.namespace)?.namespace, entry))
}

/// The operation that registered what is asked for, if it was this request that did, and it still stands.
fn registered(
    model: &Model,
    service: ServiceId,
    id: &InstanceId,
    attributes: &Attributes,
    request: Option<&Request>,
) -> Option<OperationId> {
    let request = request?;
    let custom = model.service(service)?.service.health.is_custom();
    let stands = &model.instance(service, id.as_str())?.instance;
    // Of custom health there is a reason only where the registry itself found that nobody speaks for it.
    let silent = custom && stands.reason().is_some();
    if silent || stands.draining_until().is_some() {
        return None;
    }
    let same = stands.creator_request_id() == Some(&request.id) && stands.attributes() == attributes;
    let made = model.requested(&request.id, OperationKind::RegisterInstance, request.digest)?;
    same.then_some(made.operation.id)
}

fn custom_health_of<'a>(
    model: &'a Model,
    service: ServiceId,
    id: &InstanceId,
) -> Result<&'a InstanceEntry, UpdateHealthError> {
    let entry = model.service(service).ok_or(UpdateHealthError::ServiceNotFound)?;
    if !entry.service.health.is_custom() {
        return Err(UpdateHealthError::OtherCheck);
    }
    entry.instances.get(id.as_str()).map(|entry| &**entry).ok_or(UpdateHealthError::InstanceNotFound)
}
