use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Client, ids};

/// The ids that DiscoverInstances answers, sorted.
async fn discover(client: &Client, more: Value) -> Vec<String> {
    let mut body = json!({"NamespaceName": "n", "ServiceName": "s"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = client.call("DiscoverInstances", body).await;
    let mut ids: Vec<String> = ids(&answer["Instances"], "InstanceId").into_iter().map(Into::into).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn an_instance_is_shown_with_its_names() {
    let client = Client::new();
    client.http_service(&[("i", json!({"k": "v"}))]).await;
    let names = json!({"NamespaceName": "n", "ServiceName": "s"});
    let mut answer = client.call("DiscoverInstances", names.clone()).await;
    let revision = answer.as_object_mut().unwrap().remove("InstancesRevision").unwrap();
    assert!(revision.is_u64());
    assert_eq!(
        answer,
        json!({"Instances": [{
            "InstanceId": "i", "NamespaceName": "n", "ServiceName": "s", "HealthStatus": "UNKNOWN",
            "Attributes": {"k": "v"}
        }]})
    );
    let polled = client.call("DiscoverInstancesRevision", names).await;
    assert_eq!(polled, json!({"InstancesRevision": revision}));
}

#[tokio::test]
async fn the_revision_grows_with_each_change() {
    let client = Client::new();
    let service = client.http_service(&[]).await;
    let names = json!({"NamespaceName": "n", "ServiceName": "s"});
    let mut last = 0;
    for n in 0..3 {
        client.register(&service, "i", json!({"n": n.to_string()})).await;
        let answer = client.call("DiscoverInstancesRevision", names.clone()).await;
        let revision = answer["InstancesRevision"].as_u64().unwrap();
        assert!(revision > last, "{revision} after {last}");
        last = revision;
    }
}

#[tokio::test]
async fn query_parameters_all_have_to_match() {
    let client = Client::new();
    let of = |version, zone| json!({"version": version, "zone": zone});
    client.http_service(&[("a", of("1", "x")), ("b", of("1", "y")), ("c", of("2", "x"))]).await;
    for (query, optional, found) in [
        (json!({"version": "1"}), json!({}), vec!["a", "b"]),
        (json!({"version": "1", "zone": "x"}), json!({}), vec!["a"]),
        (json!({"version": "1"}), json!({"zone": "x"}), vec!["a"]),
        (json!({"version": "1"}), json!({"zone": "z"}), vec!["a", "b"]),
        (json!({"version": "9"}), json!({"zone": "x"}), vec![]),
        (json!({}), json!({"zone": "y"}), vec!["b"]),
    ] {
        let parameters = json!({"QueryParameters": query, "OptionalParameters": optional});
        assert_eq!(discover(&client, parameters.clone()).await, found, "{parameters}");
    }
}

/// A service with a custom check, with instances of this health and zone.
async fn checked(client: &Client, instances: &[(&str, &str, &str)]) -> String {
    let namespace = client.http_namespace("n").await;
    let body = json!({"Name": "s", "NamespaceId": namespace, "HealthCheckCustomConfig": {}});
    let service = client.service(body).await;
    for (id, health, zone) in instances {
        client.register(&service, id, json!({"AWS_INIT_HEALTH_STATUS": health, "zone": zone})).await;
    }
    service
}

#[tokio::test]
async fn the_health_filter_chooses_among_checked_instances() {
    let client = Client::new();
    checked(&client, &[("a", "HEALTHY", "x"), ("b", "HEALTHY", "y"), ("c", "UNHEALTHY", "z")]).await;
    for (filter, found) in [
        (json!({}), vec!["a", "b"]),
        (json!({"HealthStatus": "HEALTHY"}), vec!["a", "b"]),
        (json!({"HealthStatus": "UNHEALTHY"}), vec!["c"]),
        (json!({"HealthStatus": "ALL"}), vec!["a", "b", "c"]),
        (json!({"HealthStatus": "HEALTHY_OR_ELSE_ALL"}), vec!["a", "b"]),
        (json!({"HealthStatus": "HEALTHY_OR_ELSE_ALL", "QueryParameters": {"zone": "z"}}), vec!["c"]),
        // The one match of the optional parameter is unfit, so it narrows nothing.
        (json!({"OptionalParameters": {"zone": "z"}}), vec!["a", "b"]),
    ] {
        assert_eq!(discover(&client, filter.clone()).await, found, "{filter}");
    }
}

#[tokio::test]
async fn with_nothing_healthy_only_or_else_all_answers() {
    let client = Client::new();
    checked(&client, &[("a", "UNHEALTHY", "x"), ("b", "UNHEALTHY", "y")]).await;
    let filter = |filter| json!({"HealthStatus": filter});
    assert!(discover(&client, filter("HEALTHY")).await.is_empty());
    assert_eq!(discover(&client, filter("HEALTHY_OR_ELSE_ALL")).await, ["a", "b"]);
    let narrowed = json!({"HealthStatus": "HEALTHY_OR_ELSE_ALL", "OptionalParameters": {"zone": "y"}});
    assert_eq!(discover(&client, narrowed).await, ["b"]);
}

#[tokio::test]
async fn who_drains_is_unhealthy_and_nobodys_last_resort() {
    let of_others = [
        ("HEALTHY", ["b", "a", "a b", "b"]),
        // Without a healthy one, those are answered that are at least wanted.
        ("UNHEALTHY", ["", "a b", "a b", "b"]),
    ];
    for (others, answers) in of_others {
        let client = Client::new();
        let service = checked(&client, &[("b", others, "x")]).await;
        client.register(&service, "a", json!({"CARTONYM_DRAIN": "60"})).await;
        client.call("DeregisterInstance", json!({"ServiceId": service, "InstanceId": "a"})).await;
        for (filter, answer) in ["HEALTHY", "UNHEALTHY", "ALL", "HEALTHY_OR_ELSE_ALL"].iter().zip(answers) {
            let found = discover(&client, json!({"HealthStatus": filter})).await;
            assert_eq!(found.join(" "), answer, "{filter}, others {others}");
        }
    }
}

#[tokio::test]
async fn without_a_check_every_filter_shows_all() {
    let client = Client::new();
    client.http_service(&[("a", json!({})), ("b", json!({}))]).await;
    for filter in ["HEALTHY", "UNHEALTHY", "ALL", "HEALTHY_OR_ELSE_ALL"] {
        assert_eq!(discover(&client, json!({"HealthStatus": filter})).await, ["a", "b"], "{filter}");
    }
}

#[tokio::test]
async fn a_hundred_are_answered_where_no_number_is_given() {
    let client = Client::new();
    let service = client.http_service(&[]).await;
    for i in 0..120 {
        client.register(&service, &format!("i{i}"), json!({})).await;
    }
    assert_eq!(discover(&client, json!({})).await.len(), 100);
    assert_eq!(discover(&client, json!({"MaxResults": 1000})).await.len(), 120);
    let mut seen = BTreeSet::new();
    for _ in 0..400 {
        let found = discover(&client, json!({"MaxResults": 7})).await;
        assert_eq!(found.len(), 7);
        seen.extend(found);
    }
    assert_eq!(seen.len(), 120, "every instance has its turn");
}

#[tokio::test]
async fn who_or_what_is_unknown_is_not_found() {
    let client = Client::new();
    client.http_service(&[]).await;
    let names = |namespace, service| json!({"NamespaceName": namespace, "ServiceName": service});
    for operation in ["DiscoverInstances", "DiscoverInstancesRevision"] {
        assert_eq!(client.code(operation, names("other", "s")).await, "NamespaceNotFound");
        assert_eq!(client.code(operation, names("n", "other")).await, "ServiceNotFound");
        let mut owned = names("n", "s");
        owned["OwnerAccount"] = "123456789012".into();
        client.call(operation, owned.clone()).await;
        owned["OwnerAccount"] = "999999999999".into();
        assert_eq!(client.code(operation, owned.clone()).await, "NamespaceNotFound");
        owned["OwnerAccount"] = "123".into();
        assert_eq!(client.code(operation, owned).await, "InvalidInput");
    }
}
