//! The health of instances: what is known of it, and what callers report.

use bytes::Bytes;
use cartonym_registry::{InstanceEntry, InstanceId, ServiceEntry, Verdict};

use super::words;
use crate::call::{Call, instance_not_found, service_not_found};
use crate::fault::Fault;
use crate::page::Page;
use crate::types::instance::{
    CustomHealthStatus, GetInstancesHealthStatusRequest, GetInstancesHealthStatusResponse,
    UpdateInstanceCustomHealthStatusRequest,
};

pub(super) fn get(call: &Call<'_>, request: &GetInstancesHealthStatusRequest) -> Result<Bytes, Fault> {
    let id = call.service_id(&request.service_id)?;
    let scope = format!("GetInstancesHealthStatus {id}");
    let page = Page::new(&scope, request.max_results);
    let after: Option<InstanceId> = page.after(request.next_token.as_deref())?;
    let model = call.registry.model();
    let service = model.service(id).ok_or_else(|| service_not_found(&request.service_id))?;
    let listed = page.take(
        entries(service, request.instances.as_deref(), after.as_ref())?,
        |entry| entry.instance.id().as_str(),
        |entry| {
            let status = entry.instance.status(&service.service.health);
            Some((entry.instance.id().as_str(), words::health(status)))
        },
    );
    call.reply(&GetInstancesHealthStatusResponse {
        status: listed.entries.into_iter().collect(),
        next_token: listed.next_token,
    })
}

/// Has no answer but that it was done: the model gives this operation no output.
pub(super) async fn update(
    call: &Call<'_>,
    request: &UpdateInstanceCustomHealthStatusRequest,
) -> Result<Bytes, Fault> {
    let service = call.service_id(&request.service_id)?;
    let id = request.instance_id.parse().map_err(|_| instance_not_found(&request.instance_id))?;
    let verdict = match request.status {
        CustomHealthStatus::Healthy => Verdict::Healthy,
        CustomHealthStatus::Unhealthy => Verdict::Unhealthy,
    };
    call.registry.update_custom_health(service, &id, verdict).await?;
    Ok(Bytes::new())
}

/// The instances asked for, or all, by ascending id.
fn entries<'m>(
    service: &'m ServiceEntry,
    asked: Option<&[String]>,
    after: Option<&'m InstanceId>,
) -> Result<Box<dyn Iterator<Item = &'m InstanceEntry> + 'm>, Fault> {
    let Some(asked) = asked else { return Ok(super::instances::entries(service, after)) };
    let mut ids: Vec<&String> = asked.iter().collect();
    ids.sort_unstable();
    ids.dedup();
    let mut entries = Vec::with_capacity(ids.len());
    for id in ids {
        let entry = service.instances.get(id).ok_or_else(|| instance_not_found(id))?;
        if after.is_none_or(|after| id.as_str() > after.as_str()) {
            entries.push(&**entry);
        }
    }
    Ok(Box::new(entries.into_iter()))
}
