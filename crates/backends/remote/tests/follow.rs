//! What becomes here of what happens on the other side.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cartonym_backend_remote::{AccessKey, Options, Quotas, Remote};
use cartonym_registry::{
    Attributes, BackendError, HealthCheck, HealthCheckConfig, HealthCheckType, HealthStatus, InstanceId,
    LastSeen, NamespaceKind, NewNamespace, NewService, OpenError, Registry, Service, ServiceId, Tags,
    UpdateHealthError, Verdict, WriteError,
};
use tokio::time::Instant;

use common::{Other, until};

const WEB: &str = "web.svc.example";
const LOOKS: [&str; 2] = ["DiscoverInstances", "DiscoverInstancesRevision"];
const LISTS: [&str; 2] = ["ListNamespaces", "ListServices"];

async fn follow(options: Options) -> Registry {
    Registry::open(Arc::new(Remote::open(options)), Default::default()).await.unwrap()
}

/// One that has a file for what it saw last.
async fn open(other: &Other, last_seen: &LastSeen) -> Registry {
    let options = cartonym_registry::Options { last_seen: Some(last_seen.clone()), ..Default::default() };
    Registry::open(Arc::new(Remote::open(other.options())), options).await.unwrap()
}

fn kept_in(folder: &Path) -> LastSeen {
    LastSeen { path: folder.join("seen"), source: "other".into(), allow_empty: false }
}

/// Waits until `i1` is in the file.
async fn is_kept(last_seen: &LastSeen) {
    let is_there = || std::fs::read_to_string(&last_seen.path).is_ok_and(|text| text.contains("i1"));
    until("it is kept", is_there).await;
}

