//! Services: what instances are instances of, and how DNS tells of them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::instance::parse_drain;
use crate::names::NameError;
use crate::namespace::InvalidTags;
use crate::{Instance, NamespaceId, ServiceId, Tags, Timestamp};

/// A name in a namespace, under which instances are registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its identifier.
    pub id: ServiceId,
    /// The namespace it is in.
    pub namespace: NamespaceId,
    /// Its name as it was given; unique in its namespace, in a DNS namespace whatever the case.
    pub name: String,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What DNS answers for it; nothing where it is found by the API only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsConfig>,
    /// How the health of its instances is known.
    #[serde(default, skip_serializing_if = "HealthCheck::is_none")]
    pub health: HealthCheck,
    /// What the request that made it called itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator_request_id: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// Its attributes, at most 30.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// How a service is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceType {
    /// By the API only.
    Http,
    /// By DNS and the API.
    DnsHttp,
}

/// What DNS answers for a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsConfig {
    /// The policy that was asked for, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_given: Option<RoutingPolicy>,
    /// The records of each instance; one of a type.
    pub records: Vec<DnsRecord>,
}

/// Which of the healthy instances an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RoutingPolicy {
    /// Up to eight of them, or as many as the service's [`MAX_ANSWERS`] says.
    Multivalue,
    /// One, by chance and weight.
    Weighted,
}

/// One type of record that a service's instances have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsRecord {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: RecordType,
    /// Its time to live in seconds; at most 2^31 - 1.
    pub ttl: u32,
}

/// The types of record that Cloud Map knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordType {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// A port, and the name of the instance that has the address.
    Srv,
    /// Another name.
    Cname,
}

/// How the health of a service's instances is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthCheck {
    /// It is not: every instance counts as healthy.
    #[default]
    None,
    /// The registry's own checks find out.
    Active(HealthCheckConfig),
    /// Somebody else finds out, and says so through the API.
    Custom {
        /// Obsolete, and echoed.
        failure_threshold: Option<u8>,
    },
}

/// An active check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheckConfig {
    /// What is tried.
    #[serde(rename = "type")]
    pub kind: HealthCheckType,
    /// The path that is asked for; `None` means `/` for HTTP and HTTPS, and is what TCP has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_path: Option<String>,
    /// How many results in a row change the verdict, 1 to 10, where given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_threshold: Option<u8>,
}

/// What an active check tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HealthCheckType {
    /// A connection and a request in the clear.
    Http,
    /// A TLS connection, its certificate not verified, and a request.
    Https,
    /// A connection.
    Tcp,
}

/// The service attribute that replaces the limit of eight records in a MULTIVALUE answer: 1 to 1000.
pub const MAX_ANSWERS: &str = "cartonym.max-answers";

/// The service attribute that has its instances drain when they are deregistered, for so many seconds at least.
pub const DRAIN: &str = "cartonym.drain";

