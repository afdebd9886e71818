//! Making, changing and deleting namespaces.

use serde::Serialize;

use super::{Plan, Registry, WriteError, chars};
use crate::operation::Request;
use crate::{
    Change, Edit, Expect, Failure, InvalidNamespace, Key, Model, Namespace, NamespaceId, NamespaceKind,
    OperationId, OperationKind, Outcome, Prefix, Record, Tags, Targets, Timestamp,
};

/// A namespace that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewNamespace {
    /// Its name.
    pub name: String,
    /// Who may find what is in it.
    pub kind: NamespaceKind,
    /// Free text, at most 1024 characters.
    pub description: Option<String>,
    /// The TTL of its SOA record in seconds, where DNS answers for it.
    pub soa_ttl: Option<u32>,
    /// What the request calls itself, at most 64 characters: the same request again makes no second namespace.
    pub creator_request_id: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// What is changed of a namespace; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NamespaceChange {
    /// Free text, at most 1024 characters.
    pub description: Option<String>,
    /// The TTL of its SOA record in seconds, where DNS answers for it.
    pub soa_ttl: Option<u32>,
    /// What the request calls itself, at most 64 characters.
    pub updater_request_id: Option<String>,
}

/// Why a namespace is not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateNamespaceError {
    /// What is asked for is not a namespace.
    #[error(transparent)]
    Invalid(#[from] InvalidNamespace),
    /// There is one of this name and kind.
    #[error("there is a namespace of this name: {namespace}")]
    AlreadyExists {
        /// Its identifier.
        namespace: NamespaceId,
        /// What the request that made it called itself.
        creator_request_id: Option<String>,
    },
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Why a namespace is not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateNamespaceError {
    /// What is asked for is not a namespace.
    #[error(transparent)]
    Invalid(#[from] InvalidNamespace),
    /// There is none of this id.
    #[error("there is no such namespace")]
    NotFound,
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Why a namespace is not deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteNamespaceError {
    /// There is none of this id.
    #[error("there is no such namespace")]
    NotFound,
    /// It has services.
    #[error("the namespace has services")]
    InUse,
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<Namespace> for NewNamespace {
    /// What was asked for to make it.
    fn from(namespace: Namespace) -> NewNamespace {
        let Namespace { name, kind, description, soa_ttl, creator_request_id, tags, .. } = namespace;
        NewNamespace { name, kind, description, soa_ttl, creator_request_id, tags }
    }
}

impl NewNamespace {
    /// The namespace that is asked for, made at `created`; discovery finds it by its name, unless another `is_found` by that.
    ///
    /// # Errors
    ///
    /// Refuses what is not a namespace.
    pub fn make(
        &self,
        created: Timestamp,
        is_found: impl Fn(&str) -> bool,
    ) -> Result<Namespace, InvalidNamespace> {
        check(self)?;
        let id = self.kind.id_of(&self.name);
        Ok(Namespace {
            id,
            name: self.name.clone(),
            kind: self.kind.clone(),
            http_name: if is_found(&self.name) { other_http_name(&self.name, id) } else { self.name.clone() },
            description: self.description.clone(),
            hosted_zone_id: (self.kind != NamespaceKind::Http).then(|| hosted_zone_id(id)),
            soa_ttl: self.soa_ttl,
            creator_request_id: self.creator_request_id.clone(),
            created,
            tags: self.tags.clone(),
        })
    }
}

impl Registry {
    /// Makes a namespace.
    ///
    /// The operation fails, and nothing is made, where a private namespace of the same name is in the network already.
    ///
    /// # Errors
    ///
    /// Refuses a name that is taken, and what is not a namespace.
    pub async fn create_namespace(&self, new: NewNamespace) -> Result<OperationId, CreateNamespaceError> {
        // What is no namespace is refused as that, also where its name is taken.
        check(&new)?;
        let request = Request::new(new.creator_request_id.as_deref(), &new);
        self.change(|model| self.plan_namespace(model, &new, request.clone())).await
    }

    /// Changes a namespace's description or the TTL of its SOA record.
    ///
    /// # Errors
    ///
    /// Refuses what does not exist, and what is not a namespace.
    pub async fn update_namespace(
        &self,
        id: NamespaceId,
        change: NamespaceChange,
    ) -> Result<OperationId, UpdateNamespaceError> {
        let request = Request::new(change.updater_request_id.as_deref(), &(id, &change));
        self.change(|model| {
            let before = model.namespace(id).ok_or(UpdateNamespaceError::NotFound)?;
            let has_dns = before.namespace.has_dns();
            check_change(&change.description, change.soa_ttl, &change.updater_request_id, has_dns)?;
            if let Some(request) = &request
                && let Some(done) =
                    model.requested(&request.id, OperationKind::UpdateNamespace, request.digest)
            {
                return Ok(Plan::Done(done.operation.id));
            }
            let mut namespace = before.namespace.clone();
            namespace.description = change.description.clone().or(namespace.description);
            namespace.soa_ttl = change.soa_ttl.or(namespace.soa_ttl);
            let targets = Targets { namespace: Some(id), ..Targets::default() };
            let operation = self.new_operation(OperationKind::UpdateNamespace, targets, request.clone());
            let answer = operation.id;
            let change = Change {
                expect: vec![Expect::Unchanged(Key::Namespace(id), before.revision)],
                edits: vec![Edit::Put(Record::Namespace(namespace)), Edit::Put(Record::Operation(operation))],
            };
            Ok(Plan::Commit(change, answer))
        })
        .await
    }

    /// Deletes a namespace that has no service.
    ///
    /// # Errors
    ///
    /// Refuses what does not exist, and what has services.
    pub async fn delete_namespace(&self, id: NamespaceId) -> Result<OperationId, DeleteNamespaceError> {
        self.change(|model| {
            let before = model.namespace(id).ok_or(DeleteNamespaceError::NotFound)?;
            if model.service_count(id) > 0 {
                return Err(DeleteNamespaceError::InUse);
            }
            let targets = Targets { namespace: Some(id), ..Targets::default() };
            let operation = self.new_operation(OperationKind::DeleteNamespace, targets, None);
            let answer = operation.id;
            let change = Change {
                expect: vec![Expect::Present(Key::Namespace(id)), Expect::Empty(Prefix::Services(id))],
                edits: vec![
                    Edit::Delete(Key::Namespace(id)),
                    Edit::Delete(Key::HttpName(before.namespace.http_name.clone())),
                    Edit::Put(Record::Operation(operation)),
                ],
            };
            Ok(Plan::Commit(change, answer))
        })
        .await
    }

    fn plan_namespace(
        &self,
        model: &Model,
        new: &NewNamespace,
        request: Option<Request>,
    ) -> Result<Plan<OperationId>, CreateNamespaceError> {
        let id = new.kind.id_of(&new.name);
        let Some(before) = model.namespace(id) else {
            return self.plan_new_namespace(model, new, request);
        };
        if let Some(request) = &request
            && before.namespace.creator_request_id.as_deref() == Some(&request.id)
            && let Some(made) = model.requested(&request.id, OperationKind::CreateNamespace, request.digest)
        {
            return Ok(Plan::Done(made.operation.id));
        }
        let NamespaceKind::DnsPrivate { vpc } = &new.kind else {
            let creator_request_id = before.namespace.creator_request_id.clone();
            return Err(CreateNamespaceError::AlreadyExists { namespace: id, creator_request_id });
        };
        // A second zone of one name in one network fails where zones are made, after the request was accepted.
        let mut operation = self.new_operation(OperationKind::CreateNamespace, Targets::default(), None);
        let failure = Failure::OverlappingZone { vpc: vpc.clone(), name: before.namespace.name.clone() };
        operation.outcome = Outcome::Failed(failure);
        let answer = operation.id;
        let change = Change {
            expect: vec![Expect::Present(Key::Namespace(id))],
            edits: vec![Edit::Put(Record::Operation(operation))],
        };
        Ok(Plan::Commit(change, answer))
    }

    fn plan_new_namespace(
        &self,
        model: &Model,
        new: &NewNamespace,
        request: Option<Request>,
    ) -> Result<Plan<OperationId>, CreateNamespaceError> {
        let is_found = |name: &str| model.namespace_by_http_name(name).is_some();
        let namespace = new.make(self.now(), is_found)?;
        let id = namespace.id;
        let targets = Targets { namespace: Some(id), ..Targets::default() };
        let operation = self.new_operation(OperationKind::CreateNamespace, targets, request);
        let answer = operation.id;
        let http_name = Record::HttpName { name: namespace.http_name.clone(), namespace: id };
        let change = Change {
            expect: vec![Expect::Absent(Key::Namespace(id)), Expect::Absent(http_name.key())],
            edits: vec![
                Edit::Put(Record::Namespace(namespace)),
                Edit::Put(http_name),
                Edit::Put(Record::Operation(operation)),
            ],
        };
        Ok(Plan::Commit(change, answer))
    }
}

fn check(new: &NewNamespace) -> Result<(), InvalidNamespace> {
    new.kind.check_name(&new.name).map_err(InvalidNamespace::Name)?;
    if let NamespaceKind::DnsPrivate { vpc } = &new.kind
        && !(1..=64).contains(&vpc.chars().count())
    {
        return Err(InvalidNamespace::Vpc);
    }
    check_change(&new.description, new.soa_ttl, &new.creator_request_id, new.kind != NamespaceKind::Http)
}

fn check_change(
    description: &Option<String>,
    soa_ttl: Option<u32>,
    request: &Option<String>,
    has_dns: bool,
) -> Result<(), InvalidNamespace> {
    if chars(description) > 1024 {
        return Err(InvalidNamespace::Description(chars(description)));
    }
    if chars(request) > 64 {
        return Err(InvalidNamespace::RequestId(chars(request)));
    }
    match soa_ttl {
        Some(_) if !has_dns => Err(InvalidNamespace::NoSoa),
        Some(ttl) if ttl > i32::MAX as u32 => Err(InvalidNamespace::SoaTtl(ttl)),
        _ => Ok(()),
    }
}

/// What nobody else has: several namespaces may have one name, and discovery knows one of each.
fn other_http_name(name: &str, id: NamespaceId) -> String {
    let suffix = id.as_str().replace("ns-", "-");
    let room = Namespace::MAX_HTTP_NAME_CHARS - suffix.len();
    format!("{name:.room$}{suffix}")
}

fn hosted_zone_id(id: NamespaceId) -> String {
    id.as_str().replace("ns-", "Z").to_ascii_uppercase()
}
