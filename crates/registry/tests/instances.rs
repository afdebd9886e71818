//! Instances: registered, refused, judged, deregistered.

mod common;

use cartonym_registry::RecordType::*;
use cartonym_registry::*;
use common::*;

const LB: &str = "lb.example";

/// Registers in a new service of these records, and tells what became of it.
async fn try_register(
    new: impl Fn(NamespaceId) -> NewService,
    kind: NewNamespace,
    pairs: &[(&str, &str)],
) -> Result<Instance, InvalidInstance> {
    let registry = Registry::in_memory();
    let namespace = create(&registry, kind).await;
    let service = registry.create_service(new(namespace)).await.unwrap().id;
    match registry.register_instance(service, id("i-1"), attributes(pairs), None).await {
        Ok(_) => Ok(registry.model().instance(service, "i-1").unwrap().instance.clone()),
        Err(RegisterInstanceError::Invalid(invalid)) => Err(invalid),
        Err(other) => panic!("{other}"),
    }
}

async fn in_public(records: &[RecordType], pairs: &[(&str, &str)]) -> Result<Instance, InvalidInstance> {
    try_register(|namespace| service(namespace, "web", records), public("svc.example"), pairs).await
}

async fn in_weighted(records: &[RecordType], pairs: &[(&str, &str)]) -> Result<Instance, InvalidInstance> {
    try_register(|namespace| weighted(service(namespace, "web", records)), public("svc.example"), pairs).await
}

async fn in_http(pairs: &[(&str, &str)]) -> Result<Instance, InvalidInstance> {
    try_register(|namespace| service(namespace, "web", &[]), http("h"), pairs).await
}

#[tokio::test]
async fn an_instance_has_what_its_records_need() {
    use InvalidInstance::Missing;
    let (v4, v6, port) = ((key::IPV4, "192.0.2.1"), (key::IPV6, "2001:db8::1"), (key::PORT, "80"));
    let missing = |key| Err(Missing(key));
    let outcome = |result: Result<Instance, _>| result.map(drop);

    assert_eq!(outcome(in_public(&[A], &[v4]).await), Ok(()));
    assert_eq!(outcome(in_public(&[A], &[v6]).await), missing(key::IPV4));
    assert_eq!(outcome(in_public(&[Aaaa], &[v4]).await), missing(key::IPV6));
    assert_eq!(outcome(in_public(&[A, Aaaa], &[v4]).await), Ok(()));
    assert_eq!(outcome(in_public(&[A, Aaaa], &[v6]).await), Ok(()));
    assert_eq!(outcome(in_public(&[A, Aaaa], &[port]).await), missing(key::IPV4));
    assert_eq!(outcome(in_public(&[Srv], &[v4, port]).await), Ok(()));
    assert_eq!(outcome(in_public(&[Srv], &[v6, port]).await), Ok(()));
    assert_eq!(outcome(in_public(&[Srv], &[v4]).await), missing(key::PORT));
    assert_eq!(outcome(in_public(&[Srv], &[port]).await), missing(key::IPV4));
    assert_eq!(outcome(in_public(&[A, Srv], &[v4]).await), missing(key::PORT));
    assert_eq!(outcome(in_public(&[Cname], &[(key::CNAME, "www.example.")]).await), Ok(()));
    assert_eq!(outcome(in_public(&[Cname], &[v4]).await), missing(key::CNAME));
    let tcp = |namespace| checked(service(namespace, "web", &[A]), HealthCheckType::Tcp);
    assert_eq!(outcome(try_register(tcp, public("svc.example"), &[v4]).await), missing(key::PORT));
    assert_eq!(outcome(in_http(&[]).await), Ok(()));
}

#[tokio::test]
async fn what_attributes_mean_is_read_once() {
    let pairs = [
        (key::IPV4, "192.0.2.1"),
        (key::IPV6, "2001:0db8::0001"),
        (key::PORT, "8080"),
        (key::WEIGHT, "255"),
        (key::CNAME, "www.example"),
    ];
    let instance = in_http(&pairs).await.unwrap();
    assert_eq!(instance.ipv4(), Some("192.0.2.1".parse().unwrap()));
    assert_eq!(instance.ipv6(), Some("2001:db8::1".parse().unwrap()));
    assert_eq!((instance.port(), instance.weight()), (Some(8080), 255));
    assert_eq!((instance.cname(), instance.alias()), (Some("www.example"), None));
    assert_eq!(in_http(&[]).await.unwrap().weight(), 1);
}

