//! Instances: valid by construction.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::attributes::{InvalidAttributes, key};
use crate::names::{self, NameError};
use crate::service::{RecordType, RoutingPolicy};
use crate::{Attributes, HealthCheck, InstanceId, Namespace, Service, Timestamp};

/// One of those that do a service's work.
///
/// Made by [`Instance::new`] only, so what its service needs of it is there, and is right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Instance {
    id: InstanceId,
    attributes: Attributes,
    #[serde(skip_serializing_if = "Option::is_none")]
    creator_request_id: Option<Box<str>>,
    created: Timestamp,
    #[serde(skip_serializing_if = "Health::is_unset")]
    health: Health,
    #[serde(skip_serializing_if = "Option::is_none")]
    rare: Option<Box<Rare>>,
    #[serde(skip_serializing)]
    parsed: Parsed,
}

/// What few instances have at a time, out of the way of the many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Rare {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    draining_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keeper: Option<Box<str>>,
}

/// What is known of an instance's health.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// What was last said or found.
    pub verdict: Verdict,
    /// When the verdict became what it is.
    pub since: Timestamp,
}

/// What was last said or found of an instance's health.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// Nothing yet.
    #[default]
    Unset,
    /// It is fit.
    Healthy,
    /// It is not.
    Unhealthy,
}

/// An instance's health as the API tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HealthStatus {
    /// It is fit, as far as is known.
    Healthy,
    /// It is not.
    Unhealthy,
    /// Its service has no health check.
    Unknown,
}

