//! Services: made, changed, deleted; their tags and attributes.

mod common;

use std::collections::BTreeMap;

use cartonym_registry::RecordType::*;
use cartonym_registry::*;
use common::*;

#[tokio::test]
async fn every_documented_combination_of_records_makes_a_service() {
    let registry = Registry::in_memory();
    let namespace = create(&registry, public("svc.example")).await;
    for records in [&[A][..], &[Aaaa], &[A, Aaaa], &[Srv], &[Cname], &[A, Srv], &[A, Aaaa, Srv]] {
        let name = format!("s{}", registry.model().services().len());
        let made = registry.create_service(service(namespace, &name, records)).await.unwrap();
        assert_eq!(made.service_type(), ServiceType::DnsHttp);
        assert_eq!(registry.model().service(made.id).unwrap().service, made);
    }
    let cname = registry.model().service_by_name(namespace, "s4").unwrap().service.dns.clone().unwrap();
    assert_eq!((cname.policy(), cname.policy_given), (RoutingPolicy::Weighted, None));
    let made = registry.create_service(service(namespace, "api", &[])).await.unwrap();
    assert_eq!(made.service_type(), ServiceType::Http);
    assert_eq!(registry.model().service_count(namespace), 8);
}

#[tokio::test]
async fn names_that_differ_by_case_are_one_in_dns_and_two_in_http() {
    let registry = Registry::in_memory();
    let dns = create(&registry, public("svc.example")).await;
    let new = NewService { creator_request_id: Some("one".into()), ..service(dns, "web", &[A]) };
    let first = registry.create_service(new).await.unwrap().id;
    let refused = registry.create_service(service(dns, "WEB", &[A])).await.unwrap_err();
    let CreateServiceError::AlreadyExists { service: taken, creator_request_id } = refused else {
        panic!("{refused}")
    };
    assert_eq!((taken, creator_request_id.as_deref()), (first, Some("one")));
    assert_eq!(registry.model().service_by_name(dns, "wEb").unwrap().service.id, first);

    let http = create(&registry, http("h")).await;
    let lower = registry.create_service(service(http, "web", &[])).await.unwrap().id;
    let upper = registry.create_service(service(http, "WEB", &[])).await.unwrap().id;
    assert_ne!(lower, upper);
    assert!(registry.model().service_by_name(http, "Web").is_none());
}

#[tokio::test]
async fn the_same_request_again_makes_nothing_and_has_the_same_service() {
    let registry = Registry::in_memory();
    let namespace = create(&registry, public("svc.example")).await;
    let new = NewService { creator_request_id: Some("r".into()), ..service(namespace, "web", &[A]) };
    let first = registry.create_service(new.clone()).await.unwrap();
    assert_eq!(registry.create_service(new.clone()).await.unwrap(), first);
    let other = NewService { description: Some("other".into()), ..new };
    assert!(matches!(registry.create_service(other).await, Err(CreateServiceError::AlreadyExists { .. })));
}

#[tokio::test]
async fn one_made_again_has_the_id_it_had_and_nothing_else() {
    let registry = Registry::in_memory();
    let id = public_service(&registry, &[A]).await;
    registry.tag(Resource::Service(id), vec![("k".into(), "v".into())]).await.unwrap();
    let attributes = BTreeMap::from([("k".into(), "v".into())]);
    registry.update_service_attributes(id, attributes).await.unwrap();
    registry.delete_service(id).await.unwrap();
    assert!(registry.tags(Resource::Service(id)).is_none());

    let namespace = registry.model().namespaces().next().unwrap().namespace.id;
    let again = registry.create_service(service(namespace, "web", &[A])).await.unwrap();
    assert_eq!(again.id, id);
    assert!(again.tags.is_empty() && again.attributes.is_empty());
}

#[tokio::test]
async fn a_service_with_instances_is_in_use() {
    let registry = Registry::in_memory();
    let id = public_service(&registry, &[A]).await;
    registry.register_instance(id, common::id("i"), at("192.0.2.1"), None).await.unwrap();
    assert!(matches!(registry.delete_service(id).await, Err(DeleteServiceError::InUse)));
    registry.deregister_instance(id, &common::id("i")).await.unwrap();
    registry.delete_service(id).await.unwrap();
    assert!(matches!(registry.delete_service(id).await, Err(DeleteServiceError::NotFound)));
}

