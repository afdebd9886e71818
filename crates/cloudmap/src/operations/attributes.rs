//! Attributes of services.

use bytes::Bytes;

use crate::call::{Call, service_not_found};
use crate::fault::Fault;
use crate::types::service::{
    DeleteServiceAttributesRequest, GetServiceAttributesRequest, GetServiceAttributesResponse,
    ServiceAttributesView, UpdateServiceAttributesRequest,
};

pub(super) fn get(call: &Call<'_>, request: &GetServiceAttributesRequest) -> Result<Bytes, Fault> {
    let id = call.service_id(&request.service_id)?;
    let model = call.registry.model();
    let entry = model.service(id).ok_or_else(|| service_not_found(&request.service_id))?;
    call.reply(&GetServiceAttributesResponse {
        service_attributes: ServiceAttributesView {
            service_arn: call.service_arn(&id),
            resource_owner: call.account(),
            attributes: &entry.service.attributes,
        },
    })
}

pub(super) async fn update(call: &Call<'_>, request: UpdateServiceAttributesRequest) -> Result<Bytes, Fault> {
    let id = call.service_id(&request.service_id)?;
    call.registry.update_service_attributes(id, request.attributes).await?;
    call.empty()
}

pub(super) async fn delete(
    call: &Call<'_>,
    request: &DeleteServiceAttributesRequest,
) -> Result<Bytes, Fault> {
    let id = call.service_id(&request.service_id)?;
    call.registry.delete_service_attributes(id, &request.attributes).await?;
    call.empty()
}
