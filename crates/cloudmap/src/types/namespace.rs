//! Namespaces: requests and responses.

use serde::Serialize;

use super::common::{self, list};
use super::declare::{choice, structure};
use super::tag::{self, Tag};
use crate::timestamp::Epoch;

structure! {
    /// What CreateHttpNamespace takes.
    CreateHttpNamespaceRequest {
        required "Name" => name: String, &common::HTTP_NAMESPACE;
        optional "CreatorRequestId" => creator_request_id: String, &common::RESOURCE_ID;
        optional "Description" => description: String, &common::DESCRIPTION;
        optional "Tags" => tags: Vec<Tag>, &tag::LIST;
    }
}

structure! {
    /// What CreatePrivateDnsNamespace takes.
    CreatePrivateDnsNamespaceRequest {
        required "Name" => name: String, &common::PRIVATE_NAMESPACE;
        optional "CreatorRequestId" => creator_request_id: String, &common::RESOURCE_ID;
        optional "Description" => description: String, &common::DESCRIPTION;
        required "Vpc" => vpc: String, &common::RESOURCE_ID;
        optional "Tags" => tags: Vec<Tag>, &tag::LIST;
        optional "Properties" => properties: Properties, &Properties::SHAPE;
    }
}

structure! {
    /// What CreatePublicDnsNamespace takes.
    CreatePublicDnsNamespaceRequest {
        required "Name" => name: String, &common::PUBLIC_NAMESPACE;
        optional "CreatorRequestId" => creator_request_id: String, &common::RESOURCE_ID;
        optional "Description" => description: String, &common::DESCRIPTION;
        optional "Tags" => tags: Vec<Tag>, &tag::LIST;
        optional "Properties" => properties: Properties, &Properties::SHAPE;
    }
}

structure! {
    /// Properties of a DNS namespace that a caller sets; the model has four copies of it.
    Properties {
        required "DnsProperties" => dns_properties: DnsProperties, &DnsProperties::SHAPE;
    }
}

structure! {
    /// The DNS part of the properties.
    DnsProperties {
        required "SOA" => soa: Soa, &Soa::SHAPE;
    }
}

structure! {
    /// The start of authority, of which callers set the TTL.
    Soa {
        required "TTL" => ttl: u32, &common::TTL;
    }
}

impl Properties {
    pub(crate) fn soa_ttl(&self) -> u32 {
        self.dns_properties.soa.ttl
    }
}

structure! {
    /// What GetNamespace and DeleteNamespace take.
    NamespaceIdRequest {
        required "Id" => id: String, &common::ID_OR_ARN;
    }
}

structure! {
    /// What UpdateHttpNamespace takes.
    UpdateHttpNamespaceRequest {
        required "Id" => id: String, &common::ID_OR_ARN;
        optional "UpdaterRequestId" => updater_request_id: String, &common::RESOURCE_ID;
        required "Namespace" => namespace: HttpNamespaceChange, &HttpNamespaceChange::SHAPE;
    }
}

structure! {
    /// What may change in an HTTP namespace.
    HttpNamespaceChange {
        required "Description" => description: String, &common::DESCRIPTION;
    }
}

structure! {
    /// What UpdatePrivateDnsNamespace and UpdatePublicDnsNamespace take.
    UpdateDnsNamespaceRequest {
        required "Id" => id: String, &common::ID_OR_ARN;
        optional "UpdaterRequestId" => updater_request_id: String, &common::RESOURCE_ID;
        required "Namespace" => namespace: DnsNamespaceChange, &DnsNamespaceChange::SHAPE;
    }
}

structure! {
    /// What may change in a DNS namespace.
    DnsNamespaceChange {
        optional "Description" => description: String, &common::DESCRIPTION;
        optional "Properties" => properties: Properties, &Properties::SHAPE;
    }
}

structure! {
    /// What ListNamespaces takes.
    ListNamespacesRequest {
        optional "NextToken" => next_token: String, &common::NEXT_TOKEN;
        optional "MaxResults" => max_results: usize, &common::MAX_RESULTS;
        optional "Filters" => filters: Vec<NamespaceFilter>, &list(&NamespaceFilter::SHAPE);
    }
}

structure! {
    /// One filter of ListNamespaces.
    NamespaceFilter {
        required "Name" => name: NamespaceFilterName, &NamespaceFilterName::SHAPE;
        required "Values" => values: Vec<String>, &super::operation::FILTER_VALUES;
        optional "Condition" => condition: super::operation::Condition, &super::operation::Condition::SHAPE;
    }
}

choice! {
    /// What ListNamespaces filters by.
    NamespaceFilterName {
        Type = "TYPE",
        Name = "NAME",
        HttpName = "HTTP_NAME",
        ResourceOwner = "RESOURCE_OWNER",
    }
}

choice! {
    /// The kind of a namespace.
    NamespaceType {
        DnsPublic = "DNS_PUBLIC",
        DnsPrivate = "DNS_PRIVATE",
        Http = "HTTP",
    }
}

/// A namespace, whole or in a list; a list leaves the request id out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NamespaceView<'a> {
    pub(crate) id: &'a str,
    pub(crate) arn: String,
    pub(crate) resource_owner: &'a str,
    pub(crate) name: &'a str,
    #[serde(rename = "Type")]
    pub(crate) kind: NamespaceType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<&'a str>,
    pub(crate) service_count: usize,
    pub(crate) properties: PropertiesView<'a>,
    pub(crate) create_date: Epoch,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) creator_request_id: Option<&'a str>,
}

/// All properties of a namespace.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PropertiesView<'a> {
    pub(crate) dns_properties: DnsPropertiesView<'a>,
    pub(crate) http_properties: HttpPropertiesView<'a>,
}

/// DNS properties; nearly empty for an HTTP namespace.
#[derive(Debug, Serialize)]
pub(crate) struct DnsPropertiesView<'a> {
    #[serde(rename = "HostedZoneId", skip_serializing_if = "Option::is_none")]
    pub(crate) hosted_zone_id: Option<&'a str>,
    #[serde(rename = "SOA")]
    pub(crate) soa: SoaView,
}

/// The SOA; `{}` where no TTL was given.
#[derive(Debug, Serialize)]
pub(crate) struct SoaView {
    #[serde(rename = "TTL", skip_serializing_if = "Option::is_none")]
    pub(crate) ttl: Option<u32>,
}

/// The name that DiscoverInstances takes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HttpPropertiesView<'a> {
    pub(crate) http_name: &'a str,
}

/// The answer to GetNamespace.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetNamespaceResponse<'a> {
    pub(crate) namespace: NamespaceView<'a>,
}

/// The answer to ListNamespaces.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListNamespacesResponse<'a> {
    pub(crate) namespaces: Vec<NamespaceView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}
