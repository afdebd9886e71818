//! From a file's text to valid records, or to what is wrong with it and where.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use cartonym_registry::{
    Attributes, DnsConfig, DnsRecord, HealthCheck, HealthCheckConfig, Instance, InstanceId,
    InvalidAttributes, InvalidInstance, InvalidNamespace, InvalidService, Key, Namespace, NamespaceKind,
    NewNamespace, NewService, Record, Service, Tags, Timestamp, key,
};
use serde_saphyr::{Location, Spanned};

use crate::form::{Document, HealthForm, Kind, NamespaceForm, ServiceForm};
use crate::pairs::Pairs;

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not YAML or JSON of the form that is published.
    #[error("{place}: {message}")]
    Form {
        /// Where.
        place: Place,
        /// What is wrong there.
        message: String,
    },
    /// It asks for what a registry does not hold.
    #[error("{place}")]
    Invalid {
        /// Where.
        place: Place,
        /// What is wrong there.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It has no namespace, and before it had.
    #[error("{} has no namespace, and had some before: they stay; see `allow_empty`", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// Counted from 1.
    pub line: u64,
    /// In characters, counted from 1.
    pub column: u64,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(crate) struct Records(BTreeMap<Key, Record>);

/// Reads the file at `path`: everything is as old as the file, and as fit as it begins.
pub(crate) fn read(path: &Path) -> Result<Records, FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let modified = fs::metadata(path).and_then(|file| file.modified()).map_err(unreadable)?;
    let millis = modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let now = Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
    let mut reader = Reader { path, now, records: Records::default() };
    reader.document(parse(path, &text)?)?;
    Ok(reader.records)
}

fn parse(path: &Path, text: &str) -> Result<Document, FileError> {
    let options = serde_saphyr::options! {
        // The file is its operator's: what is bounded is what a short text can be blown up to, which aliases have bounds for.
        budget: serde_saphyr::budget! {
            max_events: usize::MAX,
            max_nodes: usize::MAX,
            max_total_scalar_bytes: usize::MAX,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
        let message = error.without_snippet().to_string();
        // The place stands in front, and what a program could set is nothing to who writes the file.
        let end = ADVICE.iter().filter_map(|advice| message.find(advice)).min();
        let message = message.get(..end.unwrap_or(message.len())).unwrap_or(&message).to_owned();
        FileError::Form { place: Place { path: path.to_owned(), line, column }, message }
    })
}

struct Reader<'a> {
    path: &'a Path,
    now: Timestamp,
    records: Records,
}

