//! DiscoverInstances and DiscoverInstancesRevision: what clients ask instead of DNS.

use std::collections::BTreeMap;

use bytes::Bytes;
use cartonym_registry::{HealthStatus, Instance, Model, NamespaceEntry, ServiceEntry};

use super::words;
use crate::call::{Call, namespace_not_found, service_not_found};
use crate::fault::Fault;
use crate::types::discover::{
    DiscoverInstancesRequest, DiscoverInstancesResponse, DiscoverInstancesRevisionRequest,
    DiscoverInstancesRevisionResponse, HealthStatusFilter, HttpInstanceSummary,
};

pub(super) fn instances(call: &Call<'_>, request: &DiscoverInstancesRequest) -> Result<Bytes, Fault> {
    let model = call.registry.model();
    let owner = request.owner_account.as_deref();
    let (namespace, service) = find(call, &model, &request.namespace_name, &request.service_name, owner)?;
    let check = &service.service.health;
    let mut chosen = choose(call, service, request);
    shuffle(&mut chosen, (call.config.random)());
    let instances = chosen.into_iter().map(|instance| HttpInstanceSummary {
        instance_id: instance.id().as_str(),
        namespace_name: &namespace.namespace.http_name,
        service_name: &service.service.name,
        health_status: words::health(instance.status(check)),
        attributes: instance.attributes(),
    });
    let instances_revision = service.instances_revision.0;
    // Written while the model is held: copying the instances out first would cost more than writing them.
    call.reply(&DiscoverInstancesResponse { instances: instances.collect(), instances_revision })
}

pub(super) fn revision(call: &Call<'_>, request: &DiscoverInstancesRevisionRequest) -> Result<Bytes, Fault> {
    let model = call.registry.model();
    let owner = request.owner_account.as_deref();
    let (_, service) = find(call, &model, &request.namespace_name, &request.service_name, owner)?;
    call.reply(&DiscoverInstancesRevisionResponse { instances_revision: service.instances_revision.0 })
}

fn find<'m>(
    call: &Call<'_>,
    model: &'m Model,
    namespace: &str,
    service: &str,
    owner: Option<&str>,
) -> Result<(&'m NamespaceEntry, &'m ServiceEntry), Fault> {
    let within = model.namespace_by_http_name(namespace).filter(|_| call.owns(owner));
    let within = within.ok_or_else(|| namespace_not_found(namespace))?;
    let found = model.service_by_name(within.namespace.id, service);
    Ok((within, found.ok_or_else(|| service_not_found(service))?))
}

/// The instances to answer: of those that match, some from a random place on.
///
/// Health decides before the optional parameters narrow, or else their one match might be unfit.
fn choose<'m>(
    call: &Call<'_>,
    service: &'m ServiceEntry,
    request: &DiscoverInstancesRequest,
) -> Vec<&'m Instance> {
    let max = request.max_results.unwrap_or(DEFAULT_MAX_RESULTS);
    let start = usize::try_from((call.config.random)()).unwrap_or_default();
    let filter = request.health_status.unwrap_or(HealthStatusFilter::Healthy);
    let (query, optional) = (request.query_parameters.as_ref(), request.optional_parameters.as_ref());
    let matching = || {
        let all = service.instances.from_position(start).map(|entry| &entry.instance);
        all.filter(|instance| query.is_none_or(|query| matches(instance, query)))
    };
    let shown = || matching().filter(|instance| shows(filter, instance.status(&service.service.health)));
    let chosen = narrow(shown, optional, max);
    if chosen.is_empty() && filter == HealthStatusFilter::HealthyOrElseAll {
        // Who drains was sent home: nobody is to begin with it, as bad as the others may be.
        return narrow(|| matching().filter(|instance| instance.draining_until().is_none()), optional, max);
    }
    chosen
}

/// Up to `max` of those that match the optional parameters, or of all if none does.
fn narrow<'m, I: Iterator<Item = &'m Instance>>(
    instances: impl Fn() -> I,
    optional: Option<&BTreeMap<String, String>>,
    max: usize,
) -> Vec<&'m Instance> {
    if let Some(optional) = optional {
        let narrowed: Vec<_> = instances().filter(|instance| matches(instance, optional)).take(max).collect();
        if !narrowed.is_empty() {
            return narrowed;
        }
    }
    instances().take(max).collect()
}

fn matches(instance: &Instance, parameters: &BTreeMap<String, String>) -> bool {
    parameters.iter().all(|(key, value)| instance.attributes().get(key) == Some(value))
}

/// Whether the filter shows an instance of this health; without a check, health is no reason to hide one.
fn shows(filter: HealthStatusFilter, status: HealthStatus) -> bool {
    match (filter, status) {
        (_, HealthStatus::Unknown) | (HealthStatusFilter::All, _) => true,
        (HealthStatusFilter::Unhealthy, status) => status == HealthStatus::Unhealthy,
        (HealthStatusFilter::Healthy | HealthStatusFilter::HealthyOrElseAll, status) => {
            status == HealthStatus::Healthy
        }
    }
}

/// Fisher and Yates, from one random number: callers that take the first instance must not all take the same.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for end in (1..items.len()).rev() {
        // A step of a linear congruential generator (Knuth's MMIX), of which the high half is random enough.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = ((state >> 32) * (end as u64 + 1)) >> 32;
        items.swap(end, at as usize);
    }
}

const DEFAULT_MAX_RESULTS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_comes_first_about_equally_often() {
        let mut firsts = [0; 5];
        for seed in 0..1000_u64 {
            let mut items = [0, 1, 2, 3, 4];
            shuffle(&mut items, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            firsts[items[0]] += 1;
        }
        assert!(firsts.iter().all(|n| (150..250).contains(n)), "{firsts:?}");
    }
}
