//! Tags of namespaces and services.

use super::{Plan, Registry, WriteError};
use crate::model::Model;
use crate::{Change, Edit, Expect, InvalidTags, Key, NamespaceId, Record, Revision, ServiceId, Tags};

/// What has tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A namespace.
    Namespace(NamespaceId),
    /// A service.
    Service(ServiceId),
}

/// Why tags are not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TagError {
    /// There is no such resource.
    #[error("there is no such resource")]
    NotFound,
    /// The tags are refused.
    #[error(transparent)]
    Invalid(#[from] InvalidTags),
    /// They could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Registry {
    /// Adds tags to a resource; those of the same key are replaced.
    ///
    /// # Errors
    ///
    /// Refuses what does not exist, and what [`Tags::with`] does.
    pub async fn tag(&self, resource: Resource, tags: Vec<(String, String)>) -> Result<(), TagError> {
        self.retag(resource, |before| Ok(before.with(tags.clone())?)).await
    }

    /// Removes tags from a resource, those of them that it has.
    ///
    /// # Errors
    ///
    /// Refuses what does not exist.
    pub async fn untag(&self, resource: Resource, keys: &[String]) -> Result<(), TagError> {
        self.retag(resource, |before| Ok(before.without(keys))).await
    }

    /// The tags of a resource; `None` if it does not exist.
    pub fn tags(&self, resource: Resource) -> Option<Tags> {
        let model = self.model();
        Some(match resource {
            Resource::Namespace(id) => model.namespace(id)?.namespace.tags.clone(),
            Resource::Service(id) => model.service(id)?.service.tags.clone(),
        })
    }

    async fn retag(
        &self,
        resource: Resource,
        edit: impl Fn(&Tags) -> Result<Tags, TagError>,
    ) -> Result<(), TagError> {
        self.change(|model| {
            let (key, revision, record) = tagged(model, resource, &edit)?.ok_or(TagError::NotFound)?;
            let change =
                Change { expect: vec![Expect::Unchanged(key, revision)], edits: vec![Edit::Put(record)] };
            Ok(Plan::Commit(change, ()))
        })
        .await
    }
}

fn tagged(
    model: &Model,
    resource: Resource,
    edit: impl Fn(&Tags) -> Result<Tags, TagError>,
) -> Result<Option<(Key, Revision, Record)>, TagError> {
    let (revision, record) = match resource {
        Resource::Namespace(id) => {
            let Some(entry) = model.namespace(id) else { return Ok(None) };
            let mut namespace = entry.namespace.clone();
            namespace.tags = edit(&namespace.tags)?;
            (entry.revision, Record::Namespace(namespace))
        }
        Resource::Service(id) => {
            let Some(entry) = model.service(id) else { return Ok(None) };
            let mut service = entry.service.clone();
            service.tags = edit(&service.tags)?;
            (entry.revision, Record::Service(service))
        }
    };
    Ok(Some((record.key(), revision, record)))
}
