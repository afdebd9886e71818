//! Registration by DNS name, for those who embed a registry.

use std::net::SocketAddr;

use super::{
    CreateNamespaceError, CreateServiceError, DeregisterInstanceError, NewNamespace, NewService,
    RegisterInstanceError, Registry,
};
use crate::{
    Attributes, DnsConfig, DnsRecord, HealthCheck, InstanceId, InvalidInstance, Model, NamespaceId,
    NamespaceKind, OperationId, RecordType, ServiceId, Tags, key,
};

/// Why an address is not registered under a name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The name has no dot to part the service from its namespace.
    #[error("{0:?} is not <service>.<namespace>")]
    Name(String),
    /// Its namespace is not there and cannot be made.
    #[error(transparent)]
    Namespace(#[from] CreateNamespaceError),
    /// Its service is not there and cannot be made.
    #[error(transparent)]
    Service(#[from] CreateServiceError),
    /// The instance is refused.
    #[error(transparent)]
    Instance(#[from] RegisterInstanceError),
}

/// The TTL of what is registered by name, in seconds: short, since the answer is fresh.
const TTL: u32 = 5;

/// The network of the namespaces that are made so; nothing but its name.
const VPC: &str = "vpc-local";

impl Registry {
    /// Registers `address` as the instance `id` of the service that DNS calls `name`.
    ///
    /// Makes what is missing: a private namespace of what follows the first dot, and a service with A, AAAA and SRV
    /// records.
    ///
    /// # Errors
    ///
    /// Refuses what is not a name, and what any of the steps refuses.
    pub async fn register(
        &self,
        name: &str,
        id: &str,
        address: SocketAddr,
    ) -> Result<OperationId, RegisterError> {
        let service = self.service_called(name).await?;
        let id: InstanceId = id.parse().map_err(|_| RegisterInstanceError::from(InvalidInstance::Id))?;
        let ip = if address.is_ipv4() { key::IPV4 } else { key::IPV6 };
        let pairs = [(ip, address.ip().to_string()), (key::PORT, address.port().to_string())];
        let attributes = Attributes::new(pairs)
            .map_err(|error| RegisterInstanceError::from(InvalidInstance::from(error)))?;
        Ok(self.register_instance(service, id, attributes, None).await?)
    }

    /// Deregisters the instance `id` of the service that DNS calls `name`.
    ///
    /// # Errors
    ///
    /// Refuses what is not there.
    pub async fn deregister(&self, name: &str, id: &str) -> Result<OperationId, DeregisterInstanceError> {
        let found = find(&self.model(), name);
        let Some((_, _, Some(service))) = found else { return Err(DeregisterInstanceError::ServiceNotFound) };
        let id = id.parse().map_err(|_| DeregisterInstanceError::InstanceNotFound)?;
        self.deregister_instance(service, &id).await
    }

    async fn service_called(&self, name: &str) -> Result<ServiceId, RegisterError> {
        let name = name.strip_suffix('.').unwrap_or(name);
        if find(&self.model(), name).is_none() {
            let (_, within) = name.split_once('.').ok_or_else(|| RegisterError::Name(name.to_owned()))?;
            self.make_namespace(within).await?;
        }
        let found = find(&self.model(), name);
        match found {
            Some((_, _, Some(service))) => Ok(service),
            Some((namespace, rest, None)) => self.make_service(namespace, rest).await,
            None => Err(RegisterError::Name(name.to_owned())),
        }
    }

    async fn make_namespace(&self, name: &str) -> Result<(), CreateNamespaceError> {
        let new = NewNamespace {
            name: name.to_owned(),
            kind: NamespaceKind::DnsPrivate { vpc: VPC.to_owned() },
            description: None,
            soa_ttl: None,
            creator_request_id: None,
            tags: Tags::default(),
        };
        self.create_namespace(new).await.map(drop)
    }

    async fn make_service(&self, namespace: NamespaceId, name: &str) -> Result<ServiceId, RegisterError> {
        let records = [RecordType::A, RecordType::Aaaa, RecordType::Srv];
        let records = records.map(|kind| DnsRecord { kind, ttl: TTL }).to_vec();
        let new = NewService {
            namespace,
            name: name.to_owned(),
            description: None,
            dns: Some(DnsConfig { policy_given: None, records }),
            health: HealthCheck::None,
            creator_request_id: None,
            tags: Tags::default(),
        };
        match self.create_service(new).await {
            Ok(service) => Ok(service.id),
            // Another made it first.
            Err(CreateServiceError::AlreadyExists { service, .. }) => Ok(service),
            Err(error) => Err(error.into()),
        }
    }
}

/// The namespace with the longest name that `name` ends with, the service's name in it, and the service.
fn find<'a>(model: &Model, name: &'a str) -> Option<(NamespaceId, &'a str, Option<ServiceId>)> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let (namespace, rest) = name.match_indices('.').find_map(|(dot, _)| {
        let called = |within: &&crate::NamespaceEntry| {
            within.namespace.has_dns() && within.namespace.name.eq_ignore_ascii_case(&name[dot + 1..])
        };
        Some((model.namespaces().find(called)?.namespace.id, &name[..dot]))
    })?;
    Some((namespace, rest, model.service_by_name(namespace, rest).map(|entry| entry.service.id)))
}
