//! Tags of namespaces and services.

use bytes::Bytes;
use cartonym_registry::{Model, Resource, Tags};

use crate::call::{Call, NAMESPACE, SERVICE};
use crate::fault::{Code, Fault};
use crate::types::tag::{
    ListTagsForResourceRequest, ListTagsForResourceResponse, Tag, TagResourceRequest, TagView,
    UntagResourceRequest,
};

pub(super) fn list(call: &Call<'_>, request: &ListTagsForResourceRequest) -> Result<Bytes, Fault> {
    let resource = resource(call, &request.resource_arn)?;
    let model = call.registry.model();
    let tags = tags(&model, resource).ok_or_else(|| not_found(&request.resource_arn))?;
    call.reply(&ListTagsForResourceResponse {
        tags: tags.iter().map(|(key, value)| TagView { key, value }).collect(),
    })
}

pub(super) async fn tag(call: &Call<'_>, request: TagResourceRequest) -> Result<Bytes, Fault> {
    let resource = resource(call, &request.resource_arn)?;
    call.registry.tag(resource, pairs(request.tags)).await?;
    call.empty()
}

pub(super) async fn untag(call: &Call<'_>, request: &UntagResourceRequest) -> Result<Bytes, Fault> {
    let resource = resource(call, &request.resource_arn)?;
    call.registry.untag(resource, &request.tag_keys).await?;
    call.empty()
}

/// The tags of something new.
pub(super) fn new_tags(tags: Option<Vec<Tag>>) -> Result<Tags, Fault> {
    Ok(Tags::new(pairs(tags.unwrap_or_default()))?)
}

fn pairs(tags: Vec<Tag>) -> Vec<(String, String)> {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

fn tags(model: &Model, resource: Resource) -> Option<&Tags> {
    match resource {
        Resource::Namespace(id) => model.namespace(id).map(|entry| &entry.namespace.tags),
        Resource::Service(id) => model.service(id).map(|entry| &entry.service.tags),
    }
}

/// The namespace or service that an ARN names.
fn resource(call: &Call<'_>, arn: &str) -> Result<Resource, Fault> {
    if !arn.starts_with("arn:") {
        return Err(Fault::new(Code::InvalidInput, format!("'{arn}' is not an ARN.")));
    }
    let namespace = call.id(NAMESPACE, arn).map(Resource::Namespace);
    namespace.or_else(|| call.id(SERVICE, arn).map(Resource::Service)).ok_or_else(|| not_found(arn))
}

fn not_found(arn: &str) -> Fault {
    Fault::new(Code::ResourceNotFound, format!("No resource {arn} exists."))
}
