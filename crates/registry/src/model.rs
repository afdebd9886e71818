//! Everything the registry holds, in memory, as of one revision.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound::{Excluded, Unbounded};

use crate::instances::{InstanceEntry, Instances};
use crate::operation::{Operation, OperationKind, OperationStatus, Outcome};
use crate::{
    Edit, HealthStatus, InstanceId, Key, Namespace, NamespaceId, OperationId, Record, Revision, Service,
    ServiceId, Stored,
};

/// Everything the registry holds.
///
/// The API reads it and the publisher alone writes it, from the same events as DNS's table, so the two cannot disagree.
#[derive(Debug, Default)]
pub struct Model {
    revision: Revision,
    namespaces: BTreeMap<NamespaceId, NamespaceEntry>,
    http_names: HashMap<String, NamespaceId>,
    services: BTreeMap<ServiceId, ServiceEntry>,
    instances: usize,
    operations: BTreeMap<OperationId, OperationEntry>,
    /// The latest operation of each request that called itself something.
    requests: HashMap<Box<str>, OperationId>,
}

/// A namespace in the model.
#[derive(Debug)]
pub struct NamespaceEntry {
    /// The revision of the change that put it.
    pub revision: Revision,
    /// The namespace.
    pub namespace: Namespace,
    /// Its services by name: in a DNS namespace, the name in lower case.
    services: BTreeMap<Box<str>, ServiceId>,
    /// How many of those names have more than one label.
    dotted: usize,
}

/// A service in the model.
#[derive(Debug)]
pub struct ServiceEntry {
    /// The revision of the change that put it.
    pub revision: Revision,
    /// The service.
    pub service: Service,
    /// Its instances.
    pub instances: Instances,
    /// The revision of the last change to its instances, or a later one.
    pub instances_revision: Revision,
}

/// An operation in the model.
#[derive(Debug)]
pub struct OperationEntry {
    /// The revision of the change that it made.
    pub revision: Revision,
    /// The operation.
    pub operation: Operation,
}

/// What a batch of changes touched, for those who derive something from the model.
#[derive(Debug, Clone, Default)]
pub struct Touched {
    /// Whether it may be anything: the model was made anew.
    pub all: bool,
    /// Namespaces made, changed or removed, by id, with their names.
    pub namespaces: HashMap<NamespaceId, String>,
    /// Services made, changed or removed, or with an instance that was.
    pub services: HashMap<ServiceId, TouchedService>,
    /// Instances that somebody spoke for, changed or not: who keeps time of that learns it here.
    pub heard: HashMap<ServiceId, HashSet<InstanceId>>,
}

/// What was touched of a service.
#[derive(Debug, Clone)]
pub struct TouchedService {
    /// Its namespace.
    pub namespace: NamespaceId,
    /// Its name.
    pub name: String,
    /// Whether the service itself was touched, and with it every instance.
    pub whole: bool,
    /// Instances made, changed or removed.
    pub instances: HashSet<InstanceId>,
}

impl NamespaceEntry {
    /// Whether a service's name may be that of another's instance, `ID.SERVICE`.
    pub(crate) fn has_dotted_names(&self) -> bool {
        self.dotted > 0
    }
}

impl Touched {
    pub(crate) fn is_empty(&self) -> bool {
        !self.all && self.namespaces.is_empty() && self.services.is_empty() && self.heard.is_empty()
    }

    /// Adds what another batch touched.
    pub(crate) fn merge(&mut self, later: &Self) {
        self.all |= later.all;
        self.namespaces.extend(later.namespaces.iter().map(|(id, name)| (*id, name.clone())));
        for (id, service) in &later.services {
            let merged = self.services.entry(*id).or_insert_with(|| service.clone());
            merged.whole |= service.whole;
            merged.instances.extend(service.instances.iter().cloned());
        }
        for (id, instances) in &later.heard {
            self.heard.entry(*id).or_default().extend(instances.iter().cloned());
        }
    }

