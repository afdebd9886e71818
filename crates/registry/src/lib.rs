//! Namespaces, services, instances and their health; the backend contract; the publisher.
//!
//! A change goes one way: [`Registry`] checks it against the [`Model`], a [`Backend`] makes it durable and tells of
//! it, and the publisher takes what is told into the model and into the table that DNS answers from.

pub use attributes::{Attributes, InvalidAttributes, key};
pub use backend::{Backend, BackendError, CommitError};
pub use cartonym_zone::RecordTable;
pub use change::{
    Change, Edit, Event, Expect, InvalidKey, InvalidRecord, Key, Prefix, Record, Revision, Stored,
};
pub use changes::Changes;
pub use dns::DnsOptions;
pub use dump::{Export, Import, ImportError, Imported, LineError};
pub use history::{History, Snapshot};
pub use ids::{InstanceId, InvalidId, NamespaceId, OperationId, ServiceId};
pub use instance::{Health, HealthStatus, Instance, InvalidInstance, Verdict};
pub use instances::{InstanceEntry, Instances};
pub use last_seen::LastSeen;
pub use members::Members;
pub use memory::MemoryBackend;
pub use mirror::Mirror;
pub use model::{Model, NamespaceEntry, OperationEntry, ServiceEntry, Touched, TouchedService};
pub use names::NameError;
pub use namespace::{InvalidNamespace, InvalidTags, Namespace, NamespaceKind, Tags};
pub use operation::{Failure, Operation, OperationKind, OperationStatus, OperationView, Outcome, Targets};
pub use registry::{
    CreateNamespaceError, CreateServiceError, DeleteNamespaceError, DeleteServiceError,
    DeregisterInstanceError, Finding, NamespaceChange, NewNamespace, NewService, OpenError, Options,
    RegisterError, RegisterInstanceError, Registry, Resource, ServiceAttributesError, ServiceChange,
    TagError, UpdateHealthError, UpdateNamespaceError, UpdateServiceError, WriteError,
};
pub use service::{
    DRAIN, DnsConfig, DnsRecord, HealthCheck, HealthCheckConfig, HealthCheckType, InvalidService,
    InvalidServiceAttributes, MAX_ANSWERS, RecordType, RoutingPolicy, Service, ServiceType,
};
pub use timestamp::Timestamp;

mod attributes;
mod backend;
mod change;
mod changes;
#[cfg(feature = "conformance")]
pub mod conformance;
mod dns;
mod dump;
mod history;
mod ids;
mod instance;
mod instances;
mod last_seen;
mod members;
mod memory;
mod mirror;
mod model;
mod names;
mod namespace;
mod operation;
mod publisher;
mod registry;
mod service;
mod timestamp;
