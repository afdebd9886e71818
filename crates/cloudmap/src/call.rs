//! What every operation needs of its request and of the server.

use std::str::FromStr;

use bytes::Bytes;
use cartonym_registry::{NamespaceId, OperationId, Registry, ServiceId};
use serde::Serialize;

use crate::api::Config;
use crate::arn::{Arn, arn};
use crate::fault::{Code, Fault};
use crate::protocol::Protocol;
use crate::types::operation::OperationStarted;

/// One request on its way through an operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) config: &'a Config,
    pub(crate) protocol: Protocol,
    /// The region that the request was signed for.
    pub(crate) region: &'a str,
}

impl<'a> Call<'a> {
    /// Writes the answer.
    pub(crate) fn reply(&self, response: &impl Serialize) -> Result<Bytes, Fault> {
        self.protocol.write(response)
    }

    /// Writes the answer of an operation that has one without members.
    pub(crate) fn empty(&self) -> Result<Bytes, Fault> {
        #[derive(Serialize)]
        struct Empty {}
        self.reply(&Empty {})
    }

    /// Writes the answer that names an operation.
    pub(crate) fn started(&self, operation: OperationId) -> Result<Bytes, Fault> {
        self.reply(&OperationStarted { operation_id: operation.as_str() })
    }

    /// The account that owns everything.
    pub(crate) fn account(&self) -> &'a str {
        &self.config.account
    }

    pub(crate) fn namespace_arn(&self, id: &NamespaceId) -> String {
        arn(self.region, self.account(), NAMESPACE, id.as_str())
    }

    pub(crate) fn service_arn(&self, id: &ServiceId) -> String {
        arn(self.region, self.account(), SERVICE, id.as_str())
    }

    /// The namespace that an id or an ARN names; whether it exists is another matter.
    ///
    /// # Errors
    ///
    /// `NamespaceNotFound`, since nothing else can have been named so.
    pub(crate) fn namespace_id(&self, text: &str) -> Result<NamespaceId, Fault> {
        self.id(NAMESPACE, text).ok_or_else(|| namespace_not_found(text))
    }

    /// The service that an id or an ARN names; whether it exists is another matter.
    ///
    /// # Errors
    ///
    /// `ServiceNotFound`, since nothing else can have been named so.
    pub(crate) fn service_id(&self, text: &str) -> Result<ServiceId, Fault> {
        self.id(SERVICE, text).ok_or_else(|| service_not_found(text))
    }

    /// Whether `owner`, where given, is the account that owns everything.
    pub(crate) fn owns(&self, owner: Option<&str>) -> bool {
        owner.is_none_or(|owner| owner == self.account())
    }

    /// The id in an id or in an ARN of this account.
    pub(crate) fn id<I: FromStr>(&self, kind: &str, text: &str) -> Option<I> {
        if !text.starts_with("arn:") {
            return text.parse().ok();
        }
        let arn = Arn::parse(text)?;
        if arn.kind != kind || arn.account != self.account() {
            return None;
        }
        arn.id.parse().ok()
    }
}

pub(crate) fn namespace_not_found(namespace: &str) -> Fault {
    Fault::new(Code::NamespaceNotFound, format!("No namespace {namespace} exists."))
}

pub(crate) fn service_not_found(service: &str) -> Fault {
    Fault::new(Code::ServiceNotFound, format!("No service {service} exists."))
}

pub(crate) fn instance_not_found(instance: &str) -> Fault {
    Fault::new(Code::InstanceNotFound, format!("The service has no instance {instance}."))
}

/// The kinds of resource in ARNs.
pub(crate) const NAMESPACE: &str = "namespace";
pub(crate) const SERVICE: &str = "service";
