//! Discovery: requests and responses.

use std::collections::BTreeMap;

use cartonym_registry::Attributes;
use serde::Serialize;

use super::common;
use super::declare::{choice, structure};
use crate::constraint::Shape;

structure! {
    /// What DiscoverInstances takes.
    DiscoverInstancesRequest {
        required "NamespaceName" => namespace_name: String, &common::NAMESPACE;
        required "ServiceName" => service_name: String, &common::SERVICE;
        optional "MaxResults" => max_results: usize, &Shape::Integer { min: 1, max: 1000 };
        optional "QueryParameters" => query_parameters: BTreeMap<String, String>, &common::ATTRIBUTES;
        optional "OptionalParameters" => optional_parameters: BTreeMap<String, String>, &common::ATTRIBUTES;
        optional "HealthStatus" => health_status: HealthStatusFilter, &HealthStatusFilter::SHAPE;
        optional "OwnerAccount" => owner_account: String, &common::ACCOUNT;
    }
}

structure! {
    /// What DiscoverInstancesRevision takes.
    DiscoverInstancesRevisionRequest {
        required "NamespaceName" => namespace_name: String, &common::NAMESPACE;
        required "ServiceName" => service_name: String, &common::SERVICE;
        optional "OwnerAccount" => owner_account: String, &common::ACCOUNT;
    }
}

choice! {
    /// Which instances DiscoverInstances returns, by their health.
    HealthStatusFilter {
        Healthy = "HEALTHY",
        Unhealthy = "UNHEALTHY",
        All = "ALL",
        HealthyOrElseAll = "HEALTHY_OR_ELSE_ALL",
    }
}

/// The answer to DiscoverInstances.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DiscoverInstancesResponse<'a> {
    pub(crate) instances: Vec<HttpInstanceSummary<'a>>,
    pub(crate) instances_revision: u64,
}

/// One instance as DiscoverInstances shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HttpInstanceSummary<'a> {
    pub(crate) instance_id: &'a str,
    pub(crate) namespace_name: &'a str,
    pub(crate) service_name: &'a str,
    pub(crate) health_status: &'static str,
    pub(crate) attributes: &'a Attributes,
}

/// The answer to DiscoverInstancesRevision.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DiscoverInstancesRevisionResponse {
    pub(crate) instances_revision: u64,
}
