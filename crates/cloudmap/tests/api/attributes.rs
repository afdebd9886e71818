use serde_json::{Value, json};

use crate::support::Client;

#[tokio::test]
async fn attributes_are_added_and_removed() {
    let client = Client::new();
    let service = client.http_service(&[]).await;
    let id = json!({"ServiceId": service});
    let get = async || {
        let answer = client.call("GetServiceAttributes", id.clone()).await;
        answer["ServiceAttributes"].clone()
    };
    let arn = format!("arn:aws:servicediscovery:us-east-1:123456789012:service/{service}");
    let empty = json!({"ServiceArn": arn, "ResourceOwner": "123456789012", "Attributes": {}});
    assert_eq!(get().await, empty);
    let update = |attributes: Value| json!({"ServiceId": arn, "Attributes": attributes});
    let updated = client.call("UpdateServiceAttributes", update(json!({"a": "1", "b": "2"}))).await;
    assert_eq!(updated, json!({}));
    client.call("UpdateServiceAttributes", update(json!({"a": "3"}))).await;
    assert_eq!(get().await["Attributes"], json!({"a": "3", "b": "2"}));
    client.call("DeleteServiceAttributes", update(json!(["a", "unknown"]))).await;
    assert_eq!(get().await["Attributes"], json!({"b": "2"}));
}

#[tokio::test]
async fn a_service_has_thirty_attributes_at_most() {
    let client = Client::new();
    let service = client.http_service(&[]).await;
    let update = |range: std::ops::Range<u32>| {
        let attributes: Value = range.map(|i| (format!("k{i}"), json!("v"))).collect();
        json!({"ServiceId": service, "Attributes": attributes})
    };
    client.call("UpdateServiceAttributes", update(0..30)).await;
    let more = client.code("UpdateServiceAttributes", update(30..31)).await;
    assert_eq!(more, "ServiceAttributesLimitExceededException");
    for body in [update(0..31), update(0..0)] {
        assert_eq!(client.code("UpdateServiceAttributes", body).await, "InvalidInput");
    }
    let unknown = json!({"ServiceId": "srv-aaaaaaaaaaaaaaaa"});
    assert_eq!(client.code("GetServiceAttributes", unknown).await, "ServiceNotFound");
}
