//! Services and their attributes: requests and responses.

use std::collections::BTreeMap;

use serde::Serialize;

use cartonym_registry::{HealthCheckType, RecordType, RoutingPolicy};

use super::common::{self, list, text};
use super::declare::{choice, structure, words};
use super::tag::{self, Tag};
use crate::constraint::Shape;
use crate::timestamp::Epoch;

structure! {
    /// What CreateService takes.
    CreateServiceRequest {
        required "Name" => name: String, &common::SERVICE;
        optional "NamespaceId" => namespace_id: String, &common::ID_OR_ARN;
        optional "CreatorRequestId" => creator_request_id: String, &common::RESOURCE_ID;
        optional "Description" => description: String, &common::DESCRIPTION;
        optional "DnsConfig" => dns_config: DnsConfig, &DnsConfig::SHAPE;
        optional "HealthCheckConfig" => health_check_config: HealthCheckConfig, &HealthCheckConfig::SHAPE;
        optional "HealthCheckCustomConfig" => health_check_custom_config: HealthCheckCustomConfig,
            &HealthCheckCustomConfig::SHAPE;
        optional "Tags" => tags: Vec<Tag>, &tag::LIST;
        optional "Type" => kind: ServiceTypeOption, &ServiceTypeOption::SHAPE;
    }
}

structure! {
    /// The DNS part of a new service.
    DnsConfig {
        optional "NamespaceId" => namespace_id: String, &common::RESOURCE_ID;
        optional "RoutingPolicy" => routing_policy: RoutingPolicy, &RoutingPolicy::SHAPE;
        required "DnsRecords" => dns_records: Vec<DnsRecord>, &list(&DnsRecord::SHAPE);
    }
}

structure! {
    /// A record that a service makes for each instance.
    #[derive(Clone, Copy, Serialize)]
    DnsRecord {
        required "Type" => kind: RecordType, &RecordType::SHAPE;
        required "TTL" => ttl: u32, &common::TTL;
    }
}

words! {
    RecordType: "SRV", "A", "AAAA", "CNAME";
    RoutingPolicy: "MULTIVALUE", "WEIGHTED";
    HealthCheckType: "HTTP", "HTTPS", "TCP";
}

choice! {
    /// The one type of service that a caller may ask for.
    ServiceTypeOption {
        Http = "HTTP",
    }
}

choice! {
    /// What a service is discovered by.
    ServiceType {
        Http = "HTTP",
        DnsHttp = "DNS_HTTP",
    }
}

structure! {
    /// An active health check.
    HealthCheckConfig {
        required "Type" => kind: HealthCheckType, &HealthCheckType::SHAPE;
        optional "ResourcePath" => resource_path: String, &text(255);
        optional "FailureThreshold" => failure_threshold: u8, &FAILURE_THRESHOLD;
    }
}

structure! {
    /// A health check that callers report.
    HealthCheckCustomConfig {
        optional "FailureThreshold" => failure_threshold: u8, &FAILURE_THRESHOLD;
    }
}

const FAILURE_THRESHOLD: Shape = Shape::Integer { min: 1, max: 10 };

structure! {
    /// What GetService and DeleteService take.
    ServiceIdRequest {
        required "Id" => id: String, &common::ID_OR_ARN;
    }
}

structure! {
    /// What UpdateService takes.
    UpdateServiceRequest {
        required "Id" => id: String, &common::ID_OR_ARN;
        required "Service" => service: ServiceChange, &ServiceChange::SHAPE;
    }
}

structure! {
    /// What becomes of a service; what is absent is removed.
    ServiceChange {
        optional "Description" => description: String, &common::DESCRIPTION;
        optional "DnsConfig" => dns_config: DnsConfigChange, &DnsConfigChange::SHAPE;
        optional "HealthCheckConfig" => health_check_config: HealthCheckConfig, &HealthCheckConfig::SHAPE;
    }
}

structure! {
    /// The records of a service after an update.
    DnsConfigChange {
        required "DnsRecords" => dns_records: Vec<DnsRecord>, &list(&DnsRecord::SHAPE);
    }
}

