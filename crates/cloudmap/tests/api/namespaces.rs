use serde_json::json;

use crate::support::{Client, json_request};

#[tokio::test]
async fn an_http_namespace_has_no_zone() {
    let client = Client::new();
    let id = client.http_namespace("web").await;
    let answer = client.call("GetNamespace", json!({"Id": id})).await;
    let namespace = &answer["Namespace"];
    assert_eq!(namespace["Arn"], format!("arn:aws:servicediscovery:us-east-1:123456789012:namespace/{id}"));
    assert_eq!(namespace["Type"], "HTTP");
    assert_eq!(namespace["ServiceCount"], 0);
    assert_eq!(
        namespace["Properties"],
        json!({"DnsProperties": {"SOA": {}}, "HttpProperties": {"HttpName": "web"}})
    );
    assert!(namespace["CreateDate"].is_f64());
    assert!(!namespace.as_object().unwrap().contains_key("Description"), "{namespace}");
}

#[tokio::test]
async fn a_dns_namespace_has_a_zone_and_the_ttl_it_was_given() {
    let client = Client::new();
    let properties = json!({"DnsProperties": {"SOA": {"TTL": 60}}});
    let body =
        json!({"Name": "Svc.Example", "Vpc": "vpc-1", "Properties": properties, "CreatorRequestId": "c"});
    let id = client.namespace("CreatePrivateDnsNamespace", body).await;
    let update = json!({"Id": id, "Namespace": {"Description": "d"}});
    client.done("UpdatePrivateDnsNamespace", update).await;
    let answer = client.call("GetNamespace", json!({"Id": id})).await;
    let namespace = &answer["Namespace"];
    assert_eq!(
        (&namespace["Type"], &namespace["Name"], &namespace["Description"], &namespace["CreatorRequestId"]),
        (&json!("DNS_PRIVATE"), &json!("Svc.Example"), &json!("d"), &json!("c"))
    );
    let dns = &namespace["Properties"]["DnsProperties"];
    assert_eq!(dns["SOA"], json!({"TTL": 60}));
    assert!(dns["HostedZoneId"].as_str().unwrap().starts_with('Z'));
}

#[tokio::test]
async fn the_region_of_an_arn_is_the_one_the_request_is_signed_for() {
    let client = Client::new();
    let id = client.http_namespace("web").await;
    for (region, partition) in [("eu-west-1", "aws"), ("cn-north-1", "aws-cn")] {
        let mut request = json_request("GetNamespace", &json!({"Id": id}));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=any/20260101/{region}/servicediscovery/aws4_request, \
             SignedHeaders=host, Signature=any"
        );
        request.headers_mut().insert("authorization", authorization.parse().unwrap());
        let response = client.send(request).await;
        let answer: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        let arn = format!("arn:{partition}:servicediscovery:{region}:123456789012:namespace/{id}");
        assert_eq!(answer["Namespace"]["Arn"], arn);
    }
}

#[tokio::test]
async fn an_arn_stands_for_an_id_unless_it_is_anothers() {
    let client = Client::new();
    let id = client.http_namespace("web").await;
    let arn = |account, kind, id| format!("arn:aws:servicediscovery:us-east-1:{account}:{kind}/{id}");
    client.call("GetNamespace", json!({"Id": arn("123456789012", "namespace", &*id)})).await;
    for other in [
        arn("999999999999", "namespace", &id),
        arn("123456789012", "service", &id),
        arn("123456789012", "namespace", "ns-aaaaaaaaaaaaaaaa"),
        "arn:".into(),
        "ns-aaaaaaaaaaaaaaaa".into(),
        "nonsense".into(),
        "".into(),
    ] {
        for operation in ["GetNamespace", "DeleteNamespace"] {
            assert_eq!(client.code(operation, json!({"Id": other})).await, "NamespaceNotFound", "{other}");
        }
    }
}

#[tokio::test]
async fn a_name_that_is_taken_names_its_owner() {
    let client = Client::new();
    let body = |request| json!({"Name": "web", "CreatorRequestId": request});
    let id = client.namespace("CreateHttpNamespace", body("first")).await;
    let again = client.namespace("CreateHttpNamespace", body("first")).await;
    assert_eq!(again, id, "a retry makes no second namespace");
    let refusal = client.refusal("CreateHttpNamespace", body("second")).await;
    assert_eq!(refusal.code, "NamespaceAlreadyExists");
    assert_eq!(
        (&refusal.body["NamespaceId"], &refusal.body["CreatorRequestId"]),
        (&json!(id), &json!("first"))
    );
}

#[tokio::test]
async fn a_second_zone_of_a_name_in_a_vpc_fails_after_it_was_accepted() {
    let client = Client::new();
    let body = json!({"Name": "svc.local", "Vpc": "vpc-1"});
    client.namespace("CreatePrivateDnsNamespace", body.clone()).await;
    let started = client.call("CreatePrivateDnsNamespace", body).await;
    let answer = client.call("GetOperation", started).await;
    let operation = &answer["Operation"];
    assert_eq!(operation["Status"], "FAIL");
    assert_eq!(operation["ErrorCode"], "CANNOT_CREATE_HOSTED_ZONE");
    assert!(operation["ErrorMessage"].as_str().unwrap().contains("vpc-1 in region us-east-1"), "{operation}");
}

#[tokio::test]
async fn an_update_is_for_namespaces_of_its_kind() {
    let client = Client::new();
    let id = client.http_namespace("web").await;
    let change = json!({"Id": id, "Namespace": {"Description": "d"}});
    client.done("UpdateHttpNamespace", change.clone()).await;
    for operation in ["UpdatePublicDnsNamespace", "UpdatePrivateDnsNamespace"] {
        assert_eq!(client.code(operation, change.clone()).await, "InvalidInput");
    }
}

#[tokio::test]
async fn names_that_the_dns_cannot_hold_are_refused() {
    let client = Client::new();
    for name in ["a..b", ".a", "a.", &format!("{}.local", "a".repeat(64)), &"a.".repeat(127)] {
        let body = json!({"Name": name, "Vpc": "vpc-1"});
        assert_eq!(client.code("CreatePrivateDnsNamespace", body).await, "InvalidInput", "{name}");
    }
}

#[tokio::test]
async fn a_namespace_with_services_is_in_use() {
    let client = Client::new();
    let id = client.http_namespace("web").await;
    let service = client.service(json!({"Name": "s", "NamespaceId": id})).await;
    assert_eq!(client.code("DeleteNamespace", json!({"Id": id})).await, "ResourceInUse");
    assert_eq!(client.call("DeleteService", json!({"Id": service})).await, json!({}));
    let operation = client.done("DeleteNamespace", json!({"Id": id})).await;
    assert_eq!(
        (&operation["Type"], &operation["Targets"]),
        (&json!("DELETE_NAMESPACE"), &json!({"NAMESPACE": id}))
    );
    assert_eq!(client.code("GetNamespace", json!({"Id": id})).await, "NamespaceNotFound");
}