#[tokio::test]
async fn values_that_are_not_what_their_key_says_are_refused() {
    let wrong = [
        (key::IPV4, "300.1.1.1"),
        (key::IPV4, "2001:db8::1"),
        (key::IPV4, "010.0.0.1"),
        (key::IPV6, "2001:db8:::1"),
        (key::PORT, "65536"),
        (key::PORT, "http"),
        (key::PORT, "+80"),
        (key::PORT, "0"),
        (key::PORT, ""),
        (key::WEIGHT, "0"),
        (key::WEIGHT, "256"),
        (key::INIT_HEALTH, "MAYBE"),
    ];
    for (key, value) in wrong {
        assert_eq!(
            in_http(&[(key, value)]).await.map(drop),
            Err(InvalidInstance::Value(key, value.to_owned())),
            "{key} {value}"
        );
    }
    let refused = in_http(&[(key::IPV4, "10.0.0")]).await.unwrap_err();
    let said =
        "the value of attribute AWS_INSTANCE_IPV4, \"10.0.0\", is not an IPv4 address, such as 192.0.2.1";
    assert_eq!(refused.to_string(), said);
    for name in ["", "a..b", "a b", &format!("{}.example", "a".repeat(64))] {
        let refused = in_public(&[Cname], &[(key::CNAME, name)]).await;
        assert!(matches!(refused, Err(InvalidInstance::Name(key::CNAME, _))), "{name}");
    }
}

#[tokio::test]
async fn an_alias_stands_alone_in_a_weighted_service_of_addresses() {
    use InvalidInstance::*;
    assert_eq!(in_weighted(&[A], &[(key::ALIAS, LB)]).await.unwrap().alias(), Some(LB));
    assert!(
        in_weighted(&[A, Aaaa], &[(key::ALIAS, LB), ("color", "blue"), (key::WEIGHT, "3")]).await.is_ok()
    );
    let beside = in_weighted(&[A], &[(key::ALIAS, LB), (key::IPV4, "192.0.2.1")]).await;
    assert_eq!(beside, Err(AliasBeside(key::IPV4.into())));
    assert_eq!(in_public(&[A], &[(key::ALIAS, LB)]).await, Err(AliasNotWeighted));
    assert_eq!(in_weighted(&[Cname], &[(key::ALIAS, LB)]).await, Err(AliasWithoutAddress));
    assert_eq!(in_http(&[(key::ALIAS, LB)]).await, Err(AliasWithoutAddress));
    assert!(matches!(in_weighted(&[A], &[(key::ALIAS, "a..b")]).await, Err(Name(key::ALIAS, _))));
}

#[tokio::test]
async fn a_machine_is_for_http_namespaces_and_stands_alone() {
    let machine = (key::EC2_INSTANCE, "i-0123");
    assert!(in_http(&[machine, (key::INIT_HEALTH, "HEALTHY")]).await.is_ok());
    let beside = in_http(&[machine, (key::IPV4, "192.0.2.1")]).await;
    assert_eq!(beside, Err(InvalidInstance::Ec2Beside(key::IPV4.into())));
    assert_eq!(in_public(&[A], &[machine, (key::IPV4, "192.0.2.1")]).await, Err(InvalidInstance::Ec2InDns));
}

#[tokio::test]
async fn an_srv_record_needs_an_instance_name_that_dns_can_hold() {
    let registry = Registry::in_memory();
    let namespace = create(&registry, public(&format!("{}.example", "n".repeat(60)))).await;
    let long = ["s"; 60].concat();
    let names =
        registry.create_service(service(namespace, &format!("{long}.{long}"), &[Srv])).await.unwrap().id;
    let addresses = registry.create_service(service(namespace, "web", &[A])).await.unwrap().id;
    let given = attributes(&[(key::IPV4, "192.0.2.1"), (key::PORT, "80")]);
    for name in ["a..b", ".a", "a.", &"i".repeat(64), &format!("{}.{}", "i".repeat(31), "j".repeat(32))] {
        let refused = registry.register_instance(names, id(name), given.clone(), None).await;
        assert!(
            matches!(refused, Err(RegisterInstanceError::Invalid(InvalidInstance::OwnName(_)))),
            "{name}"
        );
        registry.register_instance(addresses, id(name), given.clone(), None).await.unwrap();
    }
    for name in ["a.b", "a/b", "a:b", "a@b", &"i".repeat(60)] {
        registry.register_instance(names, id(name), given.clone(), None).await.unwrap();
    }
}

