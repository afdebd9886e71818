//! Instances of a service.

use bytes::Bytes;
use cartonym_registry::{Attributes, InstanceEntry, InstanceId, InvalidInstance, ServiceEntry};

use super::views::{self, Extent};
use crate::call::{Call, instance_not_found, service_not_found};
use crate::fault::Fault;
use crate::page::Page;
use crate::types::instance::{
    GetInstanceResponse, InstanceIdRequest, ListInstancesRequest, ListInstancesResponse,
    RegisterInstanceRequest,
};

pub(super) async fn register(call: &Call<'_>, request: RegisterInstanceRequest) -> Result<Bytes, Fault> {
    let service = call.service_id(&request.service_id)?;
    let id: InstanceId = request.instance_id.parse().map_err(|_| InvalidInstance::Id)?;
    let attributes = Attributes::new(request.attributes)?;
    let request_id = request.creator_request_id.as_deref();
    call.started(call.registry.register_instance(service, id, attributes, request_id).await?)
}

pub(super) async fn deregister(call: &Call<'_>, request: &InstanceIdRequest) -> Result<Bytes, Fault> {
    let service = call.service_id(&request.service_id)?;
    let id = request.instance_id.parse().map_err(|_| instance_not_found(&request.instance_id))?;
    call.started(call.registry.deregister_instance(service, &id).await?)
}

pub(super) fn get(call: &Call<'_>, request: &InstanceIdRequest) -> Result<Bytes, Fault> {
    let id = call.service_id(&request.service_id)?;
    let model = call.registry.model();
    let service = model.service(id).ok_or_else(|| service_not_found(&request.service_id))?;
    let entry = service.instances.get(&request.instance_id);
    let entry = entry.ok_or_else(|| instance_not_found(&request.instance_id))?;
    let instance = views::instance(call, entry, Extent::Whole);
    call.reply(&GetInstanceResponse { resource_owner: call.account(), instance })
}

pub(super) fn list(call: &Call<'_>, request: &ListInstancesRequest) -> Result<Bytes, Fault> {
    let id = call.service_id(&request.service_id)?;
    let scope = format!("ListInstances {id}");
    let page = Page::new(&scope, request.max_results);
    let after: Option<InstanceId> = page.after(request.next_token.as_deref())?;
    let model = call.registry.model();
    let service = model.service(id).ok_or_else(|| service_not_found(&request.service_id))?;
    let listed = page.take(
        entries(service, after.as_ref()),
        |entry| entry.instance.id().as_str(),
        |entry| Some(views::instance(call, entry, Extent::Summary)),
    );
    call.reply(&ListInstancesResponse {
        resource_owner: call.account(),
        instances: listed.entries,
        next_token: listed.next_token,
    })
}

/// The instances of a service after `after`, by ascending id.
pub(super) fn entries<'m>(
    service: &'m ServiceEntry,
    after: Option<&'m InstanceId>,
) -> Box<dyn Iterator<Item = &'m InstanceEntry> + 'm> {
    match after {
        Some(after) => Box::new(service.instances.after(after).map(|entry| &**entry)),
        None => Box::new(service.instances.iter().map(|entry| &**entry)),
    }
}