    fn service(&mut self, service: &Service) -> &mut TouchedService {
        self.services.entry(service.id).or_insert_with(|| TouchedService {
            namespace: service.namespace,
            name: service.name.clone(),
            whole: false,
            instances: HashSet::new(),
        })
    }
}

impl Model {
    /// The revision it is at.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The namespace called `id`.
    pub fn namespace(&self, id: NamespaceId) -> Option<&NamespaceEntry> {
        self.namespaces.get(&id)
    }

    /// The namespace that discovery finds by `name`.
    pub fn namespace_by_http_name(&self, name: &str) -> Option<&NamespaceEntry> {
        self.namespaces.get(self.http_names.get(name)?)
    }

    /// All namespaces, by ascending id.
    pub fn namespaces(&self) -> impl ExactSizeIterator<Item = &NamespaceEntry> {
        self.namespaces.values()
    }

    /// The namespaces after `id`, by ascending id.
    pub fn namespaces_after(&self, id: NamespaceId) -> impl Iterator<Item = &NamespaceEntry> {
        self.namespaces.range((Excluded(id), Unbounded)).map(|(_, entry)| entry)
    }

    /// Which namespace discovery finds by `name`, whether it is there or not.
    pub(crate) fn http_name(&self, name: &str) -> Option<NamespaceId> {
        self.http_names.get(name).copied()
    }

    /// The names that discovery finds namespaces by.
    pub(crate) fn http_names(&self) -> impl Iterator<Item = (&str, NamespaceId)> {
        self.http_names.iter().map(|(name, id)| (name.as_str(), *id))
    }

    /// The service called `id`.
    pub fn service(&self, id: ServiceId) -> Option<&ServiceEntry> {
        self.services.get(&id)
    }

    /// The service of a name in a namespace; in a DNS namespace, whatever its case.
    pub fn service_by_name(&self, namespace: NamespaceId, name: &str) -> Option<&ServiceEntry> {
        let within = self.namespaces.get(&namespace)?;
        self.services.get(within.services.get(within.namespace.unique_form(name).as_str())?)
    }

    /// All services, by ascending id.
    pub fn services(&self) -> impl ExactSizeIterator<Item = &ServiceEntry> {
        self.services.values()
    }

    /// The services after `id`, by ascending id.
    pub fn services_after(&self, id: ServiceId) -> impl Iterator<Item = &ServiceEntry> {
        self.services.range((Excluded(id), Unbounded)).map(|(_, entry)| entry)
    }

    /// The services of a namespace, by ascending name.
    pub fn services_in(&self, namespace: NamespaceId) -> impl Iterator<Item = &ServiceEntry> {
        let ids = self.namespaces.get(&namespace).into_iter().flat_map(|entry| entry.services.values());
        ids.filter_map(|id| self.services.get(id))
    }

    /// The instances of a service.
    pub fn instances(&self, service: ServiceId) -> Option<&Instances> {
        self.services.get(&service).map(|entry| &entry.instances)
    }

    /// An instance of a service.
    pub fn instance(&self, service: ServiceId, id: &str) -> Option<&InstanceEntry> {
        self.instances(service)?.get(id).map(|entry| &**entry)
    }

    /// An instance's health as the API tells it.
    pub fn health_of(&self, service: ServiceId, id: &InstanceId) -> Option<HealthStatus> {
        let entry = self.services.get(&service)?;
        Some(entry.instances.get(id.as_str())?.instance.status(&entry.service.health))
    }

    /// A number that grows with each change to the instances of a service; otherwise opaque.
    pub fn instances_revision(&self, service: ServiceId) -> Option<Revision> {
        self.services.get(&service).map(|entry| entry.instances_revision)
    }

    /// The operation called `id`.
    pub fn operation(&self, id: OperationId) -> Option<&OperationEntry> {
        self.operations.get(&id)
    }

    /// The operations that are still known, oldest first.
    pub fn operations(&self) -> impl ExactSizeIterator<Item = &OperationEntry> + DoubleEndedIterator {
        self.operations.values()
    }

