use serde_json::{Value, json};

use crate::support::Client;

#[tokio::test]
async fn tags_are_added_replaced_and_removed() {
    let client = Client::new();
    let body = json!({"Name": "n", "Tags": [{"Key": "k", "Value": "1"}]});
    let namespace = client.namespace("CreateHttpNamespace", body).await;
    let arn = format!("arn:aws:servicediscovery:us-east-1:123456789012:namespace/{namespace}");
    let tag = |key, value| json!({"ResourceARN": arn, "Tags": [{"Key": key, "Value": value}]});
    assert_eq!(client.call("TagResource", tag("K", "2")).await, json!({}));
    client.call("TagResource", tag("k", "")).await;
    let list = async || client.call("ListTagsForResource", json!({"ResourceARN": arn})).await;
    assert_eq!(list().await, json!({"Tags": [{"Key": "K", "Value": "2"}, {"Key": "k", "Value": ""}]}));
    client.call("UntagResource", json!({"ResourceARN": arn, "TagKeys": ["K", "unknown"]})).await;
    assert_eq!(list().await, json!({"Tags": [{"Key": "k", "Value": ""}]}));
}

#[tokio::test]
async fn a_resource_has_fifty_tags_at_most() {
    let client = Client::new();
    let many: Value = (0..51).map(|i| json!({"Key": format!("k{i}"), "Value": "v"})).collect();
    let body = json!({"Name": "n", "Tags": many});
    assert_eq!(client.code("CreateHttpNamespace", body).await, "TooManyTagsException");
    let namespace = client.http_namespace("n").await;
    let arn = format!("arn:aws:servicediscovery:us-east-1:123456789012:namespace/{namespace}");
    assert_eq!(
        client.code("TagResource", json!({"ResourceARN": arn, "Tags": many})).await,
        "TooManyTagsException"
    );
    for key in ["", "aws:reserved", &"k".repeat(129)] {
        let body = json!({"ResourceARN": arn, "Tags": [{"Key": key, "Value": "v"}]});
        assert_eq!(client.code("TagResource", body).await, "InvalidInput", "{key}");
    }
}

#[tokio::test]
async fn what_has_no_tags_is_not_found() {
    let client = Client::new();
    for arn in [
        "arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-aaaaaaaaaaaaaaaa",
        "arn:aws:servicediscovery:us-east-1:123456789012:operation/x",
        "arn:aws:ecs:us-east-1:123456789012:service/x",
    ] {
        let code = client.code("ListTagsForResource", json!({"ResourceARN": arn})).await;
        assert_eq!(code, "ResourceNotFoundException", "{arn}");
    }
    let code = client.code("ListTagsForResource", json!({"ResourceARN": "ns-aaaaaaaaaaaaaaaa"})).await;
    assert_eq!(code, "InvalidInput");
}
