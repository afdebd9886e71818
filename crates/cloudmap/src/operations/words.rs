//! The registry's enums in the model's words.

use cartonym_registry::{HealthStatus, OperationKind, OperationStatus};

pub(super) fn health(status: HealthStatus) -> &'static str {
    match status {
        HealthStatus::Healthy => "HEALTHY",
        HealthStatus::Unhealthy => "UNHEALTHY",
        HealthStatus::Unknown => "UNKNOWN",
    }
}

pub(super) fn operation_kind(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::CreateNamespace => "CREATE_NAMESPACE",
        OperationKind::DeleteNamespace => "DELETE_NAMESPACE",
        OperationKind::UpdateNamespace => "UPDATE_NAMESPACE",
        OperationKind::UpdateService => "UPDATE_SERVICE",
        OperationKind::RegisterInstance => "REGISTER_INSTANCE",
        OperationKind::DeregisterInstance => "DEREGISTER_INSTANCE",
    }
}

pub(super) fn operation_status(status: OperationStatus) -> &'static str {
    match status {
        OperationStatus::Submitted => "SUBMITTED",
        OperationStatus::Pending => "PENDING",
        OperationStatus::Success => "SUCCESS",
        OperationStatus::Fail => "FAIL",
    }
}
