//! Operations and filters: requests and responses.

use std::collections::BTreeMap;

use serde::Serialize;

use super::common::{self, list};
use super::declare::{choice, structure};
use crate::constraint::Shape;
use crate::timestamp::Epoch;

structure! {
    /// What GetOperation takes.
    GetOperationRequest {
        required "OperationId" => operation_id: String, &common::OPERATION_ID;
        optional "OwnerAccount" => owner_account: String, &common::ACCOUNT;
    }
}

structure! {
    /// What ListOperations takes.
    ListOperationsRequest {
        optional "NextToken" => next_token: String, &common::NEXT_TOKEN;
        optional "MaxResults" => max_results: usize, &common::MAX_RESULTS;
        optional "Filters" => filters: Vec<OperationFilter>, &list(&OperationFilter::SHAPE);
    }
}

structure! {
    /// One filter of ListOperations.
    OperationFilter {
        required "Name" => name: OperationFilterName, &OperationFilterName::SHAPE;
        required "Values" => values: Vec<String>, &FILTER_VALUES;
        optional "Condition" => condition: Condition, &Condition::SHAPE;
    }
}

/// What a filter compares with.
pub(crate) const FILTER_VALUES: Shape = list(&Shape::Text { min: 1, max: 255, pattern: None });

choice! {
    /// What ListOperations filters by.
    OperationFilterName {
        NamespaceId = "NAMESPACE_ID",
        ServiceId = "SERVICE_ID",
        Status = "STATUS",
        Type = "TYPE",
        UpdateDate = "UPDATE_DATE",
    }
}

choice! {
    /// How a filter compares.
    Condition {
        Eq = "EQ",
        In = "IN",
        Between = "BETWEEN",
        BeginsWith = "BEGINS_WITH",
    }
}

/// An operation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct OperationView<'a> {
    pub(crate) id: &'a str,
    pub(crate) owner_account: &'a str,
    #[serde(rename = "Type")]
    pub(crate) kind: &'static str,
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_code: Option<&'static str>,
    pub(crate) create_date: Epoch,
    pub(crate) update_date: Epoch,
    pub(crate) targets: BTreeMap<&'static str, &'a str>,
}

/// The answer to GetOperation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetOperationResponse<'a> {
    pub(crate) operation: OperationView<'a>,
}

/// An operation in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct OperationSummary<'a> {
    pub(crate) id: &'a str,
    pub(crate) status: &'static str,
}

/// The answer to ListOperations.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListOperationsResponse<'a> {
    pub(crate) operations: Vec<OperationSummary<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

/// The answer to whatever starts an operation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct OperationStarted<'a> {
    pub(crate) operation_id: &'a str,
}