/// The instances of a registry and how fit they are, by their ids.
fn instances(registry: &Registry) -> Vec<(String, String, HealthStatus)> {
    let model = registry.model();
    let mut found = Vec::new();
    for entry in model.services() {
        found.extend(entry.instances.iter().map(|instance| {
            let attributes = format!("{:?}", instance.instance.attributes());
            (instance.instance.id().to_string(), attributes, instance.instance.status(&entry.service.health))
        }));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// The health of `i1`.
fn health(registry: &Registry) -> Option<HealthStatus> {
    instances(registry).into_iter().find(|(id, ..)| id == "i1").map(|(_, _, health)| health)
}

fn count(registry: &Registry) -> usize {
    registry.model().instance_count()
}

/// A service with one instance, `i1`, whose health is known so.
async fn checked(other: &Other, health: HealthCheck) -> Service {
    let namespace = NewNamespace {
        name: "pub.example".into(),
        kind: NamespaceKind::DnsPublic,
        description: Some("d".into()),
        soa_ttl: Some(7),
        creator_request_id: None,
        tags: Tags::default(),
    };
    other.registry.create_namespace(namespace).await.unwrap();
    let namespace = other.registry.model().namespaces().next().unwrap().namespace.id;
    let (name, description, tags) = ("api".into(), None, Tags::default());
    let new = NewService { namespace, name, description, dns: None, health, creator_request_id: None, tags };
    let service = other.registry.create_service(new).await.unwrap();
    put(other, service.id, "i1", &[("AWS_INSTANCE_IPV4", "192.0.2.1"), ("AWS_INSTANCE_PORT", "80")]).await;
    service
}

/// Removes what `checked` made.
async fn empty(other: &Other) {
    let service = other.registry.model().services().next().unwrap().service.clone();
    other.registry.deregister_instance(service.id, &id("i1")).await.unwrap();
    other.registry.delete_service(service.id).await.unwrap();
    other.registry.delete_namespace(service.namespace).await.unwrap();
}

async fn put(other: &Other, service: ServiceId, id: &str, attributes: &[(&str, &str)]) {
    let attributes = Attributes::new(attributes.iter().copied()).unwrap();
    other.registry.register_instance(service, id.parse().unwrap(), attributes, None).await.unwrap();
}

fn id(text: &str) -> InstanceId {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_is_the_same_here_and_so_is_each_change() {
    let other = Other::start().await;
    other.register(WEB, 1).await;
    let here = follow(other.options()).await;
    assert_eq!(instances(&here), instances(&other.registry));
    let services = |registry: &Registry| -> Vec<Service> {
        registry.model().services().map(|entry| entry.service.clone()).collect()
    };
    let [there] = &services(&other.registry)[..] else { panic!("one service") };
    let [followed] = &services(&here)[..] else { panic!("one service") };
    assert_eq!((followed.id, followed.namespace, &followed.name), (there.id, there.namespace, &there.name));
    assert_eq!(followed.created, there.created);
    assert_eq!(followed.dns.as_ref().unwrap().records, there.dns.as_ref().unwrap().records);

    other.register(WEB, 2).await;
    until("one more", || count(&here) == 2).await;
    let moved = ([192, 0, 2, 9], 80).into();
    other.registry.register(WEB, "i1", moved).await.unwrap();
    until("one moved", || instances(&here) == instances(&other.registry)).await;
    other.registry.deregister(WEB, "i1").await.unwrap();
    until("one less", || count(&here) == 1).await;
    other.register("db.other.example", 3).await;
    until("another service", || instances(&here) == instances(&other.registry)).await;
    assert_eq!(count(&here), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_there_is_gone_here() {
    let other = Other::start().await;
    other.register(WEB, 1).await;
    other.register("db.other.example", 2).await;
    let here = follow(other.options()).await;
    assert_eq!((here.model().namespaces().len(), here.model().services().len()), (2, 2));
    let service =
        other.registry.model().services().find(|entry| entry.service.name == "db").unwrap().service.clone();
    other.registry.deregister("db.other.example", "i2").await.unwrap();
    other.registry.delete_service(service.id).await.unwrap();
    until("no service", || here.model().services().len() == 1).await;
    other.registry.delete_namespace(service.namespace).await.unwrap();
    until("no namespace", || here.model().namespaces().len() == 1).await;
    assert_eq!(instances(&here), instances(&other.registry));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_what_the_other_side_says() {
    let other = Other::start().await;
    let custom = HealthCheck::Custom { failure_threshold: None };
    let service = checked(&other, custom).await;
    let here = follow(other.options()).await;
    for verdict in [Verdict::Unhealthy, Verdict::Healthy, Verdict::Unhealthy] {
        other.registry.update_custom_health(service.id, &id("i1"), verdict).await.unwrap();
        until("the verdict", || health(&here) == health(&other.registry)).await;
    }
    let said = here.update_custom_health(service.id, &id("i1"), Verdict::Healthy).await;
    assert!(matches!(said, Err(UpdateHealthError::Write(WriteError::ReadOnly))), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_checked_there_is_not_checked_here() {
    let other = Other::start().await;
    let check =
        HealthCheckConfig { kind: HealthCheckType::Tcp, resource_path: None, failure_threshold: None };
    let service = checked(&other, HealthCheck::Active(check)).await;
    let here = follow(other.options()).await;
    let model = here.model();
    assert!(model.service(service.id).unwrap().service.health.active().is_none());
    let namespace = &model.namespaces().next().unwrap().namespace;
    assert_eq!((namespace.description.as_deref(), namespace.soa_ttl), (Some("d"), Some(7)));
    drop(model);
    assert_eq!(health(&here), Some(HealthStatus::Healthy));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lasts_as_long_as_it_speaks_or_drains_is_the_other_sides_business() {
    let other = Other::start().await;
    let service = checked(&other, HealthCheck::None).await;
    put(&other, service.id, "i2", &[("CARTONYM_TTL", "3600"), ("CARTONYM_DRAIN", "3600")]).await;
    let here = follow(other.options()).await;
    assert!(instances(&other.registry)[1].1.contains("CARTONYM_TTL"));
    assert!(!instances(&here)[1].1.contains("CARTONYM_TTL"));
    other.registry.deregister_instance(service.id, &id("i2")).await.unwrap();
    until("it drains", || count(&here) == 1).await;
    assert_eq!(count(&other.registry), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_other_side_is_away_all_stays_as_it_was() {
    let other = Other::start().await;
    other.register(WEB, 1).await;
    let here = follow(other.options()).await;
    other.set_away(true);
    until("it is missed", || here.away_since().is_some()).await;
    other.register(WEB, 2).await;
    for _ in 0..50 {
        assert_eq!(count(&here), 1);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    other.set_away(false);
    until("it is back", || {
        assert!(count(&here) >= 1);
        count(&here) == 2 && here.away_since().is_none()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_without_the_other_side_serves_what_was_last_seen() {
    let folder = tempfile::tempdir().unwrap();
    let last_seen = kept_in(folder.path());
    let other = Other::start().await;
    other.register(WEB, 1).await;
    let here = open(&other, &last_seen).await;
    is_kept(&last_seen).await;
    drop(here);

    other.set_away(true);
    let refused = Registry::open(Arc::new(Remote::open(other.options())), Default::default()).await;
    assert!(matches!(refused.err(), Some(OpenError::Backend(_))));
    let elsewhere = LastSeen { source: "elsewhere".into(), ..last_seen.clone() };
    let options = cartonym_registry::Options { last_seen: Some(elsewhere), ..Default::default() };
    let refused = Registry::open(Arc::new(Remote::open(other.options())), options).await;
    assert!(matches!(refused.err(), Some(OpenError::Backend(_))), "what was seen is another's");
    let here = open(&other, &last_seen).await;
    assert_eq!(instances(&here), instances(&other.registry));
    assert!(here.away_since().is_some());
    other.register(WEB, 2).await;
    other.set_away(false);
    until("it is back", || count(&here) == 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_who_is_too_busy_is_pressed() {
    let other = Other::start().await;
    other.register(WEB, 1).await;
    let here = follow(other.options()).await;
    other.set_busy(true);
    let [looks, lists] = [LOOKS, LISTS].map(|kind| other.calls(&kind));
    until("it is missed", || here.away_since().is_some()).await;
    // Every 320 ms, at the most, once each has failed four times.
    until("the fifth of each", || other.calls(&LOOKS) > looks + 4 && other.calls(&LISTS) > lists + 4).await;
    let (before, begin) = (other.calls(&[LOOKS, LISTS].concat()), Instant::now());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let calls = other.calls(&[LOOKS, LISTS].concat()) - before;
    let most = begin.elapsed().as_millis() / 280 + 1;
    assert!(calls as u128 <= 2 * most, "{calls} calls, {most} of each kind were due");
    assert_eq!(count(&here), 1);
    other.set_busy(false);
    other.register(WEB, 2).await;
    until("it has time again", || count(&here) == 2 && here.away_since().is_none()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_is_asked_than_there_is_a_quota_for() {
    let other = Other::start().await;
    for number in 1..=5 {
        other.register(&format!("s{number}.svc.example"), number).await;
    }
    let quotas = Quotas { listings: 5, discoveries: 20 };
    let begin = Instant::now();
    let options = Options { quotas: Some(quotas), poll: Some(Duration::from_millis(1)), ..other.options() };
    let here = follow(options).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (lists, looks) = (other.calls(&LISTS), other.calls(&LOOKS));
    // A few are made at once after a rest.
    let due = |a_second: f64| (a_second * begin.elapsed().as_secs_f64()) as usize + 3;
    assert!(lists <= due(5.0) && looks <= due(20.0), "{lists} lists, {looks} looks");
    assert!(lists >= 2 && looks >= 5);
    assert_eq!(count(&here), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_changes_only_the_revision_is_asked_for() {
    let other = Other::start().await;
    other.register(WEB, 1).await;
    let _here = follow(other.options()).await;
    let asked = other.calls(&["DiscoverInstancesRevision"]);
    until("some looks", || other.calls(&["DiscoverInstancesRevision"]) > asked + 5).await;
    assert_eq!(other.calls(&["DiscoverInstances"]), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_side_that_was_emptied_changes_nothing_unless_it_may() {
    let other = Other::start().await;
    checked(&other, HealthCheck::None).await;
    let here = follow(other.options()).await;
    let obedient = follow(Options { allow_empty: true, ..other.options() }).await;
    empty(&other).await;
    until("nothing is there", || obedient.model().namespaces().len() == 0).await;
    until("it is missed", || here.away_since().is_some()).await;
    assert_eq!(here.model().namespaces().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_side_that_was_emptied_before_the_start_changes_nothing_either() {
    let folder = tempfile::tempdir().unwrap();
    let last_seen = kept_in(folder.path());
    let other = Other::start().await;
    checked(&other, HealthCheck::None).await;
    let here = open(&other, &last_seen).await;
    is_kept(&last_seen).await;
    drop(here);
    empty(&other).await;
    let here = open(&other, &last_seen).await;
    assert_eq!((here.model().namespaces().len(), count(&here)), (1, 1));
    other.register(WEB, 2).await;
    until("what is there now", || instances(&here) == instances(&other.registry)).await;
    assert_eq!(here.model().namespaces().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_instances_than_one_answer_holds_are_all_there() {
    let other = Other::start().await;
    let service = checked(&other, HealthCheck::Custom { failure_threshold: None }).await;
    for number in 2..=1050 {
        put(&other, service.id, &format!("i{number}"), &[("AWS_INSTANCE_IPV4", "192.0.2.1")]).await;
    }
    other.registry.update_custom_health(service.id, &id("i7"), Verdict::Unhealthy).await.unwrap();
    let here = follow(other.options()).await;
    assert_eq!(count(&here), 1050);
    assert_eq!(instances(&here), instances(&other.registry));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_namespaces_that_are_named_are_followed() {
    let other = Other::start().await;
    other.register(WEB, 1).await;
    other.register("db.other.example", 2).await;
    let here = follow(Options { namespaces: vec!["OTHER.example".into()], ..other.options() }).await;
    let model = here.model();
    assert_eq!(model.namespaces().map(|entry| &*entry.namespace.name).collect::<Vec<_>>(), ["other.example"]);
    assert_eq!(model.services().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_the_wrong_keys_is_told_nothing() {
    let other = Other::start().await;
    other.register(WEB, 1).await;
    let wrong = AccessKey { id: "AKID".into(), secret: "loud".into() };
    let remote = Remote::open(Options { key: Some(wrong), ..other.options() });
    let refused = Registry::open(Arc::new(remote), Default::default()).await;
    assert!(matches!(refused.err(), Some(OpenError::Backend(_))));
}

/// A hundred services of an instance each.
async fn hundred() -> Other {
    let other = Other::start().await;
    for number in 0..100 {
        other.register(&format!("s{number}.svc.example"), number).await;
    }
    other
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_ends_where_the_other_side_refuses() {
    let other = hundred().await;
    let here = follow(Options { poll: Some(Duration::from_secs(2)), ..other.options() }).await;
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refused);
    other.refuse(move |operation, _| {
        LOOKS.contains(&operation).then(|| {
            counted.fetch_add(1, Ordering::SeqCst);
            "RequestLimitExceeded"
        })
    });
    until("it is missed", || here.away_since().is_some()).await;
    let refused = refused.load(Ordering::SeqCst);
    assert!((1..=32).contains(&refused), "{refused} calls, of which sixteen are made together");
    assert_eq!(count(&here), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_goes_on_where_it_was_refused() {
    let other = hundred().await;
    let mut calls = 0;
    other.refuse(move |operation, _| {
        calls += usize::from(LOOKS.contains(&operation));
        (calls % 30 == 29 && LOOKS.contains(&operation)).then_some("RequestLimitExceeded")
    });
    let here = follow(other.options()).await;
    assert_eq!(count(&here), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_goes_on_where_listing_is_refused_once() {
    let other = Other::start().await;
    other.register(WEB, 1).await;
    let mut refusals = LISTS.map(|operation| (operation, "ThrottlingException")).to_vec();
    other.refuse(move |operation, _| {
        let refused = refusals.iter().position(|(refused, _)| *refused == operation)?;
        Some(refusals.remove(refused).1)
    });
    assert_eq!(count(&follow(other.options()).await), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_a_service_that_fails_twice_and_not_for_one_that_always_fails() {
    let other = Other::start().await;
    other.register(WEB, 1).await;
    other.register("db.svc.example", 2).await;
    let mut left = 2;
    other.refuse(move |operation, body| {
        let is_refused = LOOKS.contains(&operation) && body.contains("\"db\"") && left > 0;
        left -= usize::from(is_refused);
        is_refused.then_some("InternalFailure")
    });
    assert_eq!(count(&follow(other.options()).await), 2);
    other.refuse(|operation, body| {
        (LOOKS.contains(&operation) && body.contains("\"db\"")).then_some("InternalFailure")
    });
    let refused = Registry::open(Arc::new(Remote::open(other.options())), Default::default()).await;
    let Some(OpenError::Backend(BackendError::Unavailable(error))) = refused.err() else { panic!("opened") };
    assert!(error.to_string().contains("db.svc.example"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_fails_is_asked_for_seldom_and_slows_no_other() {
    let other = Other::start().await;
    other.register(WEB, 1).await;
    other.register("db.svc.example", 2).await;
    let here = follow(other.options()).await;
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refused);
    other.refuse(move |operation, body| {
        let is_refused = LOOKS.contains(&operation) && body.contains("\"db\"");
        counted.fetch_add(usize::from(is_refused), Ordering::SeqCst);
        is_refused.then_some("InternalFailure")
    });
    let before = other.calls(&LOOKS);
    until("many looks", || other.calls(&LOOKS) > before + 100).await;
    let refused = refused.load(Ordering::SeqCst);
    assert!((1..40).contains(&refused), "{refused} of a hundred");
    other.register(WEB, 3).await;
    until("the other service is followed", || count(&here) == 3).await;
    assert!(here.away_since().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_is_removed_while_it_is_listed_is_left_out() {
    let other = Other::start().await;
    other.register(WEB, 1).await;
    other.register("db.other.example", 2).await;
    let gone = {
        let model = other.registry.model();
        let entry = model.namespaces().find(|entry| entry.namespace.name == "other.example").unwrap();
        entry.namespace.id.as_str().to_owned()
    };
    other.refuse(move |operation, body| {
        (operation == "ListServices" && body.contains(&gone)).then_some("NamespaceNotFound")
    });
    let here = follow(other.options()).await;
    assert_eq!((here.model().namespaces().len(), count(&here)), (1, 1));
}
