//! Making, changing and deleting services.

use super::{Plan, Registry, WriteError, chars};
use crate::names;
use crate::operation::Request;
use crate::{
    Change, DnsConfig, DnsRecord, Edit, Expect, HealthCheck, HealthCheckConfig, HealthCheckType,
    InvalidService, Key, Namespace, NamespaceId, NamespaceKind, OperationId, OperationKind, Prefix, Record,
    RecordType, RoutingPolicy, Service, ServiceId, Tags, Targets, Timestamp,
};

/// A service that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewService {
    /// The namespace it is to be in.
    pub namespace: NamespaceId,
    /// Its name there.
    pub name: String,
    /// Free text, at most 1024 characters.
    pub description: Option<String>,
    /// What DNS answers for it; `None` where it is to be found by the API only.
    pub dns: Option<DnsConfig>,
    /// How the health of its instances is known.
    pub health: HealthCheck,
    /// What the request calls itself, at most 64 characters: the same request again makes no second service.
    pub creator_request_id: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// What a service is changed to. Records and checks that it leaves out are removed, but for custom health.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct ServiceChange {
    /// Free text, at most 1024 characters; `None` keeps what there is.
    pub description: Option<String>,
    /// The records to have, of types that the service has already.
    pub records: Vec<DnsRecord>,
    /// The active check to have.
    pub health_check: Option<HealthCheckConfig>,
}

