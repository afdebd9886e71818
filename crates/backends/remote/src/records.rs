//! From what the other side tells to valid records.

use std::error::Error;

use aws_sdk_servicediscovery::primitives::DateTime;
use aws_sdk_servicediscovery::types::{
    self as told, HealthStatus, NamespaceSummary, NamespaceType, ServiceSummary,
};
use cartonym_registry::{
    Attributes, DnsConfig, DnsRecord, HealthCheck, Instance, Namespace, NamespaceKind, NewNamespace,
    NewService, RecordType, RoutingPolicy, Service, Tags, Timestamp, Verdict, key,
};

use crate::cloud::Described;

/// Why something that is told is left out.
pub(crate) type Refused = Box<dyn Error + Send + Sync>;

/// The namespace, with the identifiers that it has on the other side.
pub(crate) fn namespace(told: &NamespaceSummary) -> Result<Namespace, Refused> {
    let properties = told.properties.as_ref();
    let dns = properties.and_then(|properties| properties.dns_properties.as_ref());
    let http = properties.and_then(|properties| properties.http_properties.as_ref());
    let kind = match &told.r#type {
        Some(NamespaceType::DnsPublic) => NamespaceKind::DnsPublic,
        Some(NamespaceType::DnsPrivate) => NamespaceKind::DnsPrivate { vpc: VPC.to_owned() },
        Some(NamespaceType::Http) => NamespaceKind::Http,
        other => return Err(format!("its type {other:?} is not known").into()),
    };
    let soa = dns.and_then(|dns| dns.soa.as_ref()).filter(|_| kind != NamespaceKind::Http);
    let new = NewNamespace {
        name: told.name.clone().unwrap_or_default(),
        kind,
        description: told.description.clone(),
        soa_ttl: soa.map(|soa| u32::try_from(soa.ttl)).transpose()?,
        creator_request_id: None,
        tags: Tags::default(),
    };
    let mut namespace = new.make(moment(told.create_date), |_| false)?;
    namespace.id = told.id().unwrap_or_default().parse()?;
    if let Some(name) = http.and_then(|http| http.http_name.clone()) {
        namespace.http_name = name;
    }
    if let Some(id) = dns.and_then(|dns| dns.hosted_zone_id.clone()) {
        namespace.hosted_zone_id = Some(id);
    }
    Ok(namespace)
}

/// The service, with the identifier that it has on the other side.
pub(crate) fn service(told: &ServiceSummary, within: &Namespace) -> Result<Service, Refused> {
    let new = NewService {
        namespace: within.id,
        name: told.name.clone().unwrap_or_default(),
        description: told.description.clone(),
        dns: told.dns_config.as_ref().map(dns).transpose()?.flatten(),
        // Whoever checks, it is not this registry: the other side finds out, and says so.
        health: match told.health_check_config.is_some() || told.health_check_custom_config.is_some() {
            true => HealthCheck::Custom { failure_threshold: None },
            false => HealthCheck::None,
        },
        creator_request_id: None,
        tags: Tags::default(),
    };
    let mut service = new.make(within, true, moment(told.create_date))?;
    service.id = told.id().unwrap_or_default().parse()?;
    Ok(service)
}

/// The instance; none where it drains, which is no more to be found.
pub(crate) fn instance(
    told: Described,
    service: &Service,
    within: &Namespace,
    now: Timestamp,
) -> Result<Option<Instance>, Refused> {
    let verdict = match (&service.health, told.health) {
        // No check says so, so it was deregistered.
        (HealthCheck::None, Some(HealthStatus::Unhealthy)) => return Ok(None),
        (HealthCheck::None, _) => None,
        (_, Some(HealthStatus::Unhealthy)) => Some(Verdict::Unhealthy),
        (_, _) => Some(Verdict::Healthy),
    };
    let is_for_us = |name: &str| match name {
        // It lasts as long as the other side has it, which hears who speaks for it.
        key::TTL => false,
        // AWS adds the machine's address, and nobody could register both.
        key::EC2_INSTANCE => !told.attributes.contains_key(key::IPV4),
        _ => true,
    };
    let attributes = told.attributes.iter().filter(|(name, _)| is_for_us(name));
    let attributes = Attributes::new(attributes)?;
    let instance = Instance::new(told.id.parse()?, attributes, None, now, service, within)?;
    Ok(Some(match verdict {
        Some(verdict) => instance.with_health(verdict, now, None),
        None => instance,
    }))
}