structure! {
    /// What ListServices takes.
    ListServicesRequest {
        optional "NextToken" => next_token: String, &common::NEXT_TOKEN;
        optional "MaxResults" => max_results: usize, &common::MAX_RESULTS;
        optional "Filters" => filters: Vec<ServiceFilter>, &list(&ServiceFilter::SHAPE);
    }
}

structure! {
    /// One filter of ListServices.
    ServiceFilter {
        required "Name" => name: ServiceFilterName, &ServiceFilterName::SHAPE;
        required "Values" => values: Vec<String>, &super::operation::FILTER_VALUES;
        optional "Condition" => condition: super::operation::Condition, &super::operation::Condition::SHAPE;
    }
}

choice! {
    /// What ListServices filters by.
    ServiceFilterName {
        NamespaceId = "NAMESPACE_ID",
        ResourceOwner = "RESOURCE_OWNER",
    }
}

structure! {
    /// What GetServiceAttributes takes.
    GetServiceAttributesRequest {
        required "ServiceId" => service_id: String, &common::ID_OR_ARN;
    }
}

structure! {
    /// What UpdateServiceAttributes takes.
    UpdateServiceAttributesRequest {
        required "ServiceId" => service_id: String, &common::ID_OR_ARN;
        required "Attributes" => attributes: BTreeMap<String, String>,
            &Shape::Map { min: 1, max: 30, key: &text(255), value: &text(1024) };
    }
}

structure! {
    /// What DeleteServiceAttributes takes.
    DeleteServiceAttributesRequest {
        required "ServiceId" => service_id: String, &common::ID_OR_ARN;
        required "Attributes" => attributes: Vec<String>, &Shape::List { min: 1, max: 30, member: &text(255) };
    }
}

impl From<DnsRecord> for cartonym_registry::DnsRecord {
    fn from(record: DnsRecord) -> Self {
        Self { kind: record.kind, ttl: record.ttl }
    }
}

impl From<HealthCheckConfig> for cartonym_registry::HealthCheckConfig {
    fn from(check: HealthCheckConfig) -> Self {
        Self {
            kind: check.kind,
            resource_path: check.resource_path,
            failure_threshold: check.failure_threshold,
        }
    }
}

/// A service, whole or in a list; a list leaves the namespace and the request id out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ServiceView<'a> {
    pub(crate) id: &'a str,
    pub(crate) arn: String,
    pub(crate) resource_owner: &'a str,
    pub(crate) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<&'a str>,
    pub(crate) instance_count: usize,
    pub(crate) dns_config: DnsConfigView<'a>,
    #[serde(rename = "Type")]
    pub(crate) kind: ServiceType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) health_check_config: Option<HealthCheckConfigView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) health_check_custom_config: Option<HealthCheckCustomConfigView>,
    pub(crate) create_date: Epoch,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) creator_request_id: Option<&'a str>,
    pub(crate) created_by_account: &'a str,
}

/// The DNS part of a service; empty for one that only the API discovers.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DnsConfigView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) routing_policy: Option<RoutingPolicy>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) dns_records: Vec<DnsRecord>,
}

/// An active health check.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HealthCheckConfigView<'a> {
    #[serde(rename = "Type")]
    pub(crate) kind: HealthCheckType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resource_path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure_threshold: Option<u8>,
}

/// A health check that callers report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HealthCheckCustomConfigView {
    pub(crate) failure_threshold: u8,
}

/// The answer to CreateService and GetService.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ServiceResponse<'a> {
    pub(crate) service: ServiceView<'a>,
}

/// The answer to ListServices.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListServicesResponse<'a> {
    pub(crate) services: Vec<ServiceView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

/// The answer to GetServiceAttributes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetServiceAttributesResponse<'a> {
    pub(crate) service_attributes: ServiceAttributesView<'a>,
}

/// A service's attributes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ServiceAttributesView<'a> {
    pub(crate) service_arn: String,
    pub(crate) resource_owner: &'a str,
    pub(crate) attributes: &'a BTreeMap<String, String>,
}
