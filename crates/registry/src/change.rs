//! What is written to a backend, and what a backend tells of.

use std::fmt;
use std::str::FromStr;

use crate::{Instance, InstanceId, Namespace, NamespaceId, Operation, OperationId, Service, ServiceId};

/// A backend's count of changes: each commit makes a later one, and nothing makes it less.
///
/// Changes that have nothing to do with each other may be made together, and then share one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// Edits that are made together or not at all, if what they expect holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// What must hold when the edits are made.
    pub expect: Vec<Expect>,
    /// The edits, in order.
    pub edits: Vec<Edit>,
}

/// A condition of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// The record is there, and was last put at this revision.
    Unchanged(Key, Revision),
    /// The record is there.
    Present(Key),
    /// The record is not there.
    Absent(Key),
    /// No record is there whose key has this prefix.
    Empty(Prefix),
}

/// One step of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// Makes the record, or replaces it.
    Put(Record),
    /// Removes the record, if it is there.
    Delete(Key),
}

/// Anything a backend holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A namespace.
    Namespace(Namespace),
    /// The namespace that discovery finds by a name. Its key makes the name unique.
    HttpName {
        /// The name.
        name: String,
        /// The namespace.
        namespace: NamespaceId,
    },
    /// A service.
    Service(Service),
    /// An instance.
    Instance {
        /// The service it is an instance of.
        service: ServiceId,
        /// The instance.
        instance: Instance,
    },
    /// An operation.
    Operation(Operation),
}

/// A record and when it was last put.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The revision of the change that put it.
    pub revision: Revision,
    /// The record.
    pub record: Record,
}

/// What a watch tells, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Forget what was told: the records that follow, until `CaughtUp`, are all there are.
    Reset,
    /// Some of them: a namespace before its services, a service before its instances.
    Records(Vec<Stored>),
    /// What was told is what the backend held at this revision; from here on, each change is told. After an error it may
    /// come without records: nothing was missed.
    CaughtUp(Revision),
    /// A change, whose revision is greater than any told before.
    Changed {
        /// The revision it made.
        revision: Revision,
        /// What it did.
        edits: Vec<Edit>,
    },
}

/// The name of a record in a backend.
///
/// As text, `namespace/<id>`, `http-name/<name>`, `service/<namespace id>/<id>`,
/// `instance/<service id>/<instance id>` or `operation/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A namespace's.
    Namespace(NamespaceId),
    /// A discovery name's.
    HttpName(String),
    /// A service's, so that a namespace's services share a prefix.
    Service(NamespaceId, ServiceId),
    /// An instance's, so that a service's instances share a prefix.
    Instance(ServiceId, InstanceId),
    /// An operation's.
    Operation(OperationId),
}

/// The names of the records that belong to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prefix {
    /// Those of a namespace's services.
    Services(NamespaceId),
    /// Those of a service's instances.
    Instances(ServiceId),
}

/// Text that is not a record's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the key of a record")]
pub struct InvalidKey(String);

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the record {key} cannot be read")]
pub struct InvalidRecord {
    /// Its name.
    pub key: Key,
    #[source]
    source: serde_json::Error,
}

impl Revision {
    /// Before the first change.
    pub const ZERO: Self = Self(0);

    /// The revision of the change after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Edit {
    /// The name of the record that it makes, replaces or removes.
    pub fn key(&self) -> Key {
        match self {
            Self::Put(record) => record.key(),
            Self::Delete(key) => key.clone(),
        }
    }
}

impl Record {
    /// Its name.
    pub fn key(&self) -> Key {
        match self {
            Self::Namespace(namespace) => Key::Namespace(namespace.id),
            Self::HttpName { name, .. } => Key::HttpName(name.clone()),
            Self::Service(service) => Key::Service(service.namespace, service.id),
            Self::Instance { service, instance } => Key::Instance(*service, instance.id().clone()),
            Self::Operation(operation) => Key::Operation(operation.id),
        }
    }

    /// Keeps what nobody writes of the record that was there `before` under this key: its age, and an instance's health as
    /// long as its attributes are the same.
    pub(crate) fn keep(&mut self, before: &Self) {
        self.keep_with(before, |_, before| before.clone());
    }