/// None where the API alone finds the service.
fn dns(told: &told::DnsConfig) -> Result<Option<DnsConfig>, Refused> {
    if told.dns_records.is_empty() {
        return Ok(None);
    }
    let policy_given = match &told.routing_policy {
        Some(told::RoutingPolicy::Weighted) => Some(RoutingPolicy::Weighted),
        Some(told::RoutingPolicy::Multivalue) => Some(RoutingPolicy::Multivalue),
        None => None,
        Some(other) => return Err(format!("its routing policy {other:?} is not known").into()),
    };
    let record = |told: &told::DnsRecord| -> Result<DnsRecord, Refused> {
        let kind = match &told.r#type {
            told::RecordType::A => RecordType::A,
            told::RecordType::Aaaa => RecordType::Aaaa,
            told::RecordType::Srv => RecordType::Srv,
            told::RecordType::Cname => RecordType::Cname,
            other => return Err(format!("its record type {other:?} is not known").into()),
        };
        Ok(DnsRecord { kind, ttl: u32::try_from(told.ttl)? })
    };
    let records = told.dns_records.iter().map(record).collect::<Result<_, _>>()?;
    Ok(Some(DnsConfig { policy_given, records }))
}

/// To the nearest millisecond: seconds with a fraction are told, which are a hair less or more than what was meant.
fn moment(told: Option<DateTime>) -> Timestamp {
    let millis = told.map(|told| (told.as_nanos() + 500_000).div_euclid(1_000_000));
    Timestamp::from_millis(millis.and_then(|millis| u64::try_from(millis).ok()).unwrap_or_default())
}

/// The network of private namespaces, which the other side does not tell; nothing but its name.
const VPC: &str = "vpc-remote";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_of_aws_has_the_address_that_aws_adds() {
        let namespace = told::NamespaceSummary::builder().id("ns-abcdefghijklmnop").name("mesh");
        let namespace = self::namespace(&namespace.r#type(NamespaceType::Http).build()).unwrap();
        let service = told::ServiceSummary::builder().id("srv-abcdefghijklmnop").name("web");
        let service = self::service(&service.build(), &namespace).unwrap();
        let followed = |attributes: &[(&str, &str)]| {
            let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let told = Described { id: "i1".into(), attributes: attributes.collect(), health: None };
            let instance = instance(told, &service, &namespace, Timestamp::from_millis(0)).unwrap().unwrap();
            let names = instance.attributes().iter().map(|(name, _)| name.to_owned());
            names.collect::<Vec<_>>()
        };
        let (machine, address) = ((key::EC2_INSTANCE, "i-0abcdef1234567890"), (key::IPV4, "192.0.2.1"));
        assert_eq!(followed(&[machine, address]), [key::IPV4]);
        assert_eq!(followed(&[machine]), [key::EC2_INSTANCE]);
    }

    #[test]
    fn a_moment_is_the_millisecond_that_was_meant() {
        for millis in 1_795_439_027_000..1_795_439_028_000 {
            let told = DateTime::from_secs_f64(millis as f64 / 1000.0);
            assert_eq!(moment(Some(told)), Timestamp::from_millis(millis));
        }
        assert_eq!(moment(Some(DateTime::from_secs(-1))), Timestamp::from_millis(0));
        assert_eq!(moment(None), Timestamp::from_millis(0));
    }
}
