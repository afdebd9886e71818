//! The registry's records as responses show them.

use cartonym_registry::{HealthCheck, InstanceEntry, Model, NamespaceEntry, NamespaceKind, Service};

use crate::call::Call;
use crate::timestamp::Epoch;
use crate::types::instance::InstanceView;
use crate::types::namespace::{
    DnsPropertiesView, HttpPropertiesView, NamespaceType, NamespaceView, PropertiesView, SoaView,
};
use crate::types::service::{
    DnsConfigView, DnsRecord, HealthCheckConfigView, HealthCheckCustomConfigView, ServiceType, ServiceView,
};

/// How much of a record a response shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it.
    Whole,
    /// What a listing shows of it.
    Summary,
}

pub(super) fn namespace<'m>(
    call: &Call<'m>,
    model: &Model,
    entry: &'m NamespaceEntry,
    extent: Extent,
) -> NamespaceView<'m> {
    let namespace = &entry.namespace;
    NamespaceView {
        id: namespace.id.as_str(),
        arn: call.namespace_arn(&namespace.id),
        resource_owner: call.account(),
        name: &namespace.name,
        kind: namespace_type(&namespace.kind),
        description: namespace.description.as_deref(),
        service_count: model.service_count(namespace.id),
        properties: PropertiesView {
            dns_properties: DnsPropertiesView {
                hosted_zone_id: namespace.hosted_zone_id.as_deref(),
                soa: SoaView { ttl: namespace.soa_ttl },
            },
            http_properties: HttpPropertiesView { http_name: &namespace.http_name },
        },
        create_date: Epoch(namespace.created),
        creator_request_id: in_whole(extent, namespace.creator_request_id.as_deref()),
    }
}

pub(super) fn namespace_type(kind: &NamespaceKind) -> NamespaceType {
    match kind {
        NamespaceKind::Http => NamespaceType::Http,
        NamespaceKind::DnsPrivate { .. } => NamespaceType::DnsPrivate,
        NamespaceKind::DnsPublic => NamespaceType::DnsPublic,
    }
}

pub(super) fn service<'m>(
    call: &Call<'m>,
    service: &'m Service,
    instance_count: usize,
    extent: Extent,
) -> ServiceView<'m> {
    let namespace = service.namespace.as_str();
    ServiceView {
        id: service.id.as_str(),
        arn: call.service_arn(&service.id),
        resource_owner: call.account(),
        name: &service.name,
        namespace_id: in_whole(extent, Some(namespace)),
        description: service.description.as_deref(),
        instance_count,
        dns_config: dns_config(service, extent),
        kind: match service.service_type() {
            cartonym_registry::ServiceType::Http => ServiceType::Http,
            cartonym_registry::ServiceType::DnsHttp => ServiceType::DnsHttp,
        },
        health_check_config: service.health.active().map(|check| HealthCheckConfigView {
            kind: check.kind,
            resource_path: check.resource_path.as_deref(),
            failure_threshold: check.failure_threshold,
        }),
        health_check_custom_config: match service.health {
            // Whatever was asked for, AWS says 1.
            HealthCheck::Custom { .. } => Some(HealthCheckCustomConfigView { failure_threshold: 1 }),
            _ => None,
        },
        create_date: Epoch(service.created),
        creator_request_id: in_whole(extent, service.creator_request_id.as_deref()),
        created_by_account: call.account(),
    }
}

fn dns_config(service: &Service, extent: Extent) -> DnsConfigView<'_> {
    let Some(dns) = &service.dns else { return DnsConfigView::default() };
    DnsConfigView {
        namespace_id: in_whole(extent, Some(service.namespace.as_str())),
        routing_policy: Some(dns.policy()),
        dns_records: dns
            .records
            .iter()
            .map(|record| DnsRecord { kind: record.kind, ttl: record.ttl })
            .collect(),
    }
}

pub(super) fn instance<'m>(call: &Call<'m>, entry: &'m InstanceEntry, extent: Extent) -> InstanceView<'m> {
    let instance = &entry.instance;
    InstanceView {
        id: instance.id().as_str(),
        creator_request_id: in_whole(extent, instance.creator_request_id()),
        attributes: instance.attributes(),
        created_by_account: call.account(),
    }
}

fn in_whole<T>(extent: Extent, value: Option<T>) -> Option<T> {
    value.filter(|_| extent == Extent::Whole)
}