/// Why an instance is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidInstance {
    /// The id is not one.
    #[error("the instance id is not one to 64 of [0-9a-zA-Z_/:.@-]")]
    Id,
    /// The request calls itself more than 64 characters.
    #[error("the request id has {0} characters; the most is 64")]
    RequestId(usize),
    /// The attributes.
    #[error(transparent)]
    Attributes(#[from] InvalidAttributes),
    /// An attribute that the service needs.
    #[error("the service needs the attribute {0}")]
    Missing(&'static str),
    /// An attribute whose value, which is named too, is not what its key says.
    #[error("the value of attribute {0}, {1:?}, is not {form}", form = form(.0))]
    Value(&'static str, String),
    /// A name that the DNS cannot hold, in this attribute.
    #[error("the value of attribute {0} is not a DNS name")]
    Name(&'static str, #[source] NameError),
    /// The instance would have a name of its own, which the DNS cannot hold.
    #[error("the instance's own DNS name is not one")]
    OwnName(#[source] NameError),
    /// An alias beside an attribute that it excludes.
    #[error("an alias excludes the attribute {0}")]
    AliasBeside(String),
    /// An alias in a service whose policy is not WEIGHTED.
    #[error("an alias needs a service with the WEIGHTED policy")]
    AliasNotWeighted,
    /// An alias in a service without A and AAAA records.
    #[error("an alias needs a service with A or AAAA records, and no other")]
    AliasWithoutAddress,
    /// A machine's id in a namespace that DNS answers.
    #[error("an EC2 instance id is for HTTP namespaces only")]
    Ec2InDns,
    /// A machine's id beside an attribute that it excludes.
    #[error("an EC2 instance id excludes the attribute {0}")]
    Ec2Beside(String),
}

impl Instance {
    /// The instance of `service`, in `namespace`, that `attributes` describe; its health as they say it begins.
    ///
    /// # Errors
    ///
    /// Refuses what Cloud Map refuses, and a name of its own that the DNS cannot hold.
    pub fn new(
        id: InstanceId,
        attributes: Attributes,
        creator_request_id: Option<&str>,
        created: Timestamp,
        service: &Service,
        namespace: &Namespace,
    ) -> Result<Self, InvalidInstance> {
        check_request(creator_request_id)?;
        let parsed = Parsed::of(&attributes)?;
        check_fits(&id, &attributes, &parsed, service, namespace)?;
        let verdict = match (&service.health, attributes.get(key::INIT_HEALTH)) {
            (HealthCheck::Custom { .. }, Some("UNHEALTHY")) => Verdict::Unhealthy,
            (HealthCheck::Custom { .. }, _) => Verdict::Healthy,
            _ => Verdict::Unset,
        };
        let health = Health { verdict, since: created };
        Ok(Self {
            id,
            attributes,
            creator_request_id: creator_request_id.map(Box::from),
            created,
            health,
            rare: None,
            parsed,
        })
    }

    /// The same instance, with another verdict on its health, and why.
    #[must_use]
    pub fn with_health(&self, verdict: Verdict, since: Timestamp, reason: Option<&str>) -> Self {
        let rare = self.with_rare(|rare| rare.reason = reason.map(cut_reason));
        Self { health: Health { verdict, since }, rare, ..self.clone() }
    }

    /// The same instance, deregistered and there until then.
    #[must_use]
    pub(crate) fn draining(&self, until: Timestamp) -> Self {
        Self { rare: self.with_rare(|rare| rare.draining_until = Some(until)), ..self.clone() }
    }

    /// The same instance, heard by that node.
    #[must_use]
    pub(crate) fn kept_by(&self, node: &str) -> Self {
        Self { rare: self.with_rare(|rare| rare.keeper = Some(node.into())), ..self.clone() }
    }

    /// Its identifier.
    pub fn id(&self) -> &InstanceId {
        &self.id
    }

    /// Its attributes, as they were given.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// What the request that registered it called itself.
    pub fn creator_request_id(&self) -> Option<&str> {
        self.creator_request_id.as_deref()
    }

    /// When it was registered.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// What is known of its health.
    pub fn health(&self) -> Health {
        self.health
    }

    /// Why its health is what it is, where somebody said so.
    pub fn reason(&self) -> Option<&str> {
        self.rare.as_ref()?.reason.as_deref()
    }

    /// Which of the nodes over one backend hears who speaks for it, where it lasts no longer without.
    pub fn keeper(&self) -> Option<&str> {
        self.rare.as_ref()?.keeper.as_deref()
    }

    /// Its IPv4 address.
    pub fn ipv4(&self) -> Option<Ipv4Addr> {
        self.parsed.ipv4
    }

    /// Its IPv6 address.
    pub fn ipv6(&self) -> Option<Ipv6Addr> {
        self.parsed.ipv6
    }

    /// The port it listens on.
    pub fn port(&self) -> Option<u16> {
        self.parsed.port
    }

    /// Its share in a WEIGHTED service, 1 to 255.
    pub fn weight(&self) -> u8 {
        self.parsed.weight
    }

    /// How long it lasts without being spoken for, where it says so.
    pub fn ttl(&self) -> Option<Duration> {
        let seconds = self.parsed.has_ttl.then(|| self.attributes.get(key::TTL))??;
        number::<u32>(seconds).map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// How long it drains at least when it is deregistered, where it says so.
    pub fn drain(&self) -> Option<Duration> {
        parse_drain(self.parsed.has_drain.then(|| self.attributes.get(key::DRAIN))??)
    }

    /// Until when it drains: it was deregistered, and is there for those only who know it still.
    pub fn draining_until(&self) -> Option<Timestamp> {
        self.rare.as_ref()?.draining_until
    }

    /// The name that its CNAME record points to, with or without the last dot.
    pub fn cname(&self) -> Option<&str> {
        self.parsed.has_cname.then(|| self.attributes.get(key::CNAME))?
    }

    /// The name whose addresses are its own, with or without the last dot.
    pub fn alias(&self) -> Option<&str> {
        self.parsed.has_alias.then(|| self.attributes.get(key::ALIAS))?
    }

    /// Its health as the API tells it, in a service checked so.
    pub fn status(&self, check: &HealthCheck) -> HealthStatus {
        match (check, self.health.verdict) {
            // Nobody is to begin with it, whatever it may still do.
            _ if self.draining_until().is_some() => HealthStatus::Unhealthy,
            (HealthCheck::None, _) => HealthStatus::Unknown,
            (_, Verdict::Unhealthy) => HealthStatus::Unhealthy,
            // Until there is a result, a checked instance counts as healthy.
            (_, Verdict::Healthy | Verdict::Unset) => HealthStatus::Healthy,
        }
    }

    /// Whether DNS answers it while others are fit too.
    pub fn is_fit(&self, check: &HealthCheck) -> bool {
        self.status(check) != HealthStatus::Unhealthy
    }

    const MAX_REASON_CHARS: usize = 200;

    fn with_rare(&self, change: impl FnOnce(&mut Rare)) -> Option<Box<Rare>> {
        let mut rare = self.rare.as_deref().cloned().unwrap_or_default();
        change(&mut rare);
        (rare != Rare::default()).then(|| Box::new(rare))
    }
}

/// The packed form, which a store that is read at every start keeps: JSON takes ten times as long to read.
///
/// ```text
/// created      8 octets, big-endian
/// verdict      1 octet: 0 unset, 1 healthy, 2 unhealthy; with 16 added where it drains, 32 where there is a reason
/// since        8 octets, big-endian
/// until        8 octets, big-endian, where it drains
/// reason       2 octets of length, big-endian; then its text
/// request id   2 octets of length, big-endian, all ones for none; then its text
/// attributes   the rest: their packed text
/// ```
///
/// The keeper is left out: a store that is packed has one node.
impl Instance {
    const NO_REQUEST: u16 = u16::MAX;
    const DRAINS: u8 = 16;
    const HAS_REASON: u8 = 32;

    pub(crate) fn pack(&self, packed: &mut Vec<u8>) {
        packed.extend(self.created.as_millis().to_be_bytes());
        let verdict = match self.health.verdict {
            Verdict::Unset => 0,
            Verdict::Healthy => 1,
            Verdict::Unhealthy => 2,
        };
        let (until, reason) = (self.draining_until(), self.reason());
        packed.push(verdict | until.map_or(0, |_| Self::DRAINS) | reason.map_or(0, |_| Self::HAS_REASON));
        packed.extend(self.health.since.as_millis().to_be_bytes());
        packed.extend(until.into_iter().flat_map(|until| until.as_millis().to_be_bytes()));
        if let Some(reason) = reason {
            // At most 200 characters were let in.
            packed.extend((reason.len() as u16).to_be_bytes());
            packed.extend(reason.as_bytes());
        }
        // At most 64 characters were let in.
        let request = self.creator_request_id.as_deref();
        let len = request.map_or(Self::NO_REQUEST, |id| id.len() as u16);
        packed.extend(len.to_be_bytes());
        packed.extend(request.unwrap_or_default().as_bytes());
        packed.extend(self.attributes.as_packed().as_bytes());
    }

    /// Gives the id back where `packed` is not an instance.
    pub(crate) fn unpack(id: InstanceId, packed: &[u8]) -> Result<Self, InstanceId> {
        let Some(Unpacked { attributes, creator_request_id, created, health, rare, parsed }) =
            Unpacked::of(packed)
        else {
            return Err(id);
        };
        Ok(Self { id, attributes, creator_request_id, created, health, rare, parsed })
    }
}

/// An instance without its id.
struct Unpacked {
    attributes: Attributes,
    creator_request_id: Option<Box<str>>,
    created: Timestamp,
    health: Health,
    rare: Option<Box<Rare>>,
    parsed: Parsed,
}

impl Unpacked {
    fn of(packed: &[u8]) -> Option<Self> {
        let (created, rest) = packed.split_first_chunk()?;
        let ([verdict], rest) = rest.split_first_chunk()?;
        let (since, mut rest) = rest.split_first_chunk()?;
        let timestamp = |octets: &[u8; 8]| Timestamp::from_millis(u64::from_be_bytes(*octets));
        let mut rare = Rare::default();
        if verdict & Instance::DRAINS != 0 {
            let (until, after) = rest.split_first_chunk()?;
            rest = after;
            rare.draining_until = Some(timestamp(until));
        }
        if verdict & Instance::HAS_REASON != 0 {
            let (len, after) = rest.split_first_chunk()?;
            let (reason, after) = after.split_at_checked(u16::from_be_bytes(*len).into())?;
            rest = after;
            rare.reason = Some(std::str::from_utf8(reason).ok()?.into());
        }
        let rare = (rare != Rare::default()).then(|| Box::new(rare));
        let (len, rest) = rest.split_first_chunk()?;
        let verdict = match verdict & !(Instance::DRAINS | Instance::HAS_REASON) {
            0 => Verdict::Unset,
            1 => Verdict::Healthy,
            2 => Verdict::Unhealthy,
            _ => return None,
        };
        let (creator_request_id, rest) = match u16::from_be_bytes(*len) {
            Instance::NO_REQUEST => (None, rest),
            len => {
                let (request, rest) = rest.split_at_checked(len.into())?;
                (Some(std::str::from_utf8(request).ok()?.into()), rest)
            }
        };
        let attributes = Attributes::from_packed(std::str::from_utf8(rest).ok()?)?;
        let parsed = Parsed::of(&attributes).ok()?;
        let health = Health { verdict, since: timestamp(since) };
        Some(Self { attributes, creator_request_id, created: timestamp(created), health, rare, parsed })
    }
}

impl Health {
    fn is_unset(&self) -> bool {
        self.verdict == Verdict::Unset
    }
}

/// An instance as it is stored.
#[derive(Deserialize)]
struct Parts {
    id: InstanceId,
    attributes: Attributes,
    #[serde(default)]
    creator_request_id: Option<Box<str>>,
    created: Timestamp,
    #[serde(default)]
    health: Health,
    #[serde(default)]
    rare: Option<Box<Rare>>,
}

impl TryFrom<Parts> for Instance {
    type Error = InvalidInstance;

    // What the service needs is not asked again: it was when the instance was made, and records of a type whose
    // attribute is missing are simply not there. But text may be anybody's, and the packed form has bounds for it.
    fn try_from(parts: Parts) -> Result<Self, InvalidInstance> {
        let parsed = Parsed::of(&parts.attributes)?;
        let Parts { id, attributes, creator_request_id, created, health, mut rare } = parts;
        check_request(creator_request_id.as_deref())?;
        if let Some(rare) = &mut rare {
            rare.reason = rare.reason.as_deref().map(cut_reason);
        }
        let rare = rare.filter(|rare| **rare != Rare::default());
        Ok(Self { id, attributes, creator_request_id, created, health, rare, parsed })
    }
}

/// What attributes mean, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parsed {
    ipv4: Option<Ipv4Addr>,
    ipv6: Option<Ipv6Addr>,
    port: Option<u16>,
    weight: u8,
    // Most instances have none of these, and are asked each time that something changes.
    has_cname: bool,
    has_alias: bool,
    has_ttl: bool,
    has_drain: bool,
}

impl Parsed {
    const DEFAULT_WEIGHT: u8 = 1;

    fn of(attributes: &Attributes) -> Result<Self, InvalidInstance> {
        let (ipv4, ipv6, port, weight) = (None, None, None, Self::DEFAULT_WEIGHT);
        let (has_cname, has_alias, has_ttl, has_drain) = (false, false, false, false);
        let wrong = |key, value: &str| InvalidInstance::Value(key, value.to_owned());
        let mut parsed = Self { ipv4, ipv6, port, weight, has_cname, has_alias, has_ttl, has_drain };
        for (name, value) in attributes.iter() {
            match name {
                key::IPV4 => parsed.ipv4 = Some(value.parse().map_err(|_| wrong(key::IPV4, value))?),
                key::IPV6 => parsed.ipv6 = Some(value.parse().map_err(|_| wrong(key::IPV6, value))?),
                key::PORT => parsed.port = Some(number(value).ok_or_else(|| wrong(key::PORT, value))?),
                key::WEIGHT => parsed.weight = number(value).ok_or_else(|| wrong(key::WEIGHT, value))?,
                key::CNAME => {
                    check_name(key::CNAME, value)?;
                    parsed.has_cname = true;
                }
                key::ALIAS => {
                    check_name(key::ALIAS, value)?;
                    parsed.has_alias = true;
                }
                key::TTL => {
                    number::<u32>(value).ok_or_else(|| wrong(key::TTL, value))?;
                    parsed.has_ttl = true;
                }
                key::DRAIN => {
                    parse_drain(value).ok_or_else(|| wrong(key::DRAIN, value))?;
                    parsed.has_drain = true;
                }
                key::INIT_HEALTH if !matches!(value, "HEALTHY" | "UNHEALTHY") => {
                    return Err(wrong(key::INIT_HEALTH, value));
                }
                _ => {}
            }
        }
        Ok(parsed)
    }
}

/// What the value of an attribute is, where it is right.
fn form(key: &str) -> &'static str {
    match key {
        key::IPV4 => "an IPv4 address, such as 192.0.2.1",
        key::IPV6 => "an IPv6 address, such as 2001:db8::1",
        key::PORT => "a port, 1 to 65535",
        key::WEIGHT => "a weight, 1 to 255",
        key::INIT_HEALTH => "HEALTHY or UNHEALTHY",
        key::DRAIN => "a number of seconds",
        _ => "a number of seconds above zero",
    }
}

fn check_request(id: Option<&str>) -> Result<(), InvalidInstance> {
    match id.map_or(0, |id| id.chars().count()) {
        0..=64 => Ok(()),
        chars => Err(InvalidInstance::RequestId(chars)),
    }
}

fn cut_reason(reason: &str) -> Box<str> {
    reason.chars().take(Instance::MAX_REASON_CHARS).collect()
}

fn check_name(key: &'static str, value: &str) -> Result<(), InvalidInstance> {
    names::check_target(value).map_err(|error| InvalidInstance::Name(key, error))
}

/// A number above zero in digits alone; what `parse` takes besides is a sign.
fn number<N: std::str::FromStr + Default + PartialEq>(text: &str) -> Option<N> {
    let digits = text.bytes().all(|c| c.is_ascii_digit());
    text.parse().ok().filter(|n| digits && *n != N::default())
}

/// How long to drain at least: a number of seconds, which may be zero.
pub(crate) fn parse_drain(text: &str) -> Option<Duration> {
    let seconds = if text == "0" { 0 } else { number::<u32>(text)? };
    Some(Duration::from_secs(seconds.into()))
}

fn check_fits(
    id: &InstanceId,
    attributes: &Attributes,
    parsed: &Parsed,
    service: &Service,
    namespace: &Namespace,
) -> Result<(), InvalidInstance> {
    if attributes.get(key::EC2_INSTANCE).is_some() {
        check_ec2(attributes, namespace)?;
    }
    if attributes.get(key::ALIAS).is_some() {
        return check_alias(attributes, service);
    }
    let missing = |key| Err(InvalidInstance::Missing(key));
    let has = |kind| service.has_record(kind);
    let (v4, v6) = (parsed.ipv4.is_some(), parsed.ipv6.is_some());
    match (has(RecordType::A), has(RecordType::Aaaa)) {
        (true, true) if !v4 && !v6 => return missing(key::IPV4),
        (true, false) if !v4 => return missing(key::IPV4),
        (false, true) if !v6 => return missing(key::IPV6),
        _ => {}
    }
    if has(RecordType::Srv) {
        if parsed.port.is_none() {
            return missing(key::PORT);
        }
        if !v4 && !v6 {
            return missing(key::IPV4);
        }
        let own_name = format!("{id}.{}", namespace.name_of(&service.name));
        names::check_dns(&own_name).map_err(InvalidInstance::OwnName)?;
    }
    if has(RecordType::Cname) && attributes.get(key::CNAME).is_none() {
        return missing(key::CNAME);
    }
    if service.health.active().is_some() && parsed.port.is_none() {
        return missing(key::PORT);
    }
    Ok(())
}

fn check_alias(attributes: &Attributes, service: &Service) -> Result<(), InvalidInstance> {
    let beside = |name: &&str| name.starts_with("AWS_INSTANCE_") && *name != key::WEIGHT;
    if let Some((name, _)) = attributes.iter().find(|(name, _)| beside(name)) {
        return Err(InvalidInstance::AliasBeside(name.to_owned()));
    }
    let Some(dns) = &service.dns else { return Err(InvalidInstance::AliasWithoutAddress) };
    if dns.policy() != RoutingPolicy::Weighted {
        return Err(InvalidInstance::AliasNotWeighted);
    }
    let is_address = |kind| matches!(kind, RecordType::A | RecordType::Aaaa);
    if dns.records.is_empty() || !dns.records.iter().all(|record| is_address(record.kind)) {
        return Err(InvalidInstance::AliasWithoutAddress);
    }
    Ok(())
}

fn check_ec2(attributes: &Attributes, namespace: &Namespace) -> Result<(), InvalidInstance> {
    if namespace.has_dns() {
        return Err(InvalidInstance::Ec2InDns);
    }
    let allowed = |name: &str| matches!(name, key::EC2_INSTANCE | key::INIT_HEALTH);
    match attributes.iter().find(|(name, _)| !allowed(name)) {
        Some((name, _)) => Err(InvalidInstance::Ec2Beside(name.to_owned())),
        None => Ok(()),
    }
}
