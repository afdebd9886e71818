//! Namespaces: made, found, changed, deleted.

mod common;

use cartonym_registry::*;
use common::*;

#[tokio::test]
async fn a_namespace_is_there_when_the_call_returns() {
    let registry = Registry::in_memory();
    let new = NewNamespace { description: Some("d".into()), soa_ttl: Some(12), ..public("SVC.example") };
    let operation = registry.create_namespace(new).await.unwrap();

    let seen = registry.operation(operation).unwrap();
    assert_eq!(
        (seen.operation.kind, seen.status),
        (OperationKind::CreateNamespace, OperationStatus::Success)
    );
    let model = registry.model();
    let namespace = &model.namespace(seen.operation.targets.namespace.unwrap()).unwrap().namespace;
    assert_eq!((namespace.name.as_str(), namespace.http_name.as_str()), ("SVC.example", "SVC.example"));
    assert_eq!((namespace.description.as_deref(), namespace.soa_ttl), (Some("d"), Some(12)));
    let zone = namespace.hosted_zone_id.as_deref().unwrap();
    assert!(zone.starts_with('Z') && zone.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()));
}

#[tokio::test]
async fn a_name_is_taken_once_for_each_kind() {
    let registry = Registry::in_memory();
    let first =
        create(&registry, NewNamespace { creator_request_id: Some("one".into()), ..public("a.example") })
            .await;
    let refused = registry.create_namespace(public("A.Example")).await.unwrap_err();
    let CreateNamespaceError::AlreadyExists { namespace, creator_request_id } = refused else {
        panic!("{refused}")
    };
    assert_eq!((namespace, creator_request_id.as_deref()), (first, Some("one")));

    let other = create(&registry, http("a.example")).await;
    assert_ne!(other, first);
    assert!(registry.create_namespace(http("a.example")).await.is_err());
    create(&registry, http("A.example")).await;
}

#[tokio::test]
async fn a_second_private_namespace_of_a_name_in_a_network_fails_after_it_was_accepted() {
    let registry = Registry::in_memory();
    create(&registry, private("x.local", "vpc-1")).await;
    create(&registry, private("y.local", "vpc-1")).await;
    create(&registry, private("x.local", "vpc-2")).await;

    let operation = registry.create_namespace(private("X.local", "vpc-1")).await.unwrap();
    let seen = registry.operation(operation).unwrap();
    let failure = Failure::OverlappingZone { vpc: "vpc-1".into(), name: "x.local".into() };
    assert_eq!((seen.status, seen.operation.outcome), (OperationStatus::Fail, Outcome::Failed(failure)));
    assert_eq!(registry.model().namespaces().len(), 3);
}

#[tokio::test]
async fn each_namespace_has_a_discovery_name_of_its_own() {
    let registry = Registry::in_memory();
    let first = create(&registry, private("x.local", "vpc-1")).await;
    let second = create(&registry, private("x.local", "vpc-2")).await;
    let name = registry.model().namespace(second).unwrap().namespace.http_name.clone();
    assert!(name.starts_with("x.local-"), "{name}");
    assert_eq!(registry.model().namespace_by_http_name("x.local").unwrap().namespace.id, first);
    assert_eq!(registry.model().namespace_by_http_name(&name).unwrap().namespace.id, second);
}

#[tokio::test]
async fn the_same_request_again_makes_nothing_and_has_the_same_operation() {
    let registry = Registry::in_memory();
    let new = NewNamespace { creator_request_id: Some("r".into()), ..http("h") };
    let first = registry.create_namespace(new.clone()).await.unwrap();
    assert_eq!(registry.create_namespace(new.clone()).await.unwrap(), first);

    let other = NewNamespace { description: Some("other".into()), ..new };
    assert!(matches!(
        registry.create_namespace(other).await,
        Err(CreateNamespaceError::AlreadyExists { .. })
    ));
    assert_eq!(registry.model().namespaces().len(), 1);
}

