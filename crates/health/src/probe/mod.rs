//! One check of one target.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use cartonym_registry::{HealthCheckConfig, HealthCheckType, Instance, Namespace, Service};

use crate::Failure;

pub(crate) use self::network::Network;
pub(crate) use self::stream::Kept;

mod body;
mod http;
mod network;
mod stream;

/// Checks targets: over the network, or as a test says.
pub(crate) trait Prober: Clone + Send + Sync + 'static {
    /// Checks `target`, over the connection that the last check kept if there is one.
    fn probe(self, target: Target, kept: Option<Kept>) -> impl Future<Output = Probed> + Send + 'static;
}

/// What is checked, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) check: Arc<Check>,
}

/// How the instances of a service are checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) kind: HealthCheckType,
    /// The service's DNS name.
    pub(crate) host: String,
    /// As it stands in a request.
    pub(crate) path: String,
    pub(crate) threshold: u8,
}

/// What came of a check.
#[derive(Debug)]
pub(crate) struct Probed {
    pub(crate) outcome: Outcome,
    /// The connection, for the next check.
    pub(crate) kept: Option<Kept>,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Passed,
    Failed(Failure),
    /// Something on this side kept it from a result: no descriptors, no port, or no time to look.
    Inconclusive,
}

impl Check {
    pub(crate) fn new(config: &HealthCheckConfig, service: &Service, namespace: &Namespace) -> Self {
        Self {
            kind: config.kind,
            host: namespace.name_of(&service.name),
            path: http::path(config.resource_path.as_deref().unwrap_or_default()),
            threshold: config.failure_threshold.unwrap_or(HealthCheckConfig::DEFAULT_FAILURE_THRESHOLD),
        }
    }
}

impl Target {
    /// What is checked of `instance`: IPv4 where it has both. `None` where there is nothing to connect to.
    pub(crate) fn of(instance: &Instance, check: &Arc<Check>) -> Option<Self> {
        let ip = instance.ipv4().map(Into::into).or(instance.ipv6().map(Into::into))?;
        Some(Self { address: SocketAddr::new(ip, instance.port()?), check: Arc::clone(check) })
    }
}