/// Why a service is refused, whatever else the registry holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidService {
    /// The name is not a service's, or too long under its namespace's.
    #[error("the name is not one for a service of this namespace")]
    Name(#[source] NameError),
    /// The description is longer than 1024 characters.
    #[error("the description has {0} characters; the most is 1024")]
    Description(usize),
    /// The request calls itself more than 64 characters.
    #[error("the request id has {0} characters; the most is 64")]
    RequestId(usize),
    /// The tags.
    #[error(transparent)]
    Tags(#[from] InvalidTags),
    /// DNS records for a service that is found by the API only.
    #[error("a service that is found by the API only has no DNS records")]
    HttpWithDns,
    /// A DNS configuration without a record.
    #[error("no DNS record is given")]
    NoRecords,
    /// A record type given twice.
    #[error("the record type {0:?} is given twice")]
    DuplicateRecord(RecordType),
    /// A CNAME record beside another.
    #[error("a CNAME record stands alone")]
    CnameNotAlone,
    /// A CNAME record with the MULTIVALUE policy.
    #[error("a CNAME record needs the WEIGHTED policy")]
    CnameNotWeighted,
    /// A CNAME record with an active check.
    #[error("a CNAME record cannot be checked")]
    CnameWithCheck,
    /// A TTL above 2^31 - 1.
    #[error("the TTL {0} is above 2147483647")]
    Ttl(u32),
    /// An active check in a private namespace, whose instances no checker would reach.
    #[error("instances in a private DNS namespace cannot be checked")]
    CheckInPrivate,
    /// A path for a check that asks for none.
    #[error("a TCP check has no resource path")]
    TcpWithPath,
    /// A path of more than 255 characters.
    #[error("the resource path has {0} characters; the most is 255")]
    PathLength(usize),
    /// A threshold that is not 1 to 10.
    #[error("the failure threshold {0} is not 1 to 10")]
    FailureThreshold(u8),
    /// An update that would give a service of custom health an active check.
    #[error("a service with custom health cannot have another check")]
    CustomHealthIsKept,
    /// An update of a service in an HTTP namespace.
    #[error("a service in an HTTP namespace cannot be changed")]
    HttpNamespace,
    /// An update that adds a type of record.
    #[error("the record type {0:?} cannot be added to a service")]
    NewRecordType(RecordType),
}

/// Why a service's attributes are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidServiceAttributes {
    /// A key longer than 255 characters, or empty.
    #[error("attribute key {0:?} does not have one to 255 characters")]
    Key(String),
    /// A value longer than 1024 characters.
    #[error("the value of attribute {0:?} is longer than 1024 characters")]
    Value(String),
    /// An attribute of ours whose value is not one.
    #[error("the value of attribute {0:?} is not a number from 1 to 1000")]
    MaxAnswers(String),
    /// An attribute of ours whose value is not one.
    #[error("the value of attribute {0:?} is not a number of seconds")]
    Drain(String),
    /// More than 30 attributes on one service.
    #[error("{0} attributes; the most is 30")]
    TooMany(usize),
}

impl Service {
    /// The most attributes of one service.
    pub const MAX_ATTRIBUTES: usize = 30;

    /// How it is found.
    pub fn service_type(&self) -> ServiceType {
        if self.dns.is_some() { ServiceType::DnsHttp } else { ServiceType::Http }
    }

    /// Whether its instances have records of `kind`.
    pub fn has_record(&self, kind: RecordType) -> bool {
        self.dns.as_ref().is_some_and(|dns| dns.ttl(kind).is_some())
    }

    /// The most records in a MULTIVALUE answer, where [`MAX_ANSWERS`] says; eight otherwise.
    pub fn max_answers(&self) -> Option<u16> {
        self.attributes.get(MAX_ANSWERS).and_then(|text| parse_max_answers(text))
    }

    /// How long an instance of it that is deregistered is still there; `None` if it is gone at once.
    ///
    /// As long as the instance says or else [`DRAIN`], and as long as what was answered before may be kept.
    pub fn drain_of(&self, instance: &Instance) -> Option<Duration> {
        let asked = instance.drain().or_else(|| parse_drain(self.attributes.get(DRAIN)?))?;
        let records = self.dns.iter().flat_map(|dns| &dns.records);
        let ttl = records.map(|record| record.ttl).max().unwrap_or(0);
        Some(asked.max(Duration::from_secs(ttl.into())))
    }
}

impl DnsConfig {
    /// The policy that decides: the one given, WEIGHTED for a CNAME, else MULTIVALUE.
    pub fn policy(&self) -> RoutingPolicy {
        let default = match self.records.first() {
            Some(DnsRecord { kind: RecordType::Cname, .. }) => RoutingPolicy::Weighted,
            _ => RoutingPolicy::Multivalue,
        };
        self.policy_given.unwrap_or(default)
    }

    /// The TTL of the records of `kind`, where there are any.
    pub fn ttl(&self, kind: RecordType) -> Option<u32> {
        self.records.iter().find(|record| record.kind == kind).map(|record| record.ttl)
    }
}

impl HealthCheck {
    /// Whether health is not known.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Whether the API is told of it.
    pub fn is_custom(&self) -> bool {
        matches!(self, Self::Custom { .. })
    }

    /// The check that the registry runs.
    pub fn active(&self) -> Option<&HealthCheckConfig> {
        match self {
            Self::Active(config) => Some(config),
            _ => None,
        }
    }
}

impl HealthCheckConfig {
    /// The threshold where none is given.
    pub const DEFAULT_FAILURE_THRESHOLD: u8 = 3;
}

pub(crate) fn parse_max_answers(text: &str) -> Option<u16> {
    text.parse().ok().filter(|n| (1..=1000).contains(n))
}