#[tokio::test]
async fn one_made_again_has_the_id_it_had() {
    let registry = Registry::in_memory();
    let first = create(&registry, http("h")).await;
    registry.delete_namespace(first).await.unwrap();
    assert_eq!(create(&registry, http("h")).await, first);
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_keeps_the_rest() {
    let registry = Registry::in_memory();
    let new = NewNamespace { description: Some("keep".into()), soa_ttl: Some(60), ..private("x", "vpc-1") };
    let id = create(&registry, new).await;
    let before = registry.model().namespace(id).unwrap().namespace.clone();

    let change = NamespaceChange { soa_ttl: Some(5), ..NamespaceChange::default() };
    let operation = registry.update_namespace(id, change).await.unwrap();
    assert_eq!(registry.operation(operation).unwrap().operation.kind, OperationKind::UpdateNamespace);
    assert_eq!(registry.model().namespace(id).unwrap().namespace, Namespace { soa_ttl: Some(5), ..before });
}

#[tokio::test]
async fn the_same_update_again_is_not_made_twice() {
    let registry = Registry::in_memory();
    let id = create(&registry, http("h")).await;
    let update = |text: &str, request: &str| NamespaceChange {
        description: Some(text.into()),
        soa_ttl: None,
        updater_request_id: Some(request.into()),
    };
    let first = registry.update_namespace(id, update("a", "1")).await.unwrap();
    registry.update_namespace(id, update("b", "2")).await.unwrap();
    assert_eq!(registry.update_namespace(id, update("a", "1")).await.unwrap(), first);
    assert_eq!(registry.model().namespace(id).unwrap().namespace.description.as_deref(), Some("b"));
}

#[tokio::test]
async fn a_namespace_with_services_is_in_use() {
    let registry = Registry::in_memory();
    let id = create(&registry, public("svc.example")).await;
    let service = registry.create_service(service(id, "web", &[RecordType::A])).await.unwrap().id;
    assert!(matches!(registry.delete_namespace(id).await, Err(DeleteNamespaceError::InUse)));
    registry.delete_service(service).await.unwrap();

    let operation = registry.delete_namespace(id).await.unwrap();
    assert_eq!(registry.operation(operation).unwrap().status, OperationStatus::Success);
    assert!(registry.model().namespace(id).is_none());
    assert!(registry.model().namespace_by_http_name("svc.example").is_none());
    assert!(matches!(registry.delete_namespace(id).await, Err(DeleteNamespaceError::NotFound)));
}

#[tokio::test]
async fn what_cannot_be_a_namespace_is_refused() {
    let registry = Registry::in_memory();
    let long = |n| Some("x".repeat(n));
    let refused = [
        public("nodots"),
        public("a_b.example"),
        public("a..example"),
        public(&format!("{}.example", "a".repeat(64))),
        public("arn:x.example"),
        private("", "vpc-1"),
        private("a..b", "vpc-1"),
        private("a b", "vpc-1"),
        private(&"a".repeat(254), "vpc-1"),
        private("x.local", ""),
        private("x.local", &"v".repeat(65)),
        http(""),
        http("a b"),
        http("arn:x"),
        http(&"a".repeat(1025)),
        NewNamespace { description: long(1025), ..http("h") },
        NewNamespace { creator_request_id: long(65), ..http("h") },
        NewNamespace { soa_ttl: Some(1), ..http("h") },
        NewNamespace { soa_ttl: Some(1 << 31), ..public("a.example") },
    ];
    for new in refused {
        let told = format!("{new:?}");
        let error = registry.create_namespace(new).await.expect_err(&told);
        assert!(matches!(error, CreateNamespaceError::Invalid(_)), "{told}: {error}");
    }
    assert_eq!(registry.published(), Revision::ZERO);
    let widest = [["b"; 62].concat().as_str(); 3].join(".");
    create(&registry, private(&format!("{}.{widest}", "a".repeat(63)), "vpc-1")).await;
    create(&registry, http(&"a".repeat(1024))).await;
}
