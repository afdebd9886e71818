//! GetOperation and ListOperations: how far it is what was asked for.

use std::collections::BTreeMap;

use bytes::Bytes;
use cartonym_registry::{
    Failure, Model, Operation, OperationEntry, OperationId, OperationStatus, Outcome, Revision,
};

use super::words;
use crate::call::Call;
use crate::fault::{Code, Fault};
use crate::filter::{Test, refused};
use crate::page::Page;
use crate::timestamp::Epoch;
use crate::types::operation::{
    Condition, GetOperationRequest, GetOperationResponse, ListOperationsRequest, ListOperationsResponse,
    OperationFilter, OperationFilterName, OperationSummary, OperationView,
};

pub(super) fn get(call: &Call<'_>, request: &GetOperationRequest) -> Result<Bytes, Fault> {
    let model = call.registry.model();
    let published = call.registry.published();
    let id: Option<OperationId> = request.operation_id.parse().ok();
    let id = id.filter(|_| call.owns(request.owner_account.as_deref()));
    let Some(entry) = id.and_then(|id| model.operation(id)) else {
        let message = format!("No operation {} is known.", request.operation_id);
        return Err(Fault::new(Code::OperationNotFound, message));
    };
    call.reply(&GetOperationResponse { operation: view(call, entry, published) })
}

pub(super) fn list(call: &Call<'_>, request: &ListOperationsRequest) -> Result<Bytes, Fault> {
    let filters = request.filters.iter().flatten().map(Filter::new).collect::<Result<Vec<_>, _>>()?;
    let page = Page::new("ListOperations", request.max_results);
    let after: Option<OperationId> = page.after(request.next_token.as_deref())?;
    let model = call.registry.model();
    let published = call.registry.published();
    let listed = page.take(
        entries(&model, after),
        |entry| entry.operation.id.as_str(),
        |entry| {
            let status = entry.status(published);
            let wanted = filters.iter().all(|filter| filter.accepts(&entry.operation, status));
            wanted.then(|| OperationSummary {
                id: entry.operation.id.as_str(),
                status: words::operation_status(status),
            })
        },
    );
    call.reply(&ListOperationsResponse { operations: listed.entries, next_token: listed.next_token })
}

fn entries(model: &Model, after: Option<OperationId>) -> Box<dyn Iterator<Item = &OperationEntry> + '_> {
    match after {
        Some(after) => Box::new(model.operations_after(after)),
        None => Box::new(model.operations()),
    }
}

fn view<'m>(call: &Call<'m>, entry: &'m OperationEntry, published: Revision) -> OperationView<'m> {
    let operation = &entry.operation;
    let failure = match &operation.outcome {
        Outcome::Failed(failure) => Some(failure),
        Outcome::Committed => None,
    };
    let targets = &operation.targets;
    let named = [
        ("NAMESPACE", targets.namespace.as_ref().map(|id| id.as_str())),
        ("SERVICE", targets.service.as_ref().map(|id| id.as_str())),
        ("INSTANCE", targets.instance.as_ref().map(|id| id.as_str())),
    ];
    OperationView {
        id: operation.id.as_str(),
        owner_account: call.account(),
        kind: words::operation_kind(operation.kind),
        status: words::operation_status(entry.status(published)),
        error_message: failure.map(|failure| failure_message(call, failure)),
        error_code: failure.map(failure_code),
        create_date: Epoch(operation.created),
        update_date: Epoch(operation.updated),
        targets: named.into_iter().filter_map(|(kind, id)| Some((kind, id?))).collect::<BTreeMap<_, _>>(),
    }
}

fn failure_code(failure: &Failure) -> &'static str {
    match failure {
        Failure::OverlappingZone { .. } => "CANNOT_CREATE_HOSTED_ZONE",
        _ => "INTERNAL_FAILURE",
    }
}

fn failure_message(call: &Call<'_>, failure: &Failure) -> String {
    match failure {
        Failure::OverlappingZone { vpc, name } => format!(
            "The VPC that you chose, {vpc} in region {}, is already associated with another private hosted zone \
             that has an overlapping name space, {name}. (Service: AmazonRoute53; Status Code: 400; \
             Error Code: ConflictingDomainExists)",
            call.region
        ),
        _ => "The operation failed.".to_owned(),
    }
}

/// A filter of ListOperations, with its values read.
enum Filter<'a> {
    Namespace(Test<'a>),
    Service(Test<'a>),
    Status(Test<'a>),
    Kind(Test<'a>),
    /// Updated within these, in milliseconds since the epoch.
    Updated(f64, f64),
}

impl<'a> Filter<'a> {
    fn new(filter: &'a OperationFilter) -> Result<Filter<'a>, Fault> {
        use Condition::{Between, Eq, In};
        let test =
            |allowed: &[Condition]| Test::new(filter.name.word(), filter.condition, &filter.values, allowed);
        Ok(match filter.name {
            OperationFilterName::NamespaceId => Filter::Namespace(test(&[Eq])?),
            OperationFilterName::ServiceId => Filter::Service(test(&[Eq])?),
            OperationFilterName::Status => Filter::Status(test(&[Eq, In])?),
            OperationFilterName::Type => Filter::Kind(test(&[Eq, In])?),
            // With two values and no condition, a range is all that can be meant.
            OperationFilterName::UpdateDate => {
                let condition = filter.condition.or(Some(Between));
                match Test::new(filter.name.word(), condition, &filter.values, &[Between])? {
                    Test::Between(first, last) => Filter::Updated(millis(first)?, millis(last)?),
                    _ => return Err(refused("The filter UPDATE_DATE takes a range.")),
                }
            }
        })
    }

    fn accepts(&self, operation: &Operation, status: OperationStatus) -> bool {
        let targets = &operation.targets;
        match self {
            Filter::Namespace(test) => targets.namespace.as_ref().is_some_and(|id| test.accepts(id.as_str())),
            Filter::Service(test) => targets.service.as_ref().is_some_and(|id| test.accepts(id.as_str())),
            Filter::Status(test) => test.accepts(words::operation_status(status)),
            Filter::Kind(test) => test.accepts(words::operation_kind(operation.kind)),
            Filter::Updated(first, last) => {
                (*first..=*last).contains(&(operation.updated.as_millis() as f64))
            }
        }
    }
}

/// Reads epoch seconds, with or without a fraction.
fn millis(text: &str) -> Result<f64, Fault> {
    let seconds = text.parse().ok().filter(|seconds: &f64| seconds.is_finite());
    seconds
        .map(|seconds| seconds * 1_000.0)
        .ok_or_else(|| refused(format!("The filter UPDATE_DATE takes Unix timestamps; '{text}' is not one.")))
}