    /// The operations after `id`, oldest first.
    pub fn operations_after(&self, id: OperationId) -> impl Iterator<Item = &OperationEntry> {
        self.operations.range((Excluded(id), Unbounded)).map(|(_, entry)| entry)
    }

    /// How many instances there are in all services.
    pub fn instance_count(&self) -> usize {
        self.instances
    }

    /// How many services a namespace has.
    pub fn service_count(&self, namespace: NamespaceId) -> usize {
        self.namespaces.get(&namespace).map_or(0, |entry| entry.services.len())
    }

    /// The operation that a request of this name, kind and content has made.
    pub(crate) fn requested(
        &self,
        request: &str,
        kind: OperationKind,
        digest: u64,
    ) -> Option<&OperationEntry> {
        let entry = self.operations.get(self.requests.get(request)?)?;
        let same = entry.operation.kind == kind && entry.operation.request.as_ref()?.digest == digest;
        same.then_some(entry)
    }
}

/// What the publisher does.
impl Model {
    /// The revision of the latest operation of a request. Operations are loaded by id, and ids of one millisecond are in
    /// no order.
    fn requested_at(&self, request: &str) -> Option<Revision> {
        Some(self.operations.get(self.requests.get(request)?)?.revision)
    }

    /// Takes in records that were there before.
    pub(crate) fn load(&mut self, records: Vec<Stored>) {
        let mut records = records.into_iter().peekable();
        while let Some(Stored { revision, record }) = records.next() {
            let Record::Instance { service, instance } = record else {
                self.put(revision, record, &mut Touched::default());
                continue;
            };
            // Instances come by service: one search for each service instead of one for each instance.
            let Some(entry) = self.services.get_mut(&service) else { continue };
            self.instances +=
                usize::from(entry.instances.insert(InstanceEntry { revision, instance }).is_none());
            let same =
                |next: &Stored| matches!(&next.record, Record::Instance { service: s, .. } if *s == service);
            while let Some(Stored { revision, record }) = records.next_if(same) {
                let Record::Instance { instance, .. } = record else { continue };
                self.instances +=
                    usize::from(entry.instances.insert(InstanceEntry { revision, instance }).is_none());
            }
        }
    }

    /// Ends a load: the model is at `revision`.
    pub(crate) fn loaded(&mut self, revision: Revision) {
        self.revision = revision;
        // The instance that was last changed may be one that is gone, so only now is late enough for all.
        for entry in self.services.values_mut() {
            entry.instances_revision = revision;
        }
    }

    /// Makes a change that the backend has made.
    pub(crate) fn apply(&mut self, revision: Revision, edits: Vec<Edit>, touched: &mut Touched) {
        self.revision = revision;
        for edit in edits {
            match edit {
                Edit::Put(record) => self.put(revision, record, touched),
                Edit::Delete(key) => self.delete(revision, &key, touched),
            }
        }
    }

    fn put(&mut self, revision: Revision, record: Record, touched: &mut Touched) {
        match record {
            Record::Namespace(namespace) => self.put_namespace(revision, namespace, touched),
            Record::HttpName { name, namespace } => _ = self.http_names.insert(name, namespace),
            Record::Service(service) => self.put_service(revision, service, touched),
            Record::Instance { service, instance } => {
                // Without its service it is nobody's: a foreign hand wrote it, and there is nothing to answer with it.
                let Some(entry) = self.services.get_mut(&service) else { return };
                touched.service(&entry.service).instances.insert(instance.id().clone());
                entry.instances_revision = revision;
                if entry.instances.insert(InstanceEntry { revision, instance }).is_none() {
                    self.instances += 1;
                }
            }
            Record::Operation(operation) => {
                if let Some(request) = &operation.request
                    && self.requested_at(&request.id).is_none_or(|latest| latest <= revision)
                {
                    self.requests.insert(request.id.clone(), operation.id);
                }
                self.operations.insert(operation.id, OperationEntry { revision, operation });
            }
        }
    }

