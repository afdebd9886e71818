//! Namespaces: where services have their names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::names::{self, NameError};
use crate::{NamespaceId, Timestamp};

/// A group of services under one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Its identifier.
    pub id: NamespaceId,
    /// Its name as it was given; DNS ignores its case.
    pub name: String,
    /// Who may find what is in it.
    pub kind: NamespaceKind,
    /// The name by which DiscoverInstances finds it, unique in the registry.
    pub http_name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The id of its zone, where DNS answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosted_zone_id: Option<String>,
    /// The TTL of its SOA record in seconds, where one was given; at most 2^31 - 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soa_ttl: Option<u32>,
    /// What the request that made it called itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator_request_id: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

/// Who may find what is in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NamespaceKind {
    /// Callers of the API only.
    Http,
    /// DNS clients of one virtual network, and callers of the API.
    DnsPrivate {
        /// The network's identifier; not looked up.
        vpc: String,
    },
    /// Every DNS client, and callers of the API.
    DnsPublic,
}

/// Words that a resource carries for its owner: at most 50, unique by key, case kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(BTreeMap<String, String>);

/// Why tags are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTags {
    /// A key that is empty, longer than 128 characters, or begins with `aws:`.
    #[error("tag key {0:?} is empty, longer than 128 characters or reserved")]
    Key(String),
    /// A value of more than 256 characters.
    #[error("the value of tag {0:?} is longer than 256 characters")]
    Value(String),
    /// More than 50 tags on one resource.
    #[error("{0} tags; the most is 50")]
    TooMany(usize),
}

/// Why a namespace is refused, whatever else the registry holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidNamespace {
    /// The name is not one for this kind of namespace.
    #[error("the name is not one for this kind of namespace")]
    Name(#[source] NameError),
    /// The network's identifier is empty or longer than 64 characters.
    #[error("the VPC id does not have one to 64 characters")]
    Vpc,
    /// The description is longer than 1024 characters.
    #[error("the description has {0} characters; the most is 1024")]
    Description(usize),
    /// The TTL is above 2^31 - 1.
    #[error("the TTL {0} is above 2147483647")]
    SoaTtl(u32),
    /// A TTL for a namespace that has no SOA record.
    #[error("an HTTP namespace has no SOA record")]
    NoSoa,
    /// The request calls itself more than 64 characters.
    #[error("the request id has {0} characters; the most is 64")]
    RequestId(usize),
    /// The tags.
    #[error(transparent)]
    Tags(#[from] InvalidTags),
}

impl Namespace {
    /// The most characters of an HTTP namespace's name.
    pub const MAX_HTTP_NAME_CHARS: usize = 1024;

    /// Whether DNS answers for it.
    pub fn has_dns(&self) -> bool {
        self.kind != NamespaceKind::Http
    }

    /// A service's name in DNS without its last dot, case kept; `.` is the namespace itself.
    pub fn name_of(&self, service: &str) -> String {
        match service {
            "." => self.name.clone(),
            _ => format!("{service}.{}", self.name),
        }
    }

    /// The form of a service's name that is unique in this namespace.
    pub(crate) fn unique_form(&self, service: &str) -> String {
        if self.has_dns() { names::fold(service) } else { service.to_owned() }
    }
}

impl NamespaceKind {
    /// The id of the namespace of this kind called `name`.
    pub(crate) fn id_of(&self, name: &str) -> NamespaceId {
        match self {
            Self::Http => NamespaceId::derive(&["http", name]),
            Self::DnsPrivate { vpc } => NamespaceId::derive(&["private", &names::fold(name), vpc]),
            Self::DnsPublic => NamespaceId::derive(&["public", &names::fold(name)]),
        }
    }

    /// Whether a namespace of this kind may be called `name`.
    pub(crate) fn check_name(&self, name: &str) -> Result<(), NameError> {
        if name.starts_with("arn:") {
            return Err(NameError::ReservedPrefix);
        }
        match self {
            Self::Http => names::check_printable(name, Namespace::MAX_HTTP_NAME_CHARS),
            Self::DnsPrivate { .. } => names::check_dns(name),
            Self::DnsPublic => names::check_public(name),
        }
    }
}

impl Tags {
    /// The most tags of one resource.
    pub const MAX: usize = 50;

    /// The tags of a new resource; the last of two with one key stays.
    ///
    /// # Errors
    ///
    /// Refuses more than 50, and what [`Tags::with`] does.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, InvalidTags> {
        Self::default().with(pairs)
    }

    /// These and `pairs`, which replace those of the same key.
    ///
    /// # Errors
    ///
    /// Refuses keys and values of the wrong length, reserved keys, and more than 50 altogether.
    pub fn with(&self, pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, InvalidTags> {
        let mut tags = self.0.clone();
        for (key, value) in pairs {
            if !(1..=128).contains(&key.chars().count()) || key.to_ascii_lowercase().starts_with("aws:") {
                return Err(InvalidTags::Key(key));
            }
            if value.chars().count() > 256 {
                return Err(InvalidTags::Value(key));
            }
            tags.insert(key, value);
        }
        if tags.len() > Self::MAX {
            return Err(InvalidTags::TooMany(tags.len()));
        }
        Ok(Self(tags))
    }

    /// These without those called `keys`.
    pub fn without(&self, keys: &[String]) -> Self {
        let keep = |(key, _): &(&String, &String)| !keys.contains(key);
        Self(self.0.iter().filter(keep).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    /// Keys and values, by ascending key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