#[tokio::test]
async fn registering_again_replaces_everything() {
    let registry = Registry::in_memory();
    let service = public_service(&registry, &[A]).await;
    let first = attributes(&[(key::IPV4, "192.0.2.1"), ("color", "blue")]);
    registry.register_instance(service, id("i"), first, Some("a")).await.unwrap();
    let operation = registry.register_instance(service, id("i"), at("192.0.2.2"), None).await.unwrap();

    let seen = registry.operation(operation).unwrap();
    let targets = Targets { namespace: None, service: Some(service), instance: Some(id("i")) };
    assert_eq!((seen.operation.kind, seen.operation.targets), (OperationKind::RegisterInstance, targets));
    assert_eq!(seen.status, OperationStatus::Success);
    let model = registry.model();
    let stands = &model.instance(service, "i").unwrap().instance;
    assert_eq!((stands.attributes(), stands.creator_request_id()), (&at("192.0.2.2"), None));
    assert_eq!(model.instance_count(), 1);
}

#[tokio::test]
async fn the_same_request_again_has_the_same_operation_while_what_it_made_stands() {
    let registry = Registry::in_memory();
    let service = public_service(&registry, &[A]).await;
    let again =
        async |address| registry.register_instance(service, id("i"), at(address), Some("r")).await.unwrap();
    let first = again("192.0.2.1").await;
    assert_eq!(again("192.0.2.1").await, first);
    assert_ne!(again("192.0.2.2").await, first);
    let second = again("192.0.2.1").await;
    assert_ne!(second, first);
    registry.deregister_instance(service, &id("i")).await.unwrap();
    assert_ne!(again("192.0.2.1").await, second);
    assert!(registry.model().instance(service, "i").is_some());
}

#[tokio::test]
async fn the_same_request_again_brings_one_back_that_was_found_silent() {
    let registry = Registry::in_memory();
    let namespace = create(&registry, public("svc.example")).await;
    let service = registry.create_service(custom(service(namespace, "web", &[A]))).await.unwrap().id;
    let again =
        async || registry.register_instance(service, id("i"), at("192.0.2.1"), Some("r")).await.unwrap();
    let health = || registry.model().health_of(service, &id("i"));
    let first = again().await;
    registry.set_health(&[unfit(&registry, service, "i")]).await.unwrap();
    assert_eq!(health(), Some(HealthStatus::Unhealthy));
    assert_ne!(again().await, first);
    assert_eq!(health(), Some(HealthStatus::Healthy));

    // What somebody said is not taken back by a request that was made before.
    let second = again().await;
    registry.update_custom_health(service, &id("i"), Verdict::Unhealthy).await.unwrap();
    assert_eq!(again().await, second);
    assert_eq!(health(), Some(HealthStatus::Unhealthy));
}

#[tokio::test]
async fn a_deregistered_instance_is_gone() {
    let registry = Registry::in_memory();
    let service = public_service(&registry, &[A]).await;
    registry.register_instance(service, id("i"), at("192.0.2.1"), None).await.unwrap();
    let before = registry.model().instances_revision(service).unwrap();
    let operation = registry.deregister_instance(service, &id("i")).await.unwrap();
    assert_eq!(registry.operation(operation).unwrap().operation.kind, OperationKind::DeregisterInstance);
    assert!(registry.model().instances(service).unwrap().is_empty());
    assert!(registry.model().instances_revision(service).unwrap() > before);
    let refused = registry.deregister_instance(service, &id("i")).await;
    assert!(matches!(refused, Err(DeregisterInstanceError::InstanceNotFound)));
}

#[tokio::test]
async fn custom_health_is_what_was_last_said() {
    let registry = Registry::in_memory();
    let namespace = create(&registry, public("svc.example")).await;
    let service = registry.create_service(custom(service(namespace, "web", &[A]))).await.unwrap().id;
    let sick = attributes(&[(key::IPV4, "192.0.2.2"), (key::INIT_HEALTH, "UNHEALTHY")]);
    registry.register_instance(service, id("a"), at("192.0.2.1"), None).await.unwrap();
    registry.register_instance(service, id("b"), sick, None).await.unwrap();
    let health = |name: &str| registry.model().health_of(service, &id(name));
    assert_eq!((health("a"), health("b")), (Some(HealthStatus::Healthy), Some(HealthStatus::Unhealthy)));

    registry.update_custom_health(service, &id("a"), Verdict::Unhealthy).await.unwrap();
    assert_eq!(health("a"), Some(HealthStatus::Unhealthy));
    let revision = registry.published();
    registry.update_custom_health(service, &id("a"), Verdict::Unhealthy).await.unwrap();
    assert_eq!(registry.published(), revision);

    registry.register_instance(service, id("a"), at("192.0.2.1"), None).await.unwrap();
    assert_eq!(health("a"), Some(HealthStatus::Healthy));
    let missing = registry.update_custom_health(service, &id("c"), Verdict::Healthy).await;
    assert!(matches!(missing, Err(UpdateHealthError::InstanceNotFound)));
}

