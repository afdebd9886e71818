use serde_json::{Value, json};

use crate::support::Client;

fn records(types: &[&str]) -> Value {
    types.iter().map(|kind| json!({"Type": kind, "TTL": 60})).collect()
}

#[tokio::test]
async fn a_service_is_answered_as_it_was_asked_for() {
    let client = Client::new();
    let namespace = client.public_namespace("example.com").await;
    let body = json!({
        "Name": "web", "NamespaceId": namespace, "CreatorRequestId": "c", "Description": "d",
        "DnsConfig": {"RoutingPolicy": "WEIGHTED", "DnsRecords": records(&["A", "SRV"])},
        "HealthCheckConfig": {"Type": "HTTP", "ResourcePath": "/h", "FailureThreshold": 2},
    });
    let created = client.call("CreateService", body).await;
    let service = created["Service"].as_object().unwrap();
    let id = service["Id"].as_str().unwrap();
    assert_eq!(client.call("GetService", json!({"Id": id})).await, created);
    let mut shown = created["Service"].clone();
    assert!(shown.as_object_mut().unwrap().remove("CreateDate").unwrap().is_number());
    assert_eq!(
        shown,
        json!({
            "Id": id, "Arn": format!("arn:aws:servicediscovery:us-east-1:123456789012:service/{id}"),
            "ResourceOwner": "123456789012", "CreatedByAccount": "123456789012",
            "Name": "web", "NamespaceId": namespace, "CreatorRequestId": "c", "Description": "d",
            "InstanceCount": 0, "Type": "DNS_HTTP",
            "DnsConfig": {
                "NamespaceId": namespace, "RoutingPolicy": "WEIGHTED", "DnsRecords": records(&["A", "SRV"])
            },
            "HealthCheckConfig": {"Type": "HTTP", "ResourcePath": "/h", "FailureThreshold": 2},
        })
    );
}

#[tokio::test]
async fn a_service_found_by_the_api_only_has_an_empty_dns_config() {
    let client = Client::new();
    let namespace = client.public_namespace("example.com").await;
    let body =
        json!({"Name": "web", "NamespaceId": namespace, "Type": "HTTP", "HealthCheckCustomConfig": {}});
    let created = client.call("CreateService", body).await;
    assert_eq!(created["Service"]["Type"], "HTTP");
    assert_eq!(created["Service"]["DnsConfig"], json!({}));
    assert_eq!(created["Service"]["HealthCheckCustomConfig"], json!({"FailureThreshold": 1}));
}

#[tokio::test]
async fn the_namespace_may_be_given_in_either_place_but_not_two() {
    let client = Client::new();
    let namespace = client.public_namespace("example.com").await;
    let other = client.public_namespace("example.net").await;
    let dns = |namespace: Option<&str>| {
        let mut dns = json!({"DnsRecords": records(&["A"])});
        if let Some(namespace) = namespace {
            dns["NamespaceId"] = namespace.into();
        }
        dns
    };
    client.service(json!({"Name": "a", "DnsConfig": dns(Some(&namespace))})).await;
    let both = json!({"Name": "b", "NamespaceId": namespace, "DnsConfig": dns(Some(&namespace))});
    client.service(both).await;
    let two = json!({"Name": "c", "NamespaceId": namespace, "DnsConfig": dns(Some(&other))});
    assert_eq!(client.code("CreateService", two).await, "InvalidInput");
    let none = json!({"Name": "c", "DnsConfig": dns(None)});
    assert_eq!(client.code("CreateService", none).await, "InvalidInput");
    let unknown = json!({"Name": "c", "NamespaceId": "ns-aaaaaaaaaaaaaaaa"});
    assert_eq!(client.code("CreateService", unknown).await, "NamespaceNotFound");
}