    /// Keeps the age of the record that was there `before` under this key, and since when an instance's health is what it is.
    pub(crate) fn keep_age(&mut self, before: &Self) {
        self.keep_with(before, |instance, before| {
            let health = instance.health();
            match health.verdict == before.health().verdict {
                true => before.clone(),
                false => before.with_health(health.verdict, health.since, instance.reason()),
            }
        });
    }

    /// An instance whose attributes are the same is what `same` makes of both.
    fn keep_with(&mut self, before: &Self, same: impl FnOnce(&Instance, &Instance) -> Instance) {
        match (self, before) {
            (Self::Namespace(namespace), Self::Namespace(before)) => namespace.created = before.created,
            (Self::Service(service), Self::Service(before)) => service.created = before.created,
            (Self::Instance { instance, .. }, Self::Instance { instance: before, .. })
                if instance.attributes() == before.attributes() =>
            {
                *instance = same(instance, before);
            }
            _ => {}
        }
    }

    /// The record as JSON, for a store that keeps it under its key.
    pub fn encode(&self) -> Vec<u8> {
        let json = match self {
            Self::Namespace(namespace) => serde_json::to_vec(namespace),
            Self::HttpName { namespace, .. } => serde_json::to_vec(namespace),
            Self::Service(service) => serde_json::to_vec(service),
            Self::Instance { instance, .. } => serde_json::to_vec(instance),
            Self::Operation(operation) => serde_json::to_vec(operation),
        };
        json.expect("text keys and values always are JSON")
    }

    /// Reads what [`Record::encode`] wrote.
    ///
    /// # Errors
    ///
    /// Refuses what is not JSON, not a record of the key's kind, or not valid as one.
    pub fn decode(key: Key, json: &[u8]) -> Result<Self, InvalidRecord> {
        Self::read(&key, json).map_err(|source| InvalidRecord { key, source })
    }

    /// The record in the form that is quickest to read, for a store of this program's own.
    pub fn pack(&self) -> Vec<u8> {
        let Self::Instance { instance, .. } = self else { return self.encode() };
        let mut packed = Vec::with_capacity(256);
        packed.push(PACKED);
        instance.pack(&mut packed);
        packed
    }

    /// Reads what [`Record::pack`] or [`Record::encode`] wrote.
    ///
    /// # Errors
    ///
    /// Refuses what neither has written for this key.
    pub fn unpack(key: Key, packed: &[u8]) -> Result<Self, InvalidRecord> {
        match (key, packed.split_first()) {
            (Key::Instance(service, id), Some((&PACKED, rest))) => match Instance::unpack(id, rest) {
                Ok(instance) => Ok(Self::Instance { service, instance }),
                Err(id) => {
                    let source = serde::de::Error::custom("the packed form is not an instance");
                    Err(InvalidRecord { key: Key::Instance(service, id), source })
                }
            },
            (key, _) => Self::decode(key, packed),
        }
    }

    fn read(key: &Key, json: &[u8]) -> serde_json::Result<Self> {
        use serde_json::from_slice;
        let record = match key {
            Key::Namespace(_) => Self::Namespace(from_slice(json)?),
            Key::HttpName(name) => Self::HttpName { name: name.clone(), namespace: from_slice(json)? },
            Key::Service(..) => Self::Service(from_slice(json)?),
            Key::Instance(service, _) => Self::Instance { service: *service, instance: from_slice(json)? },
            Key::Operation(_) => Self::Operation(from_slice(json)?),
        };
        if record.key() != *key {
            return Err(serde::de::Error::custom("the record is another's"));
        }
        Ok(record)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(id) => write!(f, "namespace/{id}"),
            Self::HttpName(name) => write!(f, "http-name/{name}"),
            Self::Service(namespace, id) => write!(f, "service/{namespace}/{id}"),
            Self::Instance(service, id) => write!(f, "instance/{service}/{id}"),
            Self::Operation(id) => write!(f, "operation/{id}"),
        }
    }
}

impl FromStr for Key {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        parse_key(text).ok_or_else(|| InvalidKey(text.to_owned()))
    }
}

impl Prefix {
    /// Whether the record called `key` is one of those meant.
    pub fn holds(&self, key: &Key) -> bool {
        match (self, key) {
            (Self::Services(wanted), Key::Service(namespace, _)) => wanted == namespace,
            (Self::Instances(wanted), Key::Instance(service, _)) => wanted == service,
            _ => false,
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Services(namespace) => write!(f, "service/{namespace}/"),
            Self::Instances(service) => write!(f, "instance/{service}/"),
        }
    }
}

