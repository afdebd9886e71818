//! What the tests of this crate share.
#![allow(dead_code, reason = "each test file uses its part")]

use cartonym_registry::*;

pub(crate) fn public(name: &str) -> NewNamespace {
    namespace(name, NamespaceKind::DnsPublic)
}

pub(crate) fn http(name: &str) -> NewNamespace {
    namespace(name, NamespaceKind::Http)
}

pub(crate) fn private(name: &str, vpc: &str) -> NewNamespace {
    namespace(name, NamespaceKind::DnsPrivate { vpc: vpc.to_owned() })
}

pub(crate) fn namespace(name: &str, kind: NamespaceKind) -> NewNamespace {
    NewNamespace {
        name: name.to_owned(),
        kind,
        description: None,
        soa_ttl: None,
        creator_request_id: None,
        tags: Tags::default(),
    }
}

/// A service with records of these types; with none of them, one that only the API finds.
pub(crate) fn service(namespace: NamespaceId, name: &str, records: &[RecordType]) -> NewService {
    let records: Vec<_> = records.iter().map(|kind| DnsRecord { kind: *kind, ttl: 60 }).collect();
    NewService {
        namespace,
        name: name.to_owned(),
        description: None,
        dns: (!records.is_empty()).then_some(DnsConfig { policy_given: None, records }),
        health: HealthCheck::None,
        creator_request_id: None,
        tags: Tags::default(),
    }
}

pub(crate) fn weighted(mut new: NewService) -> NewService {
    new.dns.as_mut().unwrap().policy_given = Some(RoutingPolicy::Weighted);
    new
}

pub(crate) fn custom(new: NewService) -> NewService {
    NewService { health: HealthCheck::Custom { failure_threshold: Some(1) }, ..new }
}

pub(crate) fn checked(new: NewService, kind: HealthCheckType) -> NewService {
    let config = HealthCheckConfig { kind, resource_path: None, failure_threshold: None };
    NewService { health: HealthCheck::Active(config), ..new }
}

pub(crate) async fn create(registry: &Registry, new: NewNamespace) -> NamespaceId {
    let operation = registry.create_namespace(new).await.unwrap();
    registry.operation(operation).unwrap().operation.targets.namespace.unwrap()
}

pub(crate) async fn public_service(registry: &Registry, records: &[RecordType]) -> ServiceId {
    let namespace = create(registry, public("svc.example")).await;
    registry.create_service(service(namespace, "web", records)).await.unwrap().id
}

pub(crate) fn attributes(pairs: &[(&str, &str)]) -> Attributes {
    Attributes::new(pairs.iter().copied()).unwrap()
}

pub(crate) fn at(address: &str) -> Attributes {
    attributes(&[(key::IPV4, address)])
}

pub(crate) fn id(text: &str) -> InstanceId {
    text.parse().unwrap()
}
