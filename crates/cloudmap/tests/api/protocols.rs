use bytes::Bytes;
use ciborium::Value as Cbor;
use hyper::{Request, Response};
use serde_json::{Value, json};

use crate::support::{Client, json_request, raw_request};

fn cbor_request(operation: &str, body: &Value) -> Request<Bytes> {
    let mut octets = Vec::new();
    ciborium::into_writer(body, &mut octets).unwrap();
    Request::post(format!("/service/Route53AutoNaming_v20170314/operation/{operation}"))
        .header("smithy-protocol", "rpc-v2-cbor")
        .header("Content-Type", "application/cbor")
        .body(octets.into())
        .unwrap()
}

fn cbor(response: &Response<Bytes>) -> Cbor {
    ciborium::from_reader(response.body().as_ref()).unwrap()
}

/// The value under `path`.
fn at<'a>(value: &'a Cbor, path: &[&str]) -> &'a Cbor {
    path.iter().fold(value, |value, name| {
        let members = value.as_map().unwrap();
        &members.iter().find(|(key, _)| key.as_text() == Some(name)).unwrap().1
    })
}

#[tokio::test]
async fn both_protocols_tell_the_same_of_a_namespace() {
    let client = Client::new();
    let id = client.public_namespace("example.com").await;
    let asked = json!({"Id": id});
    let response = client.send(cbor_request("GetNamespace", &asked)).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/cbor");
    assert_eq!(response.headers()["smithy-protocol"], "rpc-v2-cbor");
    let answer = cbor(&response);
    let json = client.call("GetNamespace", asked).await;
    let Cbor::Tag(1, created) = at(&answer, &["Namespace", "CreateDate"]) else {
        panic!("CreateDate is no date");
    };
    assert_eq!(created.as_float(), json["Namespace"]["CreateDate"].as_f64());
    for member in ["Id", "Arn", "Name", "Type"] {
        assert_eq!(at(&answer, &["Namespace", member]).as_text(), json["Namespace"][member].as_str());
    }
}

#[tokio::test]
async fn who_does_not_name_the_protocol_as_a_page_in_a_browser_cannot_is_refused() {
    let client = Client::new();
    let mut request = cbor_request("ListNamespaces", &json!({}));
    request.headers_mut().remove("smithy-protocol");
    let response = client.send(request).await;
    assert_eq!(response.headers()["x-amzn-errortype"], "UnknownOperationException");
}

#[tokio::test]
async fn a_page_in_a_browser_may_not_ask_without_a_key() {
    let client = Client::new();
    for mut request in
        [cbor_request("ListNamespaces", &json!({})), json_request("ListNamespaces", &json!({}))]
    {
        request.headers_mut().insert("origin", "http://cartonym.example".parse().unwrap());
        let response = client.send(request).await;
        assert_eq!(response.headers()["x-amzn-errortype"], "AccessDeniedException");
    }
}

#[tokio::test]
async fn a_service_made_in_cbor_is_found_in_json() {
    let client = Client::new();
    let namespace = client.public_namespace("example.com").await;
    let dns = json!({"DnsRecords": [{"Type": "A", "TTL": 2_147_483_647}]});
    let body = json!({"Name": "web", "NamespaceId": namespace, "DnsConfig": dns});
    let response = client.send(cbor_request("CreateService", &body)).await;
    let id = at(&cbor(&response), &["Service", "Id"]).as_text().unwrap().to_owned();
    let found = client.call("GetService", json!({"Id": id})).await;
    assert_eq!(found["Service"]["DnsConfig"]["DnsRecords"], dns["DnsRecords"]);
}

#[tokio::test]
async fn an_error_in_cbor_has_the_models_status_and_a_full_name() {
    let client = Client::new();
    let response = client.send(cbor_request("GetNamespace", &json!({"Id": "x"}))).await;
    assert_eq!(response.status(), 404);
    assert_eq!(response.headers()["x-amzn-errortype"], "NamespaceNotFound");
    let answer = cbor(&response);
    assert_eq!(at(&answer, &["__type"]).as_text(), Some("com.amazonaws.servicediscovery#NamespaceNotFound"));
    let response = client.send(cbor_request("GetNamespace", &json!({}))).await;
    assert_eq!(response.status(), 400);
}

#[tokio::test]
async fn an_operation_without_output_has_no_body() {
    let client = Client::new();
    let namespace = client.http_namespace("n").await;
    let body = json!({"Name": "s", "NamespaceId": namespace, "HealthCheckCustomConfig": {}});
    let service = client.service(body).await;
    client.register(&service, "i", json!({})).await;
    let body = json!({"ServiceId": service, "InstanceId": "i", "Status": "UNHEALTHY"});
    let operation = "UpdateInstanceCustomHealthStatus";
    for request in [json_request(operation, &body), cbor_request(operation, &body)] {
        let response = client.send(request).await;
        assert_eq!((response.status().as_u16(), response.body().len()), (200, 0));
    }
}

#[tokio::test]
async fn every_answer_has_an_id_of_its_own() {
    let client = Client::new();
    let mut ids = std::collections::BTreeSet::new();
    for operation in ["ListNamespaces", "ListNamespaces", "GetNamespace", "NoSuchOperation"] {
        let response = client.send(json_request(operation, &json!({}))).await;
        assert_eq!(response.headers()["content-type"], "application/x-amz-json-1.1");
        ids.insert(response.headers()["x-amzn-requestid"].to_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 4);
    assert!(ids.iter().all(|id| id.len() == 36), "{ids:?}");
}

#[tokio::test]
async fn what_is_no_request_changes_nothing_and_is_answered() {
    let client = Client::new();
    let code = async |request| {
        let response = client.send(request).await;
        let answer: Value = serde_json::from_slice(response.body()).unwrap();
        (response.status().as_u16(), answer["__type"].as_str().unwrap().to_owned())
    };
    let serialization = (400, "SerializationException".to_owned());
    for body in ["{", "[]", "null", "\"x\"", "{\"Name\":5}", "{\"Name\":\"a\",\"Tags\":{}}", "\u{0}", "{}x"] {
        assert_eq!(code(raw_request("CreateHttpNamespace", body)).await, serialization, "{body}");
    }
    assert_eq!(code(raw_request("CreateHttpNamespace", vec![0xff, 0xfe])).await, serialization);
    let unknown = (400, "UnknownOperationException".to_owned());
    assert_eq!(code(raw_request("NoSuchOperation", "{}")).await, unknown);
    assert_eq!(code(Request::post("/").body(Bytes::new()).unwrap()).await, unknown);
    assert_eq!(client.call("ListNamespaces", json!({})).await, json!({"Namespaces": []}));
}

#[tokio::test]
async fn a_constraint_is_told_in_words() {
    let client = Client::new();
    let id = "c".repeat(65);
    let refusal = client.refusal("CreateHttpNamespace", json!({"Name": "n", "CreatorRequestId": id})).await;
    assert_eq!(refusal.code, "InvalidInput");
    assert_eq!(
        refusal.message,
        format!(
            "1 validation error detected: Value '{id}' at 'creatorRequestId' failed to satisfy constraint: \
             Member must have length less than or equal to 64"
        )
    );
}
