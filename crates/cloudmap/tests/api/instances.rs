use serde_json::{Value, json};

use crate::support::{Client, ids};

#[tokio::test]
async fn an_instance_is_answered_as_it_was_registered() {
    let client = Client::new();
    let service = client.http_service(&[]).await;
    let attributes =
        json!({"Key": "v", "kEY": "two words\tand a tab", "p!~/:.@-_+=": "q=1&r=%20", "empty": ""});
    let body = json!({
        "ServiceId": service, "InstanceId": "i/1", "CreatorRequestId": "c", "Attributes": attributes
    });
    let operation = client.done("RegisterInstance", body).await;
    assert_eq!(operation["Type"], "REGISTER_INSTANCE");
    assert_eq!(operation["Targets"], json!({"INSTANCE": "i/1", "SERVICE": service}));
    assert_eq!(
        client.call("GetInstance", json!({"ServiceId": service, "InstanceId": "i/1"})).await,
        json!({
            "ResourceOwner": "123456789012",
            "Instance": {
                "Id": "i/1", "CreatorRequestId": "c", "Attributes": attributes, "CreatedByAccount": "123456789012"
            }
        })
    );
    assert_eq!(
        client.call("ListInstances", json!({"ServiceId": service})).await,
        json!({
            "ResourceOwner": "123456789012",
            "Instances": [{"Id": "i/1", "Attributes": attributes, "CreatedByAccount": "123456789012"}]
        })
    );
}

#[tokio::test]
async fn registering_again_keeps_nothing_of_before() {
    let client = Client::new();
    let service = client.http_service(&[("i", json!({"a": "1", "b": "2"})), ("i", json!({"a": "3"}))]).await;
    let found = client.call("GetInstance", json!({"ServiceId": service, "InstanceId": "i"})).await;
    assert_eq!(found["Instance"]["Attributes"], json!({"a": "3"}));
}

#[tokio::test]
async fn a_retry_is_the_same_operation() {
    let client = Client::new();
    let service = client.http_service(&[]).await;
    let body = json!({
        "ServiceId": service, "InstanceId": "i", "CreatorRequestId": "c", "Attributes": {"a": "1"}
    });
    let first = client.call("RegisterInstance", body.clone()).await;
    assert_eq!(client.call("RegisterInstance", body).await, first);
}

#[tokio::test]
async fn what_is_deregistered_is_not_found() {
    let client = Client::new();
    let service = client.http_service(&[("i", json!({"a": "1"}))]).await;
    let body = json!({"ServiceId": service, "InstanceId": "i"});
    let operation = client.done("DeregisterInstance", body.clone()).await;
    assert_eq!(operation["Type"], "DEREGISTER_INSTANCE");
    for operation in ["GetInstance", "DeregisterInstance"] {
        assert_eq!(client.code(operation, body.clone()).await, "InstanceNotFound");
        let body = json!({"ServiceId": service, "InstanceId": ""});
        assert_eq!(client.code(operation, body).await, "InstanceNotFound");
        let body = json!({"ServiceId": "srv-aaaaaaaaaaaaaaaa", "InstanceId": "i"});
        assert_eq!(client.code(operation, body).await, "ServiceNotFound");
    }
}

#[tokio::test]
async fn an_instance_must_be_one_of_its_service() {
    let client = Client::new();
    let namespace = client.public_namespace("example.com").await;
    let service = async |name: &str, kind: &str, policy: &str| {
        let dns = json!({"RoutingPolicy": policy, "DnsRecords": [{"Type": kind, "TTL": 1}]});
        client.service(json!({"Name": name, "NamespaceId": namespace, "DnsConfig": dns})).await
    };
    let a = service("a", "A", "MULTIVALUE").await;
    let srv = service("srv", "SRV", "MULTIVALUE").await;
    let alias = json!({"AWS_ALIAS_DNS_NAME": "lb.example.net"});
    for (service, attributes) in [
        (&a, json!({"color": "red"})),
        (&a, json!({"AWS_INSTANCE_IPV4": "300.1.1.1"})),
        (&a, json!({"AWS_INSTANCE_IPV4": "2001:db8::1"})),
        (&srv, json!({"AWS_INSTANCE_IPV4": "192.0.2.1"})),
        (&srv, json!({"AWS_INSTANCE_PORT": "80"})),
        (&srv, json!({"AWS_INSTANCE_IPV4": "192.0.2.1", "AWS_INSTANCE_PORT": "65536"})),
        (&a, alias.clone()),
    ] {
        let body = json!({"ServiceId": service, "InstanceId": "i", "Attributes": attributes});
        assert_eq!(client.code("RegisterInstance", body).await, "InvalidInput", "{attributes}");
    }
    let body = json!({"ServiceId": a, "InstanceId": "i", "Attributes": alias});
    assert!(client.refusal("RegisterInstance", body).await.message.contains("WEIGHTED"));
    let listed = client.call("ListInstances", json!({"ServiceId": a})).await;
    assert_eq!(listed["Instances"], json!([]), "what is refused leaves nothing behind");
}

