//! What the registry refuses, in AWS's codes.

use std::error::Error;

use cartonym_registry::{
    CreateNamespaceError, CreateServiceError, DeleteNamespaceError, DeleteServiceError,
    DeregisterInstanceError, InvalidAttributes, InvalidInstance, InvalidNamespace, InvalidService,
    InvalidServiceAttributes, InvalidTags, RegisterInstanceError, ServiceAttributesError, TagError,
    UpdateHealthError, UpdateNamespaceError, UpdateServiceError, WriteError,
};

use crate::call::Call;
use crate::fault::{Code, Fault};

/// An error of making a service, which names the one that exists.
pub(super) fn create_service(call: &Call<'_>, error: CreateServiceError) -> Fault {
    match error {
        CreateServiceError::Invalid(error) => error.into(),
        CreateServiceError::NamespaceNotFound => told(Code::NamespaceNotFound, &error),
        CreateServiceError::AlreadyExists { service, ref creator_request_id } => {
            told(Code::ServiceAlreadyExists, &error)
                .with("ServiceId", service.as_str())
                .with("ServiceArn", call.service_arn(&service))
                .with_some("CreatorRequestId", creator_request_id.as_deref())
        }
        CreateServiceError::Write(error) => error.into(),
        error => unforeseen(&error),
    }
}

impl From<CreateNamespaceError> for Fault {
    fn from(error: CreateNamespaceError) -> Fault {
        match error {
            CreateNamespaceError::Invalid(error) => error.into(),
            CreateNamespaceError::AlreadyExists { namespace, ref creator_request_id } => {
                told(Code::NamespaceAlreadyExists, &error)
                    .with("NamespaceId", namespace.as_str())
                    .with_some("CreatorRequestId", creator_request_id.as_deref())
            }
            CreateNamespaceError::Write(error) => error.into(),
            error => unforeseen(&error),
        }
    }
}

impl From<UpdateNamespaceError> for Fault {
    fn from(error: UpdateNamespaceError) -> Fault {
        match error {
            UpdateNamespaceError::Invalid(error) => error.into(),
            UpdateNamespaceError::NotFound => told(Code::NamespaceNotFound, &error),
            UpdateNamespaceError::Write(error) => error.into(),
            error => unforeseen(&error),
        }
    }
}

impl From<DeleteNamespaceError> for Fault {
    fn from(error: DeleteNamespaceError) -> Fault {
        match error {
            DeleteNamespaceError::NotFound => told(Code::NamespaceNotFound, &error),
            DeleteNamespaceError::InUse => Fault::new(
                Code::ResourceInUse,
                "Namespace contains services; delete the services before deleting the namespace",
            ),
            DeleteNamespaceError::Write(error) => error.into(),
            error => unforeseen(&error),
        }
    }
}

impl From<UpdateServiceError> for Fault {
    fn from(error: UpdateServiceError) -> Fault {
        match error {
            UpdateServiceError::Invalid(error) => error.into(),
            UpdateServiceError::NotFound => told(Code::ServiceNotFound, &error),
            UpdateServiceError::Write(error) => error.into(),
            error => unforeseen(&error),
        }
    }
}

impl From<DeleteServiceError> for Fault {
    fn from(error: DeleteServiceError) -> Fault {
        match error {
            DeleteServiceError::NotFound => told(Code::ServiceNotFound, &error),
            DeleteServiceError::InUse => Fault::new(
                Code::ResourceInUse,
                "Service contains registered instances; delete the instances before deleting the service",
            ),
            DeleteServiceError::Write(error) => error.into(),
            error => unforeseen(&error),
        }
    }
}

impl From<ServiceAttributesError> for Fault {
    fn from(error: ServiceAttributesError) -> Fault {
        match error {
            ServiceAttributesError::NotFound => told(Code::ServiceNotFound, &error),
            ServiceAttributesError::Invalid(error @ InvalidServiceAttributes::TooMany(_)) => {
                told(Code::ServiceAttributesLimitExceeded, &error)
            }
            ServiceAttributesError::Invalid(error) => told(Code::InvalidInput, &error),
            ServiceAttributesError::Write(error) => error.into(),
            error => unforeseen(&error),
        }
    }
}