#[tokio::test]
async fn what_cannot_be_a_service_is_refused() {
    let registry = Registry::in_memory();
    let open = create(&registry, public("svc.example")).await;
    let closed = create(&registry, private("local", "vpc-1")).await;
    let api = create(&registry, http("h")).await;
    let web = |records| service(open, "web", records);
    let ttl = |ttl| {
        let mut new = web(&[A]);
        new.dns.as_mut().unwrap().records[0].ttl = ttl;
        new
    };
    let multivalue = |mut new: NewService| {
        new.dns.as_mut().unwrap().policy_given = Some(RoutingPolicy::Multivalue);
        new
    };
    let with = |kind, path: &str, threshold| {
        let resource_path = Some(path.to_owned());
        let config = HealthCheckConfig { kind, resource_path, failure_threshold: Some(threshold) };
        NewService { health: HealthCheck::Active(config), ..web(&[A]) }
    };
    let empty = NewService { dns: Some(DnsConfig { policy_given: None, records: vec![] }), ..web(&[]) };
    let refused = [
        service(open, "", &[A]),
        service(open, "my service", &[A]),
        service(open, "abc-", &[A]),
        service(open, "a..b", &[A]),
        service(api, "web", &[A]),
        empty,
        web(&[A, A]),
        weighted(web(&[Cname, A])),
        multivalue(web(&[Cname])),
        checked(web(&[Cname]), HealthCheckType::Http),
        ttl(1 << 31),
        checked(service(closed, "web", &[A]), HealthCheckType::Http),
        with(HealthCheckType::Tcp, "/x", 1),
        with(HealthCheckType::Http, "/", 0),
        with(HealthCheckType::Http, "/", 11),
        with(HealthCheckType::Http, &"p".repeat(256), 1),
        NewService { description: Some("d".repeat(1025)), ..web(&[A]) },
        NewService { creator_request_id: Some("r".repeat(65)), ..web(&[A]) },
    ];
    for new in refused {
        let told = format!("{new:?}");
        let error = registry.create_service(new).await.expect_err(&told);
        assert!(matches!(error, CreateServiceError::Invalid(_)), "{told}: {error}");
    }
    assert_eq!(registry.model().services().len(), 0);

    let registry = Registry::in_memory();
    let missing = registry.create_service(service(open, "web", &[A])).await.unwrap_err();
    assert!(matches!(missing, CreateServiceError::NamespaceNotFound));
}

#[tokio::test]
async fn a_service_whose_dns_name_is_too_long_is_refused_unless_only_the_api_finds_it() {
    let registry = Registry::in_memory();
    let widest = [["b"; 62].concat().as_str(); 4].join(".");
    let namespace = create(&registry, private(&widest, "vpc-1")).await;
    let refused = registry.create_service(service(namespace, "web", &[A])).await;
    assert!(matches!(
        refused,
        Err(CreateServiceError::Invalid(InvalidService::Name(NameError::Length(255))))
    ));
    registry.create_service(service(namespace, "web", &[])).await.unwrap();
}

#[tokio::test]
async fn an_update_changes_ttls_and_checks_and_keeps_the_policy() {
    let registry = Registry::in_memory();
    let namespace = create(&registry, public("svc.example")).await;
    let new = weighted(checked(service(namespace, "web", &[A, Aaaa]), HealthCheckType::Tcp));
    let id = registry.create_service(new).await.unwrap().id;

    let records = vec![DnsRecord { kind: A, ttl: 7 }];
    let change = ServiceChange { description: Some("new".into()), records, health_check: None };
    let operation = registry.update_service(id, change).await.unwrap();
    let seen = registry.operation(operation).unwrap();
    assert_eq!(
        (seen.operation.kind, seen.operation.targets.service),
        (OperationKind::UpdateService, Some(id))
    );

    let model = registry.model();
    let service = &model.service(id).unwrap().service;
    let dns = service.dns.as_ref().unwrap();
    assert_eq!((dns.ttl(A), dns.ttl(Aaaa), dns.policy()), (Some(7), None, RoutingPolicy::Weighted));
    assert_eq!((service.description.as_deref(), &service.health), (Some("new"), &HealthCheck::None));
}