#[tokio::test]
async fn a_name_that_is_taken_names_its_owner() {
    let client = Client::new();
    let namespace = client.public_namespace("example.com").await;
    let body = |name, request| {
        let dns = json!({"DnsRecords": records(&["A"])});
        json!({"Name": name, "NamespaceId": namespace, "CreatorRequestId": request, "DnsConfig": dns})
    };
    let id = client.service(body("web", "first")).await;
    assert_eq!(client.service(body("web", "first")).await, id, "a retry makes no second service");
    let refusal = client.refusal("CreateService", body("WEB", "second")).await;
    assert_eq!(refusal.code, "ServiceAlreadyExists");
    assert_eq!(
        (&refusal.body["ServiceId"], &refusal.body["ServiceArn"], &refusal.body["CreatorRequestId"]),
        (
            &json!(id),
            &json!(format!("arn:aws:servicediscovery:us-east-1:123456789012:service/{id}")),
            &json!("first")
        )
    );
}

#[tokio::test]
async fn what_contradicts_itself_is_refused() {
    let client = Client::new();
    let public = client.public_namespace("example.com").await;
    let http = client.http_namespace("http").await;
    let private = json!({"Name": "svc.local", "Vpc": "vpc-1"});
    let private = client.namespace("CreatePrivateDnsNamespace", private).await;
    let check = json!({"Type": "HTTP"});
    for (namespace, more) in [
        (&http, json!({"DnsConfig": {"DnsRecords": records(&["A"])}})),
        (&public, json!({"DnsConfig": {"DnsRecords": records(&["A"])}, "Type": "HTTP"})),
        (&public, json!({"DnsConfig": {"DnsRecords": []}})),
        (&public, json!({"DnsConfig": {"DnsRecords": records(&["A", "A"])}})),
        (
            &public,
            json!({"DnsConfig": {"DnsRecords": records(&["CNAME", "A"]), "RoutingPolicy": "WEIGHTED"}}),
        ),
        (&public, json!({"DnsConfig": {"DnsRecords": records(&["CNAME"]), "RoutingPolicy": "MULTIVALUE"}})),
        (&private, json!({"DnsConfig": {"DnsRecords": records(&["A"])}, "HealthCheckConfig": check})),
        (&public, json!({"HealthCheckConfig": check, "HealthCheckCustomConfig": {}})),
        (&public, json!({"HealthCheckConfig": {"Type": "TCP", "ResourcePath": "/"}})),
    ] {
        let mut body = json!({"Name": "web", "NamespaceId": namespace});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(client.code("CreateService", body).await, "InvalidInput", "{more}");
    }
    let listed = client.call("ListServices", json!({})).await;
    assert_eq!(listed, json!({"Services": []}), "what is refused leaves nothing behind");
}

#[tokio::test]
async fn an_update_changes_ttls_and_removes_the_check_it_leaves_out() {
    let client = Client::new();
    let namespace = client.public_namespace("example.com").await;
    let body = json!({
        "Name": "web", "NamespaceId": namespace, "DnsConfig": {"DnsRecords": records(&["A"])},
        "HealthCheckConfig": {"Type": "TCP"},
    });
    let id = client.service(body).await;
    let change = json!({"Description": "d", "DnsConfig": {"DnsRecords": [{"Type": "A", "TTL": 7}]}});
    let operation = client.done("UpdateService", json!({"Id": id, "Service": change})).await;
    assert_eq!(
        (&operation["Type"], &operation["Targets"]),
        (&json!("UPDATE_SERVICE"), &json!({"SERVICE": id}))
    );
    let answer = client.call("GetService", json!({"Id": id})).await;
    let service = answer["Service"].as_object().unwrap();
    assert_eq!(service["DnsConfig"]["DnsRecords"], json!([{"Type": "A", "TTL": 7}]));
    assert_eq!(service["Description"], "d");
    assert!(!service.contains_key("HealthCheckConfig"));
}

#[tokio::test]
async fn a_service_with_instances_is_in_use() {
    let client = Client::new();
    let service = client.http_service(&[("i", json!({"k": "v"}))]).await;
    let refusal = client.refusal("DeleteService", json!({"Id": service})).await;
    assert_eq!(refusal.code, "ResourceInUse");
    assert!(refusal.message.starts_with("Service contains registered instances"), "{}", refusal.message);
}
