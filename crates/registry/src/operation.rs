//! Operations: what was asked for, and what became of it.

use serde::{Deserialize, Serialize};

use crate::{InstanceId, NamespaceId, OperationId, Revision, ServiceId, Timestamp};

/// One request that changes the registry, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its identifier.
    pub id: OperationId,
    /// What was asked for.
    pub kind: OperationKind,
    /// When it was asked for.
    pub created: Timestamp,
    /// When its state last changed.
    pub updated: Timestamp,
    /// What it was about.
    #[serde(flatten)]
    pub targets: Targets,
    /// What became of it.
    #[serde(default, skip_serializing_if = "Outcome::is_committed")]
    pub outcome: Outcome,
    /// What the request called itself, and what it said, so that a retry is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<Request>,
}

/// What an operation was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperationKind {
    /// CreateHttpNamespace, CreatePrivateDnsNamespace or CreatePublicDnsNamespace.
    CreateNamespace,
    /// DeleteNamespace.
    DeleteNamespace,
    /// UpdateHttpNamespace, UpdatePrivateDnsNamespace or UpdatePublicDnsNamespace.
    UpdateNamespace,
    /// UpdateService.
    UpdateService,
    /// RegisterInstance.
    RegisterInstance,
    /// DeregisterInstance.
    DeregisterInstance,
}

/// What an operation was about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets {
    /// The namespace that it made, changed or deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<NamespaceId>,
    /// The service that it changed, or whose instance it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceId>,
    /// The instance that it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
}

/// What became of an operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The backend holds its change. Which revision that made is the record's own.
    #[default]
    Committed,
    /// Nothing was changed.
    Failed(Failure),
}

/// Why an operation failed after it was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Failure {
    /// CANNOT_CREATE_HOSTED_ZONE: the network has a private namespace of this name already.
    OverlappingZone {
        /// The network.
        vpc: String,
        /// The name.
        name: String,
    },
}

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationStatus {
    /// It is committed, and has not reached this node.
    Submitted,
    /// It has reached this node, and DNS does not answer it yet.
    Pending,
    /// DNS answers it.
    Success,
    /// It changed nothing.
    Fail,
}

/// An operation as a reader sees it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationView {
    /// The operation.
    pub operation: Operation,
    /// The revision that its change made.
    pub revision: Revision,
    /// How far it is.
    pub status: OperationStatus,
}

/// A request's own name for itself and a digest of what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) id: Box<str>,
    pub(crate) digest: u64,
}

impl Outcome {
    fn is_committed(&self) -> bool {
        *self == Self::Committed
    }
}