impl From<RegisterInstanceError> for Fault {
    fn from(error: RegisterInstanceError) -> Fault {
        match error {
            RegisterInstanceError::Invalid(error) => error.into(),
            RegisterInstanceError::ServiceNotFound => told(Code::ServiceNotFound, &error),
            RegisterInstanceError::Write(error) => error.into(),
            error => unforeseen(&error),
        }
    }
}

impl From<DeregisterInstanceError> for Fault {
    fn from(error: DeregisterInstanceError) -> Fault {
        match error {
            DeregisterInstanceError::ServiceNotFound => told(Code::ServiceNotFound, &error),
            DeregisterInstanceError::InstanceNotFound => told(Code::InstanceNotFound, &error),
            DeregisterInstanceError::Write(error) => error.into(),
            error => unforeseen(&error),
        }
    }
}

impl From<UpdateHealthError> for Fault {
    fn from(error: UpdateHealthError) -> Fault {
        match error {
            UpdateHealthError::ServiceNotFound => told(Code::ServiceNotFound, &error),
            UpdateHealthError::InstanceNotFound => told(Code::InstanceNotFound, &error),
            UpdateHealthError::OtherCheck => Fault::new(
                Code::CustomHealthNotFound,
                "The service was not created with a HealthCheckCustomConfig.",
            ),
            UpdateHealthError::Write(error) => error.into(),
            error => unforeseen(&error),
        }
    }
}

impl From<TagError> for Fault {
    fn from(error: TagError) -> Fault {
        match error {
            TagError::NotFound => told(Code::ResourceNotFound, &error),
            TagError::Invalid(error) => error.into(),
            TagError::Write(error) => error.into(),
            error => unforeseen(&error),
        }
    }
}

impl From<InvalidTags> for Fault {
    fn from(error: InvalidTags) -> Fault {
        match error {
            InvalidTags::TooMany(_) => told(Code::TooManyTags, &error),
            error => told(Code::InvalidInput, &error),
        }
    }
}

impl From<InvalidNamespace> for Fault {
    fn from(error: InvalidNamespace) -> Fault {
        match error {
            InvalidNamespace::Tags(error) => error.into(),
            error => told(Code::InvalidInput, &error),
        }
    }
}

impl From<InvalidService> for Fault {
    fn from(error: InvalidService) -> Fault {
        match error {
            InvalidService::Tags(error) => error.into(),
            InvalidService::HttpWithDns => Fault::new(
                Code::InvalidInput,
                "When you specify an HTTP service, you can't include a DnsConfig element.",
            ),
            error => told(Code::InvalidInput, &error),
        }
    }
}

impl From<InvalidInstance> for Fault {
    fn from(error: InvalidInstance) -> Fault {
        match error {
            InvalidInstance::AliasNotWeighted => Fault::new(
                Code::InvalidInput,
                "ALIAS instance can be registered only in services with WEIGHTED routing policy",
            ),
            error => told(Code::InvalidInput, &error),
        }
    }
}

impl From<InvalidAttributes> for Fault {
    fn from(error: InvalidAttributes) -> Fault {
        told(Code::InvalidInput, &error)
    }
}

impl From<WriteError> for Fault {
    fn from(error: WriteError) -> Fault {
        match error {
            WriteError::ReadOnly => told(Code::AccessDenied, &error),
            // Clients try again after a 503, which is right for what is away and for what is contended.
            error => told(Code::ServiceUnavailable, &error),
        }
    }
}

/// The error and its causes as one sentence.
fn told(code: Code, error: &dyn Error) -> Fault {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    let message: String = first.into_iter().chain(letters).chain(['.']).collect();
    Fault::new(code, message)
}

/// An error that the registry had not when this was written.
fn unforeseen(error: &dyn Error) -> Fault {
    told(Code::InternalFailure, error)
}