impl Reader<'_> {
    fn document(&mut self, document: Document) -> Result<(), FileError> {
        for form in document.namespaces {
            let namespace = self.namespace(&form)?;
            for form in form.services {
                self.service(form, &namespace)?;
            }
        }
        Ok(())
    }

    fn namespace(&mut self, form: &NamespaceForm) -> Result<Namespace, FileError> {
        let kind = match (form.kind, &form.vpc) {
            (Kind::DnsPrivate, vpc) => {
                let vpc = vpc.as_ref().map_or(DEFAULT_VPC, |vpc| &vpc.value).to_owned();
                NamespaceKind::DnsPrivate { vpc }
            }
            (_, Some(vpc)) => {
                return Err(self.wrong(at(vpc), "a private namespace has a `vpc`, and no other"));
            }
            (Kind::DnsPublic, None) => NamespaceKind::DnsPublic,
            (Kind::Http, None) => NamespaceKind::Http,
        };
        let name = at(&form.name);
        let new = NewNamespace {
            name: form.name.value.clone(),
            kind,
            description: form.description.as_ref().map(|text| text.value.clone()),
            soa_ttl: form.soa_ttl.as_ref().map(|ttl| ttl.value),
            creator_request_id: None,
            tags: self.tags(&form.tags)?,
        };
        let is_found = |name: &str| self.records.0.contains_key(&Key::HttpName(name.to_owned()));
        let namespace = new.make(self.now, is_found).map_err(|error| {
            let place = match &error {
                InvalidNamespace::Vpc => form.vpc.as_ref().map(at),
                InvalidNamespace::Description(_) => form.description.as_ref().map(at),
                InvalidNamespace::SoaTtl(_) | InvalidNamespace::NoSoa => form.soa_ttl.as_ref().map(at),
                _ => None,
            };
            self.wrong(place.unwrap_or(name), error)
        })?;
        let http_name = Record::HttpName { name: namespace.http_name.clone(), namespace: namespace.id };
        if !self.records.add(Record::Namespace(namespace.clone())) {
            return Err(self.wrong(name, "there is a namespace of this name and type above"));
        }
        self.records.add(http_name);
        Ok(namespace)
    }

    fn service(&mut self, form: ServiceForm, within: &Namespace) -> Result<(), FileError> {
        let new = NewService {
            namespace: within.id,
            name: form.name.value.clone(),
            description: form.description.as_ref().map(|text| text.value.clone()),
            dns: self.dns(&form)?,
            health: self.health(form.health.as_ref())?,
            creator_request_id: None,
            tags: self.tags(&form.tags)?,
        };
        let name = at(&form.name);
        // Cloud Map refuses checks in private namespaces because its checkers are outside; these are inside.
        let mut service = new.make(within, true, self.now).map_err(|error| {
            let place = match &error {
                InvalidService::Description(_) => form.description.as_ref().map(at),
                InvalidService::HttpWithDns
                | InvalidService::NoRecords
                | InvalidService::CnameNotAlone
                | InvalidService::CnameNotWeighted
                | InvalidService::Ttl(_) => form.records.as_ref().map(at),
                InvalidService::CnameWithCheck
                | InvalidService::TcpWithPath
                | InvalidService::PathLength(_)
                | InvalidService::FailureThreshold(_) => form.health.as_ref().map(at),
                _ => None,
            };
            self.wrong(place.unwrap_or(name), error)
        })?;
        for (key, value) in form.attributes.0 {
            let place = at(&key);
            service.add_attributes([(key.value, value)]).map_err(|error| self.wrong(place, error))?;
        }
        if !self.records.add(Record::Service(service.clone())) {
            return Err(self.wrong(name, "there is a service of this name above"));
        }
        for (id, attributes) in form.instances.0 {
            self.instance(&id, attributes, &service, within)?;
        }
        Ok(())
    }

    fn dns(&self, form: &ServiceForm) -> Result<Option<DnsConfig>, FileError> {
        let routing = form.routing.as_ref();
        let Some(records) = &form.records else {
            let lost = routing
                .map(|routing| self.wrong(at(routing), "`routing` is of `records`, which are missing"));
            return lost.map_or(Ok(None), Err);
        };
        let policy_given = routing.map(|routing| routing.value);
        let records = records.value.iter().map(|(kind, ttl)| DnsRecord { kind, ttl }).collect();
        Ok(Some(DnsConfig { policy_given, records }))
    }

    fn health(&self, form: Option<&Spanned<HealthForm>>) -> Result<HealthCheck, FileError> {
        let Some(form) = form else { return Ok(HealthCheck::None) };
        let HealthForm { kind, path, threshold } = &form.value;
        match kind.active() {
            Some(kind) => Ok(HealthCheck::Active(HealthCheckConfig {
                kind,
                resource_path: path.clone(),
                failure_threshold: *threshold,
            })),
            None if path.is_some() => Err(self.wrong(at(form), "custom health has no `path`")),
            None => Ok(HealthCheck::Custom { failure_threshold: *threshold }),
        }
    }

    fn instance(
        &mut self,
        id: &Spanned<String>,
        attributes: Pairs<Spanned<String>>,
        service: &Service,
        namespace: &Namespace,
    ) -> Result<(), FileError> {
        let place = at(id);
        let place_of =
            |key: &str| attributes.0.iter().find(|(other, _)| other.value == key).map(|pair| at(&pair.0));
        if let Some(place) = place_of(key::TTL) {
            return Err(self.wrong(place, "an instance of a file lasts as long as it stands there"));
        }
        let known: InstanceId = id.value.parse().map_err(|_| self.wrong(place, InvalidInstance::Id))?;
        let pairs = attributes.0.iter().map(|(key, value)| (&key.value, &value.value));
        let packed = Attributes::new(pairs).map_err(InvalidInstance::from);
        let made = packed.and_then(|packed| Instance::new(known, packed, None, self.now, service, namespace));
        let instance =
            made.map_err(|error| self.wrong(attribute(&error).and_then(place_of).unwrap_or(place), error))?;
        self.records.add(Record::Instance { service: service.id, instance });
        Ok(())
    }

    fn tags(&self, tags: &Pairs<String>) -> Result<Tags, FileError> {
        let mut all = Tags::default();
        for (key, value) in &tags.0 {
            let pair = (key.value.clone(), value.clone());
            all = all.with([pair]).map_err(|error| self.wrong(at(key), error))?;
        }
        Ok(all)
    }

    fn wrong(&self, at: Location, source: impl Into<Box<dyn Error + Send + Sync>>) -> FileError {
        let place = Place { path: self.path.to_owned(), line: at.line(), column: at.column() };
        FileError::Invalid { place, source: source.into() }
    }
}

impl Records {
    /// Whether nothing is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Namespaces, services and instances.
    pub(crate) fn counts(&self) -> [usize; 3] {
        let count = |is: fn(&Key) -> bool| self.0.keys().filter(|key| is(key)).count();
        [
            count(|key| matches!(key, Key::Namespace(_))),
            count(|key| matches!(key, Key::Service(..))),
            count(|key| matches!(key, Key::Instance(..))),
        ]
    }

    /// Whether nothing of this name was there.
    fn add(&mut self, record: Record) -> bool {
        self.0.insert(record.key(), record).is_none()
    }
}

impl From<Records> for BTreeMap<Key, Record> {
    fn from(records: Records) -> Self {
        records.0
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}

fn at<T>(value: &Spanned<T>) -> Location {
    value.referenced
}

/// The attribute that is wrong, where it is one that stands there.
fn attribute(error: &InvalidInstance) -> Option<&str> {
    match error {
        InvalidInstance::Attributes(
            InvalidAttributes::Key(key) | InvalidAttributes::Value(key) | InvalidAttributes::Duplicate(key),
        ) => Some(key),
        InvalidInstance::Value(key, _) | InvalidInstance::Name(key, _) => Some(key),
        InvalidInstance::AliasBeside(key) | InvalidInstance::Ec2Beside(key) => Some(key),
        _ => None,
    }
}

/// What the parser says behind what is wrong.
const ADVICE: [&str; 4] = [" at line ", ", set DuplicateKeyPolicy", "; use from_str", "; use Option"];

/// The network of private namespaces that name none; nothing but its name.
const DEFAULT_VPC: &str = "vpc-local";