#[tokio::test]
async fn too_many_attributes_are_refused() {
    let client = Client::new();
    let service = client.http_service(&[]).await;
    let many: Value = (0..31).map(|i| (format!("k{i}"), json!("v"))).collect();
    let long: Value = (0..6).map(|i| (format!("k{i}"), json!("v".repeat(1000)))).collect();
    for attributes in [many, long] {
        let body = json!({"ServiceId": service, "InstanceId": "i", "Attributes": attributes});
        assert_eq!(client.code("RegisterInstance", body).await, "InvalidInput");
    }
}

#[tokio::test]
async fn custom_health_is_what_was_last_said() {
    let client = Client::new();
    let namespace = client.http_namespace("n").await;
    let body =
        json!({"Name": "s", "NamespaceId": namespace, "HealthCheckCustomConfig": {"FailureThreshold": 1}});
    let service = client.service(body).await;
    client.register(&service, "a", json!({"k": "v"})).await;
    client.register(&service, "b", json!({"AWS_INIT_HEALTH_STATUS": "UNHEALTHY"})).await;
    let health = async || client.call("GetInstancesHealthStatus", json!({"ServiceId": service})).await;
    assert_eq!(health().await, json!({"Status": {"a": "HEALTHY", "b": "UNHEALTHY"}}));
    let say = |id, status| json!({"ServiceId": service, "InstanceId": id, "Status": status});
    let operation = "UpdateInstanceCustomHealthStatus";
    assert_eq!(client.call(operation, say("a", "UNHEALTHY")).await, Value::Null, "the body is empty");
    client.call(operation, say("b", "HEALTHY")).await;
    assert_eq!(health().await, json!({"Status": {"a": "UNHEALTHY", "b": "HEALTHY"}}));
    assert_eq!(client.code(operation, say("c", "HEALTHY")).await, "InstanceNotFound");
    assert_eq!(client.code(operation, say("a", "SICK")).await, "InvalidInput");
}

#[tokio::test]
async fn health_is_told_of_those_asked_for() {
    let client = Client::new();
    let instances = ["a", "b", "c"].map(|id| (id, json!({"k": "v"})));
    let service = client.http_service(&instances).await;
    let asked = |ids: Value| json!({"ServiceId": service, "Instances": ids});
    let some = client.call("GetInstancesHealthStatus", asked(json!(["c", "a", "c"]))).await;
    assert_eq!(some, json!({"Status": {"a": "UNKNOWN", "c": "UNKNOWN"}}));
    assert_eq!(client.code("GetInstancesHealthStatus", asked(json!(["a", "d"]))).await, "InstanceNotFound");
    assert_eq!(client.code("GetInstancesHealthStatus", asked(json!([]))).await, "InvalidInput");
}

#[tokio::test]
async fn custom_health_needs_a_custom_check() {
    let client = Client::new();
    let service = client.http_service(&[("i", json!({"k": "v"}))]).await;
    let body = json!({"ServiceId": service, "InstanceId": "i", "Status": "HEALTHY"});
    assert_eq!(client.code("UpdateInstanceCustomHealthStatus", body).await, "CustomHealthNotFound");
}

#[tokio::test]
async fn changes_to_one_instance_at_once_all_succeed() {
    let client = Client::new();
    let service = client.http_service(&[]).await;
    let register = async |n: u32| client.register(&service, "i", json!({"n": n.to_string()})).await;
    tokio::join!(register(1), register(2), register(3), register(4), register(5), register(6));
    let listed = client.call("ListInstances", json!({"ServiceId": service})).await;
    assert_eq!(ids(&listed["Instances"], "Id"), ["i"]);
}