    fn put_namespace(&mut self, revision: Revision, namespace: Namespace, touched: &mut Touched) {
        touched.namespaces.insert(namespace.id, namespace.name.clone());
        let before = self.namespaces.remove(&namespace.id);
        let (services, dotted) = before.map(|before| (before.services, before.dotted)).unwrap_or_default();
        self.namespaces.insert(namespace.id, NamespaceEntry { revision, namespace, services, dotted });
    }

    fn put_service(&mut self, revision: Revision, service: Service, touched: &mut Touched) {
        let id = service.id;
        touched.service(&service).whole = true;
        if let Some(within) = self.namespaces.get_mut(&service.namespace) {
            let new =
                within.services.insert(within.namespace.unique_form(&service.name).into(), id).is_none();
            within.dotted += usize::from(new && service.name.contains('.'));
        }
        match self.services.get_mut(&id) {
            Some(entry) => {
                entry.service = service;
                entry.revision = revision;
            }
            None => {
                let instances = Instances::default();
                self.services
                    .insert(id, ServiceEntry { revision, service, instances, instances_revision: revision });
            }
        }
    }

    fn delete(&mut self, revision: Revision, key: &Key, touched: &mut Touched) {
        match key {
            Key::Namespace(id) => {
                if let Some(removed) = self.namespaces.remove(id) {
                    touched.namespaces.insert(*id, removed.namespace.name);
                }
            }
            Key::HttpName(name) => _ = self.http_names.remove(name),
            Key::Service(namespace, id) => {
                let Some(removed) = self.services.remove(id) else { return };
                let touched = touched.service(&removed.service);
                touched.whole = true;
                touched.instances.extend(removed.instances.iter().map(|entry| entry.instance.id().clone()));
                self.instances -= removed.instances.len();
                if let Some(within) = self.namespaces.get_mut(namespace) {
                    let name = within.namespace.unique_form(&removed.service.name);
                    let there = within.services.remove(name.as_str()).is_some();
                    within.dotted -= usize::from(there && name.contains('.'));
                }
            }
            Key::Instance(service, id) => {
                let Some(entry) = self.services.get_mut(service) else { return };
                if entry.instances.remove(id.as_str()).is_none() {
                    return;
                }
                self.instances -= 1;
                entry.instances_revision = revision;
                touched.service(&entry.service).instances.insert(id.clone());
            }
            Key::Operation(id) => self.forget(id),
        }
    }

    fn forget(&mut self, id: &OperationId) {
        let Some(removed) = self.operations.remove(id) else { return };
        if let Some(request) = removed.operation.request
            && self.requests.get(&request.id) == Some(id)
        {
            self.requests.remove(&request.id);
        }
    }
}

impl OperationEntry {
    /// How far it is, when DNS answers the revision `published`.
    pub fn status(&self, published: Revision) -> OperationStatus {
        match self.operation.outcome {
            Outcome::Failed(_) => OperationStatus::Fail,
            Outcome::Committed if self.revision <= published => OperationStatus::Success,
            Outcome::Committed => OperationStatus::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::operation::{Request, Targets};

    fn operation(random: u64, digest: u64) -> Operation {
        let now = Timestamp::default();
        Operation {
            id: OperationId::new(now, || random),
            kind: OperationKind::CreateNamespace,
            created: now,
            updated: now,
            targets: Targets::default(),
            outcome: Outcome::default(),
            request: Some(Request { id: "r".into(), digest }),
        }
    }

    #[test]
    fn the_latest_operation_of_a_request_is_known_in_whatever_order_they_are_loaded() {
        let (first, second) = (operation(1, 10), operation(2, 20));
        for order in [[(1, &first), (2, &second)], [(2, &second), (1, &first)]] {
            let mut model = Model::default();
            for (revision, operation) in order {
                let record = Record::Operation(operation.clone());
                model.load(vec![Stored { revision: Revision(revision), record }]);
            }
            let known = |digest| model.requested("r", OperationKind::CreateNamespace, digest).is_some();
            assert!(known(20) && !known(10));
        }
    }
}