#[tokio::test]
async fn an_update_cannot_add_a_record_type_nor_touch_custom_health() {
    let registry = Registry::in_memory();
    let namespace = create(&registry, public("svc.example")).await;
    let id = registry.create_service(custom(service(namespace, "web", &[A]))).await.unwrap().id;
    let change = |kinds: &[RecordType], health_check| ServiceChange {
        description: None,
        records: kinds.iter().map(|kind| DnsRecord { kind: *kind, ttl: 1 }).collect(),
        health_check,
    };
    let check =
        HealthCheckConfig { kind: HealthCheckType::Tcp, resource_path: None, failure_threshold: None };
    let refused = |result| match result {
        Err(UpdateServiceError::Invalid(invalid)) => invalid,
        other => panic!("{other:?}"),
    };
    let added = registry.update_service(id, change(&[A, Srv], None)).await;
    assert_eq!(refused(added), InvalidService::NewRecordType(Srv));
    let exchanged = registry.update_service(id, change(&[A], Some(check))).await;
    assert_eq!(refused(exchanged), InvalidService::CustomHealthIsKept);
    registry.update_service(id, change(&[A], None)).await.unwrap();
    assert!(registry.model().service(id).unwrap().service.health.is_custom());

    let api = create(&registry, http("h")).await;
    let id = registry.create_service(service(api, "web", &[])).await.unwrap().id;
    assert_eq!(refused(registry.update_service(id, change(&[], None)).await), InvalidService::HttpNamespace);
}

#[tokio::test]
async fn tags_are_added_replaced_and_removed_by_key() {
    let registry = Registry::in_memory();
    let resource = Resource::Service(public_service(&registry, &[A]).await);
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    registry.tag(resource, vec![pair("k", "1"), pair("K", "2")]).await.unwrap();
    registry.tag(resource, vec![pair("k", "3")]).await.unwrap();
    registry.untag(resource, &["K".into(), "unknown".into()]).await.unwrap();
    let tags = registry.tags(resource).unwrap();
    assert_eq!(tags.iter().collect::<Vec<_>>(), [("k", "3")]);

    let refused = |pairs| async { registry.tag(resource, pairs).await.unwrap_err() };
    let many: Vec<_> = (0..50).map(|i| pair(&format!("n{i}"), "v")).collect();
    assert!(matches!(refused(many.clone()).await, TagError::Invalid(InvalidTags::TooMany(51))));
    assert!(matches!(refused(vec![pair("", "v")]).await, TagError::Invalid(InvalidTags::Key(_))));
    assert!(matches!(refused(vec![pair("aws:x", "v")]).await, TagError::Invalid(InvalidTags::Key(_))));
    assert!(matches!(
        refused(vec![pair(&"k".repeat(129), "v")]).await,
        TagError::Invalid(InvalidTags::Key(_))
    ));
    assert!(matches!(
        refused(vec![pair("k", &"v".repeat(257))]).await,
        TagError::Invalid(InvalidTags::Value(_))
    ));
    registry.tag(resource, many[..49].to_vec()).await.unwrap();
}

#[tokio::test]
async fn service_attributes_are_at_most_thirty_and_one_of_them_is_ours() {
    let registry = Registry::in_memory();
    let id = public_service(&registry, &[A]).await;
    let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    registry.update_service_attributes(id, map(&[("x", "y"), (MAX_ANSWERS, "25")])).await.unwrap();
    assert_eq!(registry.model().service(id).unwrap().service.max_answers(), Some(25));
    for wrong in ["0", "1001", "many", ""] {
        let refused = registry.update_service_attributes(id, map(&[(MAX_ANSWERS, wrong)])).await;
        let error = InvalidServiceAttributes::MaxAnswers(MAX_ANSWERS.into());
        assert!(matches!(refused, Err(ServiceAttributesError::Invalid(e)) if e == error), "{wrong}");
    }
    registry.delete_service_attributes(id, &[MAX_ANSWERS.into(), "unknown".into()]).await.unwrap();
    assert_eq!(registry.model().service(id).unwrap().service.attributes, map(&[("x", "y")]));

    let many: BTreeMap<_, _> = (0..30).map(|i| (format!("k{i}"), "v".to_owned())).collect();
    let refused = registry.update_service_attributes(id, many).await;
    assert!(matches!(refused, Err(ServiceAttributesError::Invalid(InvalidServiceAttributes::TooMany(31)))));
}

#[tokio::test]
async fn a_private_namespace_has_checks_where_the_operator_says_so() {
    for private_checks in [false, true] {
        let options = Options { private_checks, ..Options::default() };
        let registry = Registry::open(std::sync::Arc::new(MemoryBackend::new()), options).await.unwrap();
        let namespace = create(&registry, private("svc.example", "vpc-1")).await;
        let new = checked(service(namespace, "web", &[RecordType::A]), HealthCheckType::Tcp);
        let made = registry.create_service(new).await;
        assert_eq!(made.is_ok(), private_checks, "{made:?}");
    }
}