/// The first octet of a packed instance; JSON begins with no such.
const PACKED: u8 = 1;

fn parse_key(text: &str) -> Option<Key> {
    let (kind, rest) = text.split_once('/')?;
    let two = || rest.split_once('/');
    Some(match kind {
        "namespace" => Key::Namespace(rest.parse().ok()?),
        "http-name" => Key::HttpName(rest.to_owned()),
        "service" => Key::Service(two()?.0.parse().ok()?, two()?.1.parse().ok()?),
        "instance" => Key::Instance(two()?.0.parse().ok()?, two()?.1.parse().ok()?),
        "operation" => Key::Operation(rest.parse().ok()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "srv-aaaaaaaaaaaaaaaa";

    fn instance(json: &str) -> Record {
        let key = Key::Instance(SERVICE.parse().unwrap(), "i/1".parse().unwrap());
        Record::decode(key, json.as_bytes()).unwrap()
    }

    #[test]
    fn keys_read_back_what_they_write() {
        let keys = [
            "namespace/ns-aaaaaaaaaaaaaaaa",
            "http-name/a/b",
            "service/ns-aaaaaaaaaaaaaaaa/srv-aaaaaaaaaaaaaaaa",
            "instance/srv-aaaaaaaaaaaaaaaa/i/1:2",
            "operation/00000000000000000000000000000000-00000000",
        ];
        for text in keys {
            assert_eq!(text.parse::<Key>().unwrap().to_string(), text);
        }
        for text in ["", "namespace", "namespace/", "other/x", "instance/srv-aaaaaaaaaaaaaaaa", "service/x/y"]
        {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
    }

    #[test]
    fn both_forms_read_back_what_they_write() {
        let full = r#"{"id":"i/1","attributes":{"AWS_INSTANCE_IPV4":"192.0.2.1","AWS_INSTANCE_PORT":"80","k":"v w"},
            "creator_request_id":"é","created":1700000000000,"health":{"verdict":"UNHEALTHY","since":7},"rare":{"draining_until":8,"reason":"no é"}}"#;
        for record in [instance(full), instance(r#"{"id":"i/1","attributes":{},"created":0}"#)] {
            assert_eq!(Record::decode(record.key(), &record.encode()).unwrap(), record);
            assert_eq!(Record::unpack(record.key(), &record.pack()).unwrap(), record);
            assert_eq!(Record::unpack(record.key(), &record.encode()).unwrap(), record);
        }
    }

    #[test]
    fn text_that_came_from_elsewhere_fits_the_packed_form() {
        let with = |request: &str, reason: &str| {
            format!(
                r#"{{"id":"i/1","attributes":{{"k":"v"}},"creator_request_id":"{request}","created":1,"rare":{{"reason":"{reason}"}}}}"#
            )
        };
        for reason in ["é".repeat(70_000), String::new()] {
            let record = instance(&with("r", &reason));
            assert_eq!(Record::unpack(record.key(), &record.pack()).unwrap(), record);
        }
        assert_eq!(instance(r#"{"id":"i/1","attributes":{},"created":0,"rare":{}}"#), {
            instance(r#"{"id":"i/1","attributes":{},"created":0}"#)
        });
        let key = instance(&with("r", "")).key();
        assert!(Record::decode(key, with(&"r".repeat(65), "").as_bytes()).is_err());
    }

    #[test]
    fn a_packed_instance_cut_short_is_refused_or_has_fewer_attributes() {
        let whole =
            instance(r#"{"id":"i/1","attributes":{"a":"1","b":"2"},"creator_request_id":"r","created":1}"#);
        let packed = whole.pack();
        for len in 0..packed.len() {
            if let Ok(Record::Instance { instance, .. }) = Record::unpack(whole.key(), &packed[..len]) {
                assert!(instance.attributes().len() < 2, "{len}");
            }
        }
    }

    #[test]
    fn a_record_under_anothers_key_is_refused() {
        let record = instance(r#"{"id":"i/1","attributes":{},"created":0}"#);
        let other = Key::Instance(SERVICE.parse().unwrap(), "i2".parse().unwrap());
        assert!(Record::decode(other, &record.encode()).is_err());
    }
}