/// Why a service is not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateServiceError {
    /// What is asked for is not a service of this namespace.
    #[error(transparent)]
    Invalid(#[from] InvalidService),
    /// There is no such namespace.
    #[error("there is no such namespace")]
    NamespaceNotFound,
    /// There is one of this name.
    #[error("there is a service of this name: {service}")]
    AlreadyExists {
        /// Its identifier.
        service: ServiceId,
        /// What the request that made it called itself.
        creator_request_id: Option<String>,
    },
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Why a service is not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateServiceError {
    /// What is asked for is not a service of this namespace.
    #[error(transparent)]
    Invalid(#[from] InvalidService),
    /// There is none of this id.
    #[error("there is no such service")]
    NotFound,
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Why a service is not deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteServiceError {
    /// There is none of this id.
    #[error("there is no such service")]
    NotFound,
    /// It has instances.
    #[error("the service has instances")]
    InUse,
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<Service> for NewService {
    /// What was asked for to make it.
    fn from(service: Service) -> NewService {
        let Service { namespace, name, description, dns, health, creator_request_id, tags, .. } = service;
        NewService { namespace, name, description, dns, health, creator_request_id, tags }
    }
}

impl NewService {
    /// The service of `namespace` that is asked for, made at `created`. Cloud Map refuses active checks in private
    /// namespaces; `private_checks` lets them be.
    ///
    /// # Errors
    ///
    /// Refuses what is not a service of this namespace.
    pub fn make(
        &self,
        namespace: &Namespace,
        private_checks: bool,
        created: Timestamp,
    ) -> Result<Service, InvalidService> {
        check(self, namespace, private_checks)?;
        Ok(Service {
            id: ServiceId::derive(&[namespace.id.as_str(), &namespace.unique_form(&self.name)]),
            namespace: namespace.id,
            name: self.name.clone(),
            description: self.description.clone(),
            dns: self.dns.clone(),
            health: self.health.clone(),
            creator_request_id: self.creator_request_id.clone(),
            created,
            tags: self.tags.clone(),
            attributes: Default::default(),
        })
    }
}

impl Registry {
    /// Makes a service.
    ///
    /// # Errors
    ///
    /// Refuses a name that is taken, and what is not a service of this namespace.
    pub async fn create_service(&self, new: NewService) -> Result<Service, CreateServiceError> {
        self.change(|model| {
            let namespace = model.namespace(new.namespace).ok_or(CreateServiceError::NamespaceNotFound)?;
            let namespace = &namespace.namespace;
            let service = new.make(namespace, self.0.options.private_checks, self.now())?;
            if let Some(before) = model.service_by_name(new.namespace, &new.name) {
                if new.creator_request_id.is_some() && is_same(&before.service, &new) {
                    return Ok(Plan::Done(before.service.clone()));
                }
                let creator_request_id = before.service.creator_request_id.clone();
                return Err(CreateServiceError::AlreadyExists {
                    service: before.service.id,
                    creator_request_id,
                });
            }
            let change = Change {
                expect: vec![
                    Expect::Present(Key::Namespace(namespace.id)),
                    Expect::Absent(Key::Service(namespace.id, service.id)),
                ],
                edits: vec![Edit::Put(Record::Service(service.clone()))],
            };
            Ok(Plan::Commit(change, service))
        })
        .await
    }

    /// Changes a service's description, TTLs and active check.
    ///
    /// # Errors
    ///
    /// Refuses what does not exist, what is in an HTTP namespace, and what is not a service of its namespace.
    pub async fn update_service(
        &self,
        id: ServiceId,
        change: ServiceChange,
    ) -> Result<OperationId, UpdateServiceError> {
        self.change(|model| {
            let before = model.service(id).ok_or(UpdateServiceError::NotFound)?;
            let namespace = model.namespace(before.service.namespace).ok_or(UpdateServiceError::NotFound)?;
            let private_checks = self.0.options.private_checks;
            let service = changed(&before.service, &change, &namespace.namespace, private_checks)?;
            let targets = Targets { service: Some(id), ..Targets::default() };
            let operation = self.new_operation(OperationKind::UpdateService, targets, None::<Request>);
            let answer = operation.id;
            let key = Key::Service(service.namespace, id);
            let change = Change {
                expect: vec![Expect::Unchanged(key, before.revision)],
                edits: vec![Edit::Put(Record::Service(service)), Edit::Put(Record::Operation(operation))],
            };
            Ok(Plan::Commit(change, answer))
        })
        .await
    }

    /// Deletes a service that has no instance, with its tags and attributes.
    ///
    /// # Errors
    ///
    /// Refuses what does not exist, and what has instances.
    pub async fn delete_service(&self, id: ServiceId) -> Result<(), DeleteServiceError> {
        self.change(|model| {
            let before = model.service(id).ok_or(DeleteServiceError::NotFound)?;
            if !before.instances.is_empty() {
                return Err(DeleteServiceError::InUse);
            }
            let key = Key::Service(before.service.namespace, id);
            let change = Change {
                expect: vec![Expect::Present(key.clone()), Expect::Empty(Prefix::Instances(id))],
                edits: vec![Edit::Delete(key)],
            };
            Ok(Plan::Commit(change, ()))
        })
        .await
    }
}

/// Whether `new` is the request that made `service`, sent again.
fn is_same(service: &Service, new: &NewService) -> bool {
    service.creator_request_id == new.creator_request_id
        && service.name == new.name
        && service.description == new.description
        && service.dns == new.dns
        && service.health == new.health
        && service.tags == new.tags
}

fn changed(
    before: &Service,
    change: &ServiceChange,
    namespace: &Namespace,
    private_checks: bool,
) -> Result<Service, InvalidService> {
    if !namespace.has_dns() {
        return Err(InvalidService::HttpNamespace);
    }
    let mut service = before.clone();
    service.description = change.description.clone().or(service.description);
    match &mut service.dns {
        Some(dns) => {
            if let Some(added) = change.records.iter().find(|record| dns.ttl(record.kind).is_none()) {
                return Err(InvalidService::NewRecordType(added.kind));
            }
            dns.records.clone_from(&change.records);
        }
        None if !change.records.is_empty() => return Err(InvalidService::HttpWithDns),
        None => {}
    }
    service.health = match (&before.health, &change.health_check) {
        (HealthCheck::Custom { .. }, Some(_)) => return Err(InvalidService::CustomHealthIsKept),
        (HealthCheck::Custom { .. }, None) => before.health.clone(),
        (_, Some(check)) => HealthCheck::Active(check.clone()),
        (_, None) => HealthCheck::None,
    };
    check_text(&service.description, &None)?;
    if let Some(dns) = &service.dns {
        check_records(dns)?;
    }
    check_health(&service.health, service.dns.as_ref(), namespace, private_checks)?;
    Ok(service)
}

fn check(new: &NewService, namespace: &Namespace, private_checks: bool) -> Result<(), InvalidService> {
    names::check_service(&new.name).map_err(InvalidService::Name)?;
    check_text(&new.description, &new.creator_request_id)?;
    if let Some(dns) = &new.dns {
        if !namespace.has_dns() {
            return Err(InvalidService::HttpWithDns);
        }
        if dns.records.is_empty() {
            return Err(InvalidService::NoRecords);
        }
        names::check_dns(&namespace.name_of(&new.name)).map_err(InvalidService::Name)?;
        check_records(dns)?;
    }
    check_health(&new.health, new.dns.as_ref(), namespace, private_checks)
}

fn check_text(description: &Option<String>, request: &Option<String>) -> Result<(), InvalidService> {
    if chars(description) > 1024 {
        return Err(InvalidService::Description(chars(description)));
    }
    if chars(request) > 64 {
        return Err(InvalidService::RequestId(chars(request)));
    }
    Ok(())
}

fn check_records(dns: &DnsConfig) -> Result<(), InvalidService> {
    for (n, record) in dns.records.iter().enumerate() {
        if dns.records[..n].iter().any(|earlier| earlier.kind == record.kind) {
            return Err(InvalidService::DuplicateRecord(record.kind));
        }
        if record.ttl > i32::MAX as u32 {
            return Err(InvalidService::Ttl(record.ttl));
        }
    }
    if dns.ttl(RecordType::Cname).is_none() {
        return Ok(());
    }
    if dns.records.len() > 1 {
        return Err(InvalidService::CnameNotAlone);
    }
    if dns.policy() != RoutingPolicy::Weighted {
        return Err(InvalidService::CnameNotWeighted);
    }
    Ok(())
}

fn check_health(
    health: &HealthCheck,
    dns: Option<&DnsConfig>,
    namespace: &Namespace,
    private_checks: bool,
) -> Result<(), InvalidService> {
    let (threshold, active) = match health {
        HealthCheck::None => return Ok(()),
        HealthCheck::Custom { failure_threshold } => (*failure_threshold, None),
        HealthCheck::Active(check) => (check.failure_threshold, Some(check)),
    };
    if let Some(threshold) = threshold.filter(|n| !(1..=10).contains(n)) {
        return Err(InvalidService::FailureThreshold(threshold));
    }
    let Some(check) = active else { return Ok(()) };
    if !private_checks && matches!(namespace.kind, NamespaceKind::DnsPrivate { .. }) {
        return Err(InvalidService::CheckInPrivate);
    }
    if dns.is_some_and(|dns| dns.ttl(RecordType::Cname).is_some()) {
        return Err(InvalidService::CnameWithCheck);
    }
    if check.kind == HealthCheckType::Tcp && check.resource_path.is_some() {
        return Err(InvalidService::TcpWithPath);
    }
    if chars(&check.resource_path) > 255 {
        return Err(InvalidService::PathLength(chars(&check.resource_path)));
    }
    Ok(())
}
