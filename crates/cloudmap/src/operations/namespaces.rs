//! Namespaces.

use bytes::Bytes;
use cartonym_registry::{
    Model, Namespace, NamespaceChange, NamespaceEntry, NamespaceId, NamespaceKind, NewNamespace,
};

use super::tags::new_tags;
use super::views::{self, Extent};
use crate::call::{Call, namespace_not_found};
use crate::fault::Fault;
use crate::filter::{Test, refused, shows_own};
use crate::page::Page;
use crate::types::namespace::{
    CreateHttpNamespaceRequest, CreatePrivateDnsNamespaceRequest, CreatePublicDnsNamespaceRequest,
    GetNamespaceResponse, ListNamespacesRequest, ListNamespacesResponse, NamespaceFilter,
    NamespaceFilterName, NamespaceIdRequest, NamespaceType, UpdateDnsNamespaceRequest,
    UpdateHttpNamespaceRequest,
};
use crate::types::operation::Condition;

pub(super) async fn create_http(
    call: &Call<'_>,
    request: CreateHttpNamespaceRequest,
) -> Result<Bytes, Fault> {
    let new = NewNamespace {
        name: request.name,
        kind: NamespaceKind::Http,
        description: request.description,
        soa_ttl: None,
        creator_request_id: request.creator_request_id,
        tags: new_tags(request.tags)?,
    };
    call.started(call.registry.create_namespace(new).await?)
}

pub(super) async fn create_private(
    call: &Call<'_>,
    request: CreatePrivateDnsNamespaceRequest,
) -> Result<Bytes, Fault> {
    let new = NewNamespace {
        name: request.name,
        kind: NamespaceKind::DnsPrivate { vpc: request.vpc },
        description: request.description,
        soa_ttl: request.properties.map(|properties| properties.soa_ttl()),
        creator_request_id: request.creator_request_id,
        tags: new_tags(request.tags)?,
    };
    call.started(call.registry.create_namespace(new).await?)
}

pub(super) async fn create_public(
    call: &Call<'_>,
    request: CreatePublicDnsNamespaceRequest,
) -> Result<Bytes, Fault> {
    let new = NewNamespace {
        name: request.name,
        kind: NamespaceKind::DnsPublic,
        description: request.description,
        soa_ttl: request.properties.map(|properties| properties.soa_ttl()),
        creator_request_id: request.creator_request_id,
        tags: new_tags(request.tags)?,
    };
    call.started(call.registry.create_namespace(new).await?)
}

pub(super) async fn update_http(
    call: &Call<'_>,
    request: UpdateHttpNamespaceRequest,
) -> Result<Bytes, Fault> {
    let change = NamespaceChange {
        description: Some(request.namespace.description),
        soa_ttl: None,
        updater_request_id: request.updater_request_id,
    };
    update(call, &request.id, NamespaceType::Http, change).await
}

pub(super) async fn update_dns(
    call: &Call<'_>,
    request: UpdateDnsNamespaceRequest,
    kind: NamespaceType,
) -> Result<Bytes, Fault> {
    let change = NamespaceChange {
        description: request.namespace.description,
        soa_ttl: request.namespace.properties.map(|properties| properties.soa_ttl()),
        updater_request_id: request.updater_request_id,
    };
    update(call, &request.id, kind, change).await
}

async fn update(
    call: &Call<'_>,
    id: &str,
    kind: NamespaceType,
    change: NamespaceChange,
) -> Result<Bytes, Fault> {
    let namespace = call.namespace_id(id)?;
    let found =
        call.registry.model().namespace(namespace).map(|entry| views::namespace_type(&entry.namespace.kind));
    // A namespace's kind never changes, so nothing can come between this and the update.
    if found.ok_or_else(|| namespace_not_found(id))? != kind {
        return Err(refused(format!("The namespace {id} is not of the type {}.", kind.word())));
    }
    call.started(call.registry.update_namespace(namespace, change).await?)
}

pub(super) async fn delete(call: &Call<'_>, request: &NamespaceIdRequest) -> Result<Bytes, Fault> {
    let id = call.namespace_id(&request.id)?;
    call.started(call.registry.delete_namespace(id).await?)
}

pub(super) fn get(call: &Call<'_>, request: &NamespaceIdRequest) -> Result<Bytes, Fault> {
    let id = call.namespace_id(&request.id)?;
    let model = call.registry.model();
    let entry = model.namespace(id).ok_or_else(|| namespace_not_found(&request.id))?;
    call.reply(&GetNamespaceResponse { namespace: views::namespace(call, &model, entry, Extent::Whole) })
}

pub(super) fn list(call: &Call<'_>, request: &ListNamespacesRequest) -> Result<Bytes, Fault> {
    let filters = request.filters.iter().flatten().map(Filter::new).collect::<Result<Vec<_>, _>>()?;
    let page = Page::new("ListNamespaces", request.max_results);
    let after: Option<NamespaceId> = page.after(request.next_token.as_deref())?;
    let model = call.registry.model();
    let listed = page.take(
        entries(&model, after),
        |entry| entry.namespace.id.as_str(),
        |entry| {
            let wanted = filters.iter().all(|filter| filter.accepts(&entry.namespace));
            wanted.then(|| views::namespace(call, &model, entry, Extent::Summary))
        },
    );
    call.reply(&ListNamespacesResponse { namespaces: listed.entries, next_token: listed.next_token })
}

fn entries(model: &Model, after: Option<NamespaceId>) -> Box<dyn Iterator<Item = &NamespaceEntry> + '_> {
    match after {
        Some(after) => Box::new(model.namespaces_after(after)),
        None => Box::new(model.namespaces()),
    }
}

/// A filter of ListNamespaces, with its values read.
enum Filter<'a> {
    Kind(Test<'a>),
    Name(Test<'a>),
    HttpName(Test<'a>),
    /// Whether what this account owns is shown.
    Own(bool),
}

impl<'a> Filter<'a> {
    fn new(filter: &'a NamespaceFilter) -> Result<Filter<'a>, Fault> {
        use Condition::{BeginsWith, Eq};
        let test =
            |allowed: &[Condition]| Test::new(filter.name.word(), filter.condition, &filter.values, allowed);
        Ok(match filter.name {
            NamespaceFilterName::Type => Filter::Kind(test(&[Eq, BeginsWith])?),
            NamespaceFilterName::Name => Filter::Name(test(&[Eq, BeginsWith])?),
            NamespaceFilterName::HttpName => Filter::HttpName(test(&[Eq, BeginsWith])?),
            NamespaceFilterName::ResourceOwner => Filter::Own(shows_own(&test(&[Eq])?)?),
        })
    }

    fn accepts(&self, namespace: &Namespace) -> bool {
        match self {
            Filter::Kind(test) => test.accepts(views::namespace_type(&namespace.kind).word()),
            Filter::Name(test) => test.accepts(&namespace.name),
            Filter::HttpName(test) => test.accepts(&namespace.http_name),
            Filter::Own(shown) => *shown,
        }
    }
}
