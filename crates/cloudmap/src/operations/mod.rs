//! The thirty operations: each takes a request that is within its limits and writes the answer.

mod attributes;
mod discover;
mod errors;
mod health;
mod instances;
mod namespaces;
mod progress;
mod services;
mod tags;
mod views;
mod words;

use bytes::Bytes;
use serde_json::Value;

use crate::call::Call;
use crate::fault::{Code, Fault};
use crate::types::Request;
use crate::types::namespace::NamespaceType;

/// Runs the operation called `name`.
///
/// # Errors
///
/// The fault to answer with, `UnknownOperationException` if there is no such operation.
pub(crate) async fn run(call: &Call<'_>, name: &str, document: Value) -> Result<Bytes, Fault> {
    match name {
        "DiscoverInstances" => discover::instances(call, &Request::decode(document)?),
        "DiscoverInstancesRevision" => discover::revision(call, &Request::decode(document)?),

        "CreateHttpNamespace" => namespaces::create_http(call, Request::decode(document)?).await,
        "CreatePrivateDnsNamespace" => namespaces::create_private(call, Request::decode(document)?).await,
        "CreatePublicDnsNamespace" => namespaces::create_public(call, Request::decode(document)?).await,
        "UpdateHttpNamespace" => namespaces::update_http(call, Request::decode(document)?).await,
        "UpdatePrivateDnsNamespace" => {
            namespaces::update_dns(call, Request::decode(document)?, NamespaceType::DnsPrivate).await
        }
        "UpdatePublicDnsNamespace" => {
            namespaces::update_dns(call, Request::decode(document)?, NamespaceType::DnsPublic).await
        }
        "DeleteNamespace" => namespaces::delete(call, &Request::decode(document)?).await,
        "GetNamespace" => namespaces::get(call, &Request::decode(document)?),
        "ListNamespaces" => namespaces::list(call, &Request::decode(document)?),

        "CreateService" => services::create(call, Request::decode(document)?).await,
        "UpdateService" => services::update(call, Request::decode(document)?).await,
        "DeleteService" => services::delete(call, &Request::decode(document)?).await,
        "GetService" => services::get(call, &Request::decode(document)?),
        "ListServices" => services::list(call, &Request::decode(document)?),

        "GetServiceAttributes" => attributes::get(call, &Request::decode(document)?),
        "UpdateServiceAttributes" => attributes::update(call, Request::decode(document)?).await,
        "DeleteServiceAttributes" => attributes::delete(call, &Request::decode(document)?).await,

        "RegisterInstance" => instances::register(call, Request::decode(document)?).await,
        "DeregisterInstance" => instances::deregister(call, &Request::decode(document)?).await,
        "GetInstance" => instances::get(call, &Request::decode(document)?),
        "ListInstances" => instances::list(call, &Request::decode(document)?),

        "GetInstancesHealthStatus" => health::get(call, &Request::decode(document)?),
        "UpdateInstanceCustomHealthStatus" => health::update(call, &Request::decode(document)?).await,

        "GetOperation" => progress::get(call, &Request::decode(document)?),
        "ListOperations" => progress::list(call, &Request::decode(document)?),

        "ListTagsForResource" => tags::list(call, &Request::decode(document)?),
        "TagResource" => tags::tag(call, Request::decode(document)?).await,
        "UntagResource" => tags::untag(call, &Request::decode(document)?).await,

        _ => Err(Fault::new(Code::UnknownOperation, "the request names no operation of this service")),
    }
}