#[tokio::test]
async fn a_checked_instance_is_healthy_until_it_is_found_not_to_be() {
    let registry = Registry::in_memory();
    let namespace = create(&registry, public("svc.example")).await;
    let new = checked(service(namespace, "web", &[A]), HealthCheckType::Tcp);
    let service = registry.create_service(new).await.unwrap().id;
    let given = attributes(&[(key::IPV4, "192.0.2.1"), (key::PORT, "80")]);
    registry.register_instance(service, id("i"), given, None).await.unwrap();
    let health = || registry.model().health_of(service, &id("i"));
    assert_eq!(health(), Some(HealthStatus::Healthy));
    let found = unfit(&registry, service, "i");
    let of_another = Finding { registered: Timestamp::from_millis(1), ..found.clone() };
    registry.set_health(&[of_another]).await.unwrap();
    assert_eq!(health(), Some(HealthStatus::Healthy));
    let gone = Finding { instance: id("gone"), ..found.clone() };
    let before = registry.published();
    registry.set_health(&[gone, found.clone()]).await.unwrap();
    assert_eq!(health(), Some(HealthStatus::Unhealthy));
    registry.set_health(&[found]).await.unwrap();
    assert_eq!(registry.published(), before.next());
    let said = registry.update_custom_health(service, &id("i"), Verdict::Healthy).await;
    assert!(matches!(said, Err(UpdateHealthError::OtherCheck)));
}

#[tokio::test]
async fn a_checked_instance_may_begin_as_unhealthy() {
    let options = Options { unhealthy_until_checked: true, ..Options::default() };
    let registry = Registry::open(std::sync::Arc::new(MemoryBackend::new()), options).await.unwrap();
    let namespace = create(&registry, public("svc.example")).await;
    for (name, new) in [("web", HealthStatus::Unhealthy), ("other", HealthStatus::Unknown)] {
        let mut wanted = service(namespace, name, &[A]);
        if name == "web" {
            wanted = checked(wanted, HealthCheckType::Tcp);
        }
        let service = registry.create_service(wanted).await.unwrap().id;
        let given = attributes(&[(key::IPV4, "192.0.2.1"), (key::PORT, "80")]);
        registry.register_instance(service, id("i"), given, None).await.unwrap();
        assert_eq!(registry.model().health_of(service, &id("i")), Some(new));
    }
}

#[tokio::test]
async fn a_follower_learns_what_changed_and_who_was_spoken_for() {
    let registry = Registry::in_memory();
    let mut changes = registry.changes();
    assert!(changes.next().await.all);
    let namespace = create(&registry, public("svc.example")).await;
    let service = registry.create_service(custom(service(namespace, "web", &[A]))).await.unwrap().id;
    assert!(changes.next().await.services[&service].whole);
    registry.register_instance(service, id("i"), at("192.0.2.1"), None).await.unwrap();
    let touched = changes.next().await;
    assert!(touched.services[&service].instances.contains(&id("i")) && touched.heard.is_empty());
    registry.update_custom_health(service, &id("i"), Verdict::Healthy).await.unwrap();
    let touched = changes.next().await;
    assert!(touched.services.is_empty() && touched.heard[&service].contains(&id("i")));
}

