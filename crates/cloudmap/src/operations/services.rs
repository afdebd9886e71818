//! Services of a namespace.

use bytes::Bytes;
use cartonym_registry::{
    DnsConfig, HealthCheck, InvalidService, Model, NamespaceId, NewService, Service, ServiceChange,
    ServiceEntry, ServiceId,
};

use super::errors;
use super::tags::new_tags;
use super::views::{self, Extent};
use crate::call::{Call, service_not_found};
use crate::fault::Fault;
use crate::filter::{Test, refused, shows_own};
use crate::page::Page;
use crate::types::operation::Condition;
use crate::types::service::{
    CreateServiceRequest, HealthCheckConfig, HealthCheckCustomConfig, ListServicesRequest,
    ListServicesResponse, ServiceFilter, ServiceFilterName, ServiceIdRequest, ServiceResponse,
    UpdateServiceRequest,
};

pub(super) async fn create(call: &Call<'_>, request: CreateServiceRequest) -> Result<Bytes, Fault> {
    let new = new_service(call, request)?;
    let created =
        call.registry.create_service(new).await.map_err(|error| errors::create_service(call, error))?;
    call.reply(&ServiceResponse { service: views::service(call, &created, 0, Extent::Whole) })
}

fn new_service(call: &Call<'_>, request: CreateServiceRequest) -> Result<NewService, Fault> {
    // Clients of the first years name the namespace inside DnsConfig only.
    let within = request.dns_config.as_ref().and_then(|dns| dns.namespace_id.as_deref());
    let Some(namespace) = request.namespace_id.as_deref().or(within) else {
        return Err(refused("The namespace of the service is not given."));
    };
    let namespace = call.namespace_id(namespace)?;
    if within.is_some_and(|within| call.namespace_id(within).ok() != Some(namespace)) {
        return Err(refused("NamespaceId and DnsConfig.NamespaceId name different namespaces."));
    }
    if request.kind.is_some() && request.dns_config.is_some() {
        return Err(InvalidService::HttpWithDns.into());
    }
    Ok(NewService {
        namespace,
        name: request.name,
        description: request.description,
        dns: request.dns_config.map(|dns| DnsConfig {
            policy_given: dns.routing_policy,
            records: dns.dns_records.into_iter().map(Into::into).collect(),
        }),
        health: health_check(request.health_check_config, request.health_check_custom_config)?,
        creator_request_id: request.creator_request_id,
        tags: new_tags(request.tags)?,
    })
}

fn health_check(
    active: Option<HealthCheckConfig>,
    custom: Option<HealthCheckCustomConfig>,
) -> Result<HealthCheck, Fault> {
    match (active, custom) {
        (None, None) => Ok(HealthCheck::None),
        (Some(active), None) => Ok(HealthCheck::Active(active.into())),
        (None, Some(custom)) => Ok(HealthCheck::Custom { failure_threshold: custom.failure_threshold }),
        (Some(_), Some(_)) => {
            Err(refused("HealthCheckConfig and HealthCheckCustomConfig exclude each other; specify one."))
        }
    }
}

pub(super) async fn update(call: &Call<'_>, request: UpdateServiceRequest) -> Result<Bytes, Fault> {
    let id = call.service_id(&request.id)?;
    let change = ServiceChange {
        description: request.service.description,
        records: request
            .service
            .dns_config
            .into_iter()
            .flat_map(|dns| dns.dns_records)
            .map(Into::into)
            .collect(),
        health_check: request.service.health_check_config.map(Into::into),
    };
    call.started(call.registry.update_service(id, change).await?)
}

pub(super) async fn delete(call: &Call<'_>, request: &ServiceIdRequest) -> Result<Bytes, Fault> {
    let id = call.service_id(&request.id)?;
    call.registry.delete_service(id).await?;
    call.empty()
}

pub(super) fn get(call: &Call<'_>, request: &ServiceIdRequest) -> Result<Bytes, Fault> {
    let id = call.service_id(&request.id)?;
    let model = call.registry.model();
    let entry = model.service(id).ok_or_else(|| service_not_found(&request.id))?;
    call.reply(&ServiceResponse {
        service: views::service(call, &entry.service, entry.instances.len(), Extent::Whole),
    })
}

pub(super) fn list(call: &Call<'_>, request: &ListServicesRequest) -> Result<Bytes, Fault> {
    let read = |filter| Filter::new(call, filter);
    let filters = request.filters.iter().flatten().map(read).collect::<Result<Vec<_>, _>>()?;
    let page = Page::new("ListServices", request.max_results);
    let after: Option<ServiceId> = page.after(request.next_token.as_deref())?;
    let model = call.registry.model();
    let listed = page.take(
        entries(&model, after),
        |entry| entry.service.id.as_str(),
        |entry| {
            let wanted = filters.iter().all(|filter| filter.accepts(&entry.service));
            wanted.then(|| views::service(call, &entry.service, entry.instances.len(), Extent::Summary))
        },
    );
    call.reply(&ListServicesResponse { services: listed.entries, next_token: listed.next_token })
}

fn entries(model: &Model, after: Option<ServiceId>) -> Box<dyn Iterator<Item = &ServiceEntry> + '_> {
    match after {
        Some(after) => Box::new(model.services_after(after)),
        None => Box::new(model.services()),
    }
}

/// A filter of ListServices, with its values read.
enum Filter {
    /// In this namespace; in none if the value names none.
    Namespace(Option<NamespaceId>),
    /// Whether what this account owns is shown.
    Own(bool),
}

impl Filter {
    fn new(call: &Call<'_>, filter: &ServiceFilter) -> Result<Filter, Fault> {
        let test = Test::new(filter.name.word(), filter.condition, &filter.values, &[Condition::Eq])?;
        Ok(match (filter.name, &test) {
            (ServiceFilterName::NamespaceId, Test::Is(id)) => Filter::Namespace(call.namespace_id(id).ok()),
            (ServiceFilterName::NamespaceId, _) => Filter::Namespace(None),
            (ServiceFilterName::ResourceOwner, _) => Filter::Own(shows_own(&test)?),
        })
    }

    fn accepts(&self, service: &Service) -> bool {
        match self {
            Filter::Namespace(namespace) => *namespace == Some(service.namespace),
            Filter::Own(shown) => *shown,
        }
    }
}
