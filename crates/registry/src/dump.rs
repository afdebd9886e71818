//! A registry as lines of JSON, for files and for moving it from one store to another.
//!
//! One line for the whole, with its revision and the number of records, and one for each record: its key and itself;
//! parents first, and in one order, so that the same registry is the same text after the first line. Where the revisions of
//! records matter, each line has its own, too.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::instances::InstanceEntry;
use crate::{
    Change, Edit, Expect, Instance, InvalidInstance, InvalidKey, InvalidNamespace, InvalidRecord,
    InvalidService, InvalidServiceAttributes, InvalidTags, Key, Model, Namespace, NamespaceId, NewNamespace,
    NewService, Operation, Record, RecordType, Registry, Revision, Service, ServiceId, Stored, Tags,
    WriteError, key,
};

/// What a registry holds, without its operations, at one revision: an iterator of lines, each with its end.
pub struct Export {
    head: Option<Head>,
    records: Box<dyn Iterator<Item = Stored> + Send>,
}

/// Reads the lines of an export, one after the other.
#[derive(Debug, Default)]
pub struct Import {
    head: Option<Head>,
    read: usize,
}

/// What an import did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Records that were made, or put in the place of others.
    pub changed: usize,
    /// Records that were there already.
    pub same: usize,
}

/// Why a line is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// It is not JSON of this form.
    #[error("not a line of an exported registry")]
    Form(#[from] serde_json::Error),
    /// It is of another form.
    #[error("the form {0} is not known")]
    Version(u32),
    /// Its key is none.
    #[error(transparent)]
    Key(#[from] InvalidKey),
    /// Its record is none.
    #[error(transparent)]
    Record(#[from] InvalidRecord),
    /// Its revision is none that a change could come after.
    #[error("the revision {0} is too large")]
    Revision(u64),
    /// There are fewer records than the first line says.
    #[error("records are missing at the end: {0}")]
    Short(usize),
}

/// Why records are not imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A namespace that the registry would not make.
    #[error("{0}")]
    Namespace(Key, #[source] InvalidNamespace),
    /// A service that the registry would not make.
    #[error("{0}")]
    Service(Key, #[source] InvalidService),
    /// An instance that the registry would not register.
    #[error("{0}")]
    Instance(Key, #[source] InvalidInstance),
    /// A service whose attributes the registry would not take.
    #[error("{0}")]
    ServiceAttributes(Key, #[source] InvalidServiceAttributes),
    /// What it belongs to is neither in the registry nor before it.
    #[error("{0} belongs to nothing")]
    Orphan(Key),
    /// The registry would have made another of what it says: its id, its name for discovery or its zone's id is not of its name.
    #[error("{0} is not what the registry would have made")]
    Other(Key),
    /// The registry has it under another name.
    #[error("{0} is in the registry under another name")]
    Renamed(Key),
    /// The registry has another namespace that discovery finds by this name.
    #[error("{0} is the name of another namespace in the registry")]
    Taken(Key),
    /// They could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// The form of the lines.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Head {
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<u64>,
    records: usize,
    /// Where it was read from, if that matters to who reads this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// What a model holds, to be written when the model is let go.
pub(crate) struct Everything {
    pub(crate) revision: Revision,
    namespaces: Vec<(Revision, Namespace)>,
    http_names: Vec<(String, NamespaceId)>,
    services: Vec<(Revision, Service)>,
    instances: Vec<(ServiceId, Arc<InstanceEntry>)>,
    operations: Vec<(Revision, Operation)>,
}

impl Everything {
    pub(crate) fn of(model: &Model) -> Self {
        let instances = model.services().flat_map(|entry| {
            entry.instances.iter().map(|instance| (entry.service.id, Arc::clone(instance)))
        });
        let mut http_names: Vec<_> = model.http_names().map(|(name, id)| (name.to_owned(), id)).collect();
        http_names.sort_unstable();
        Self {
            revision: model.revision(),
            namespaces: model.namespaces().map(|entry| (entry.revision, entry.namespace.clone())).collect(),
            http_names,
            services: model.services().map(|entry| (entry.revision, entry.service.clone())).collect(),
            instances: instances.collect(),
            operations: model.operations().map(|entry| (entry.revision, entry.operation.clone())).collect(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.namespaces.len()
            + self.http_names.len()
            + self.services.len()
            + self.instances.len()
            + self.operations.len()
    }

    /// As lines, each with its revision; the first says where it was read from.
    pub(crate) fn with_revisions(self, source: &str) -> Export {
        let (revision, source) = (Some(self.revision.0), Some(source.to_owned()));
        let head = Head { version: VERSION, revision, records: self.len(), source };
        Export { head: Some(head), records: Box::new(self.records()) }
    }

    /// Parents first.
    fn records(self) -> impl Iterator<Item = Stored> + Send {
        let stored = |(revision, record)| Stored { revision, record };
        let at = self.revision;
        let namespaces =
            self.namespaces.into_iter().map(|(at, namespace)| (at, Record::Namespace(namespace)));
        let names = self.http_names.into_iter();
        let names = names.map(move |(name, namespace)| (at, Record::HttpName { name, namespace }));
        let services = self.services.into_iter().map(|(at, service)| (at, Record::Service(service)));
        let instances = self.instances.into_iter().map(|(service, entry)| {
            (entry.revision, Record::Instance { service, instance: entry.instance.clone() })
        });
        let operations =
            self.operations.into_iter().map(|(at, operation)| (at, Record::Operation(operation)));
        namespaces.chain(names).chain(services).chain(instances).chain(operations).map(stored)
    }
}

impl Export {
    fn of(mut everything: Everything) -> Self {
        everything.operations.clear();
        let (revision, records) = (Some(everything.revision.0), everything.len());
        let head = Head { version: VERSION, revision, records, source: None };
        // The revisions of records are the store's, and what is told of them is to be the same from any.
        let records = everything.records().map(|stored| Stored { revision: Revision::ZERO, ..stored });
        Self { head: Some(head), records: Box::new(records) }
    }
}

impl Export {
    /// The first line of `records` lines.
    pub fn head(records: usize) -> String {
        head(&Head { version: VERSION, revision: None, records, source: None })
    }

    /// The line of a record.
    pub fn line(record: &Record) -> String {
        line(&Stored { revision: Revision::ZERO, record: record.clone() })
    }
}

impl Iterator for Export {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        match self.head.take() {
            Some(first) => Some(head(&first)),
            None => self.records.next().map(|stored| line(&stored)),
        }
    }
}

fn head(head: &Head) -> String {
    let mut text = serde_json::to_string(head).expect("numbers and text always are JSON");
    text.push('\n');
    text
}

fn line(stored: &Stored) -> String {
    let json = String::from_utf8_lossy(&stored.record.encode()).into_owned();
    let value = RawValue::from_string(json).expect("a record is encoded as JSON");
    let revision = Some(stored.revision.0).filter(|revision| *revision > 0);
    let line = Line { key: stored.record.key().to_string(), revision, value: &value };
    let mut text = serde_json::to_string(&line).expect("text keys and values always are JSON");
    text.push('\n');
    text
}

impl Import {
    /// Reads the next line; the first has no record.
    ///
    /// # Errors
    ///
    /// [`LineError`], but for the last of its kinds.
    pub fn line(&mut self, line: &str) -> Result<Option<Stored>, LineError> {
        let Some(head) = &self.head else {
            let head: Head = serde_json::from_str(line)?;
            if head.version != VERSION {
                return Err(LineError::Version(head.version));
            }
            if let Some(revision) = head.revision.filter(|revision| *revision > MAX_REVISION) {
                return Err(LineError::Revision(revision));
            }
            self.head = Some(head);
            return Ok(None);
        };
        let line: Line<'_> = serde_json::from_str(line)?;
        let record = Record::decode(line.key.parse()?, line.value.get().as_bytes())?;
        self.read += 1;
        let revision = Revision(line.revision.or(head.revision).unwrap_or(0));
        Ok(Some(Stored { revision, record }))
    }

    /// How many records there are to be, as far as is known.
    pub fn expected(&self) -> usize {
        self.head.as_ref().map_or(0, |head| head.records)
    }

    /// The revision of the whole, where it was told: a store that is made of it begins after that.
    pub fn revision(&self) -> Option<Revision> {
        self.head.as_ref().and_then(|head| head.revision).map(Revision)
    }

    /// Where it was read from, where that was told.
    pub(crate) fn source(&self) -> Option<&str> {
        self.head.as_ref()?.source.as_deref()
    }

    /// Checks that there is no more to come; the revision of the whole, where it was told.
    ///
    /// # Errors
    ///
    /// [`LineError::Short`].
    pub fn finish(self) -> Result<Option<Revision>, LineError> {
        let missing = self.head.as_ref().map_or(1, |head| head.records).saturating_sub(self.read);
        match missing {
            0 => Ok(self.revision()),
            missing => Err(LineError::Short(missing)),
        }
    }
}

impl Registry {
    /// What the registry holds now.
    pub fn export(&self) -> Export {
        Export::of(Everything::of(&self.model()))
    }

    /// Puts records as they are, each in the place of the one of its key; parents come before what belongs to them.
    ///
    /// What the registry would not have made is refused, and what is there already is not written again. A change is made
    /// for some dozens of them: when one is refused, those before it may be there.
    ///
    /// # Errors
    ///
    /// [`ImportError`].
    pub async fn import(&self, records: Vec<Record>) -> Result<Imported, ImportError> {
        let mut imported = Imported::default();
        for together in records.chunks(TOGETHER) {
            let changed = self.import_some(together).await?;
            imported.changed += changed;
            imported.same += together.len() - changed;
        }
        Ok(imported)
    }

    async fn import_some(&self, records: &[Record]) -> Result<usize, ImportError> {
        self.put(|model| plan(model, records)).await
    }
}

/// A change of those records that are not there as they are. It is made only if what it was decided on still holds: what is
/// replaced, and what there is that new records belong to.
fn plan(model: &Model, records: &[Record]) -> Result<Change, ImportError> {
    let (mut change, mut put, mut parents) = (Change::default(), HashSet::new(), HashSet::new());
    for (n, record) in records.iter().enumerate() {
        let known = Known { model, before: records.get(..n).unwrap_or_default() };
        known.check(record)?;
        let key = record.key();
        if holds(model, record) && !put.contains(&key) {
            continue;
        }
        if put.insert(key.clone()) {
            change.expect.push(match revision(model, record) {
                Some(revision) => Expect::Unchanged(key, revision),
                None => Expect::Absent(key),
            });
        }
        parents.extend(known.parent(record));
        change.edits.push(Edit::Put(record.clone()));
    }
    change.expect.extend(parents.into_iter().filter(|key| !put.contains(key)).map(Expect::Present));
    Ok(change)
}

/// What a record may belong to: what is there, and what is about to be.
struct Known<'a> {
    model: &'a Model,
    before: &'a [Record],
}

impl Known<'_> {
    /// What is read is anybody's: it has to be what the registry itself would have made.
    fn check(&self, record: &Record) -> Result<(), ImportError> {
        match record {
            Record::Namespace(namespace) => self.check_namespace(namespace, record.key()),
            Record::HttpName { name, namespace } => self.check_http_name(name, *namespace, record.key()),
            Record::Service(service) => self.check_service(service, record.key()),
            Record::Instance { service, instance } => self.check_instance(*service, instance, record.key()),
            Record::Operation(_) => Ok(()),
        }
    }

    fn check_namespace(&self, namespace: &Namespace, key: Key) -> Result<(), ImportError> {
        let make = || {
            let tags = again(&namespace.tags)?;
            let new = NewNamespace { tags, ..NewNamespace::from(namespace.clone()) };
            new.make(namespace.created, |name| namespace.http_name != name)
        };
        let made = make().map_err(|error| ImportError::Namespace(key.clone(), error))?;
        let there = self.namespace(namespace.id);
        let is_same = |there: &Namespace| (&there.name, &there.http_name) == (&made.name, &made.http_name);
        match there {
            _ if made != *namespace => Err(ImportError::Other(key)),
            Some(there) if !is_same(there) => Err(ImportError::Renamed(key)),
            _ => Ok(()),
        }
    }

    fn check_http_name(&self, name: &str, namespace: NamespaceId, key: Key) -> Result<(), ImportError> {
        match (self.namespace(namespace), self.http_name(name)) {
            (None, _) => Err(ImportError::Orphan(key)),
            (Some(namespace), _) if namespace.http_name != name => Err(ImportError::Other(key)),
            (_, Some(other)) if other != namespace => Err(ImportError::Taken(key)),
            _ => Ok(()),
        }
    }

    fn check_service(&self, service: &Service, key: Key) -> Result<(), ImportError> {
        let Some(within) = self.namespace(service.namespace) else { return Err(ImportError::Orphan(key)) };
        let make = || {
            let tags = again(&service.tags)?;
            let mut new = NewService { tags, ..NewService::from(service.clone()) };
            // It was made with records; an update may have taken them all away.
            let without = new.dns.take_if(|dns| within.has_dns() && dns.records.is_empty());
            let mut made = new.make(within, true, service.created)?;
            made.dns = without.or(made.dns);
            Ok(made)
        };
        let mut made = make().map_err(|error| ImportError::Service(key.clone(), error))?;
        let added = made.add_attributes(service.attributes.clone());
        added.map_err(|error| ImportError::ServiceAttributes(key.clone(), error))?;
        match self.service(service.id) {
            _ if made != *service => Err(ImportError::Other(key)),
            Some(there) if there.name != service.name => Err(ImportError::Renamed(key)),
            _ => Ok(()),
        }
    }

    fn check_instance(&self, service: ServiceId, instance: &Instance, key: Key) -> Result<(), ImportError> {
        let service = self.service(service);
        let within = service.and_then(|service| self.namespace(service.namespace));
        let (Some(service), Some(within)) = (service, within) else { return Err(ImportError::Orphan(key)) };
        let (id, attributes) = (instance.id().clone(), instance.attributes().clone());
        let request = instance.creator_request_id();
        match Instance::new(id, attributes, request, instance.created(), service, within) {
            // What the service was updated to when the instance was there already asks for no more than DNS does.
            Err(InvalidInstance::Missing(key::PORT)) if !service.has_record(RecordType::Srv) => Ok(()),
            Err(error) => Err(ImportError::Instance(key, error)),
            Ok(_) => Ok(()),
        }
    }

    /// What a record belongs to.
    fn parent(&self, record: &Record) -> Option<Key> {
        match record {
            Record::HttpName { namespace, .. } => Some(Key::Namespace(*namespace)),
            Record::Service(service) => Some(Key::Namespace(service.namespace)),
            Record::Instance { service, .. } => {
                Some(Key::Service(self.service(*service)?.namespace, *service))
            }
            Record::Namespace(_) | Record::Operation(_) => None,
        }
    }

    fn namespace(&self, id: NamespaceId) -> Option<&Namespace> {
        let before = self.before.iter().rev().find_map(|record| match record {
            Record::Namespace(namespace) if namespace.id == id => Some(namespace),
            _ => None,
        });
        before.or_else(|| self.model.namespace(id).map(|entry| &entry.namespace))
    }

    fn http_name(&self, wanted: &str) -> Option<NamespaceId> {
        let before = self.before.iter().find_map(|record| match record {
            Record::HttpName { name, namespace } if name == wanted => Some(*namespace),
            _ => None,
        });
        before.or_else(|| self.model.http_name(wanted))
    }

    fn service(&self, id: ServiceId) -> Option<&Service> {
        let before = self.before.iter().rev().find_map(|record| match record {
            Record::Service(service) if service.id == id => Some(service),
            _ => None,
        });
        before.or_else(|| self.model.service(id).map(|entry| &entry.service))
    }
}

/// Tags as they would be put today: what is read has not been looked at.
fn again(tags: &Tags) -> Result<Tags, InvalidTags> {
    Tags::new(tags.iter().map(|(key, value)| (key.to_owned(), value.to_owned())))
}

fn holds(model: &Model, record: &Record) -> bool {
    match record {
        Record::Namespace(namespace) => {
            model.namespace(namespace.id).is_some_and(|entry| entry.namespace == *namespace)
        }
        Record::HttpName { name, namespace } => model.http_name(name) == Some(*namespace),
        Record::Service(service) => model.service(service.id).is_some_and(|entry| entry.service == *service),
        Record::Instance { service, instance } => {
            let there = model.instance(*service, instance.id().as_str());
            there.is_some_and(|entry| entry.instance == *instance)
        }
        Record::Operation(operation) => {
            model.operation(operation.id).is_some_and(|entry| entry.operation == *operation)
        }
    }
}

/// The revision of the record that one takes the place of.
fn revision(model: &Model, record: &Record) -> Option<Revision> {
    match record {
        Record::Namespace(namespace) => model.namespace(namespace.id).map(|entry| entry.revision),
        // Only one that is not there is put.
        Record::HttpName { .. } => None,
        Record::Service(service) => model.service(service.id).map(|entry| entry.revision),
        Record::Instance { service, instance } => {
            model.instance(*service, instance.id().as_str()).map(|entry| entry.revision)
        }
        Record::Operation(operation) => model.operation(operation.id).map(|entry| entry.revision),
    }
}

/// How many records are written in one change: etcd takes 128 steps, and each record may expect something of its parent, too.
const TOGETHER: usize = 63;

/// Above this no store counts: etcd's revisions are signed.
const MAX_REVISION: u64 = i64::MAX as u64;