#[tokio::test]
async fn health_is_unknown_without_a_check() {
    let registry = Registry::in_memory();
    let service = public_service(&registry, &[A]).await;
    registry.register_instance(service, id("i"), at("192.0.2.1"), None).await.unwrap();
    assert_eq!(registry.model().health_of(service, &id("i")), Some(HealthStatus::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_delayed_verdict_counts_after_the_delay() {
    let delay = std::time::Duration::from_secs(30);
    let options = Options { custom_health_delay: delay, ..Options::default() };
    let registry = Registry::open(std::sync::Arc::new(MemoryBackend::new()), options).await.unwrap();
    let namespace = create(&registry, public("svc.example")).await;
    let service = registry.create_service(custom(service(namespace, "web", &[A]))).await.unwrap().id;
    registry.register_instance(service, id("i"), at("192.0.2.1"), None).await.unwrap();
    registry.update_custom_health(service, &id("i"), Verdict::Unhealthy).await.unwrap();
    let revision = registry.published();
    let health = || registry.model().health_of(service, &id("i"));
    assert_eq!(health(), Some(HealthStatus::Healthy));
    registry.wait_published(revision.next()).await;
    assert_eq!(health(), Some(HealthStatus::Unhealthy));
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_changes_to_one_instance_all_end_and_leave_one_truth() {
    let registry = Registry::in_memory();
    let service = public_service(&registry, &[A]).await;
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let registry = registry.clone();
            tokio::spawn(async move {
                if n % 2 == 0 {
                    return registry
                        .register_instance(service, id("x"), at(&format!("192.0.2.{n}")), None)
                        .await
                        .is_ok();
                }
                match registry.deregister_instance(service, &id("x")).await {
                    Ok(_) | Err(DeregisterInstanceError::InstanceNotFound) => true,
                    Err(other) => panic!("{other}"),
                }
            })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    let model = registry.model();
    assert_eq!(model.instance_count(), model.instances(service).unwrap().iter().count());
}

#[tokio::test]
async fn a_name_is_enough_to_register_under() {
    let registry = Registry::in_memory();
    registry.register("web.svc.local", "web-1", "192.0.2.1:8080".parse().unwrap()).await.unwrap();
    registry.register("WEB.svc.local.", "web-2", "[2001:db8::1]:8080".parse().unwrap()).await.unwrap();
    registry.register("_http._tcp.svc.local", "web-1", "192.0.2.1:80".parse().unwrap()).await.unwrap();
    {
        let model = registry.model();
        let namespace = model.namespace_by_http_name("svc.local").unwrap().namespace.id;
        let names: Vec<_> = model.services_in(namespace).map(|entry| entry.service.name.as_str()).collect();
        assert_eq!(names, ["_http._tcp", "web"]);
        let web = model.service_by_name(namespace, "web").unwrap();
        assert_eq!(web.instances.len(), 2);
        assert_eq!(web.instances.get("web-1").unwrap().instance.port(), Some(8080));
    }
    registry.deregister("web.svc.local", "web-1").await.unwrap();
    assert_eq!(registry.model().instance_count(), 2);
    let address = "192.0.2.1:80".parse().unwrap();
    assert!(matches!(registry.register("nodots", "i", address).await, Err(RegisterError::Name(_))));
    assert!(matches!(
        registry.register("web.svc.local", "a b", address).await,
        Err(RegisterError::Instance(_))
    ));
}

#[tokio::test]
async fn an_instance_that_nobody_speaks_for_is_removed_while_another_is_fit() {
    let registry = Registry::in_memory();
    let namespace = create(&registry, public("svc.example")).await;
    let service = registry.create_service(custom(service(namespace, "web", &[A]))).await.unwrap().id;
    let silent = attributes(&[(key::IPV4, "192.0.2.1"), (key::TTL, "30")]);
    registry.register_instance(service, id("silent"), silent, None).await.unwrap();
    registry.register_instance(service, id("other"), at("192.0.2.2"), None).await.unwrap();
    let instance = registry.model().instance(service, "silent").unwrap().instance.clone();
    assert_eq!(instance.ttl(), Some(std::time::Duration::from_secs(30)));
    let expire = || registry.expire_instance(service, instance.id(), instance.created(), None);

    registry.update_custom_health(service, &id("other"), Verdict::Unhealthy).await.unwrap();
    assert!(!expire().await.unwrap());
    registry.update_custom_health(service, &id("other"), Verdict::Healthy).await.unwrap();
    let another = Timestamp::from_millis(1);
    assert!(!registry.expire_instance(service, instance.id(), another, None).await.unwrap());
    let elsewhere = Some("another node");
    assert!(!registry.expire_instance(service, instance.id(), instance.created(), elsewhere).await.unwrap());
    assert!(expire().await.unwrap() && !expire().await.unwrap());
    assert!(registry.model().instance(service, "silent").is_none());
    assert!(registry.model().instance(service, "other").is_some());
}

#[tokio::test]
async fn a_time_to_last_is_a_number_of_seconds() {
    for ttl in ["0", "-1", "1.5", "soon", ""] {
        assert_eq!(
            in_http(&[(key::TTL, ttl)]).await.unwrap_err(),
            InvalidInstance::Value(key::TTL, ttl.to_owned())
        );
    }
}

fn unfit(registry: &Registry, service: ServiceId, instance: &str) -> Finding {
    let registered = registry.model().instance(service, instance).unwrap().instance.created();
    Finding {
        service,
        instance: id(instance),
        registered,
        verdict: Verdict::Unhealthy,
        reason: Some("why".into()),
    }
}
