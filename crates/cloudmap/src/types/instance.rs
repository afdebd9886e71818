//! Instances: requests and responses.

use std::collections::BTreeMap;

use cartonym_registry::Attributes;
use serde::Serialize;

use super::common;
use super::declare::{choice, structure};
use crate::constraint::Shape;

structure! {
    /// What RegisterInstance takes.
    RegisterInstanceRequest {
        required "ServiceId" => service_id: String, &common::ID_OR_ARN;
        required "InstanceId" => instance_id: String, &common::INSTANCE_ID;
        optional "CreatorRequestId" => creator_request_id: String, &common::RESOURCE_ID;
        required "Attributes" => attributes: BTreeMap<String, String>, &common::ATTRIBUTES;
    }
}

structure! {
    /// What GetInstance and DeregisterInstance take.
    InstanceIdRequest {
        required "ServiceId" => service_id: String, &common::ID_OR_ARN;
        required "InstanceId" => instance_id: String, &common::RESOURCE_ID;
    }
}

structure! {
    /// What UpdateInstanceCustomHealthStatus takes.
    UpdateInstanceCustomHealthStatusRequest {
        required "ServiceId" => service_id: String, &common::ID_OR_ARN;
        required "InstanceId" => instance_id: String, &common::RESOURCE_ID;
        required "Status" => status: CustomHealthStatus, &CustomHealthStatus::SHAPE;
    }
}

choice! {
    /// What a caller reports of an instance.
    CustomHealthStatus {
        Healthy = "HEALTHY",
        Unhealthy = "UNHEALTHY",
    }
}

structure! {
    /// What ListInstances takes.
    ListInstancesRequest {
        required "ServiceId" => service_id: String, &common::ID_OR_ARN;
        optional "NextToken" => next_token: String, &common::NEXT_TOKEN;
        optional "MaxResults" => max_results: usize, &common::MAX_RESULTS;
    }
}

structure! {
    /// What GetInstancesHealthStatus takes.
    GetInstancesHealthStatusRequest {
        required "ServiceId" => service_id: String, &common::ID_OR_ARN;
        optional "Instances" => instances: Vec<String>,
            &Shape::List { min: 1, max: usize::MAX, member: &common::RESOURCE_ID };
        optional "MaxResults" => max_results: usize, &common::MAX_RESULTS;
        optional "NextToken" => next_token: String, &common::NEXT_TOKEN;
    }
}

/// An instance, whole or in a list; a list leaves the request id out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct InstanceView<'a> {
    pub(crate) id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) creator_request_id: Option<&'a str>,
    pub(crate) attributes: &'a Attributes,
    pub(crate) created_by_account: &'a str,
}

/// The answer to GetInstance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetInstanceResponse<'a> {
    pub(crate) resource_owner: &'a str,
    pub(crate) instance: InstanceView<'a>,
}

/// The answer to ListInstances.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListInstancesResponse<'a> {
    pub(crate) resource_owner: &'a str,
    pub(crate) instances: Vec<InstanceView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

/// The answer to GetInstancesHealthStatus.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetInstancesHealthStatusResponse<'a> {
    pub(crate) status: BTreeMap<&'a str, &'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}
