use serde_json::{Value, json};

use crate::support::{Client, ids};

#[tokio::test]
async fn an_operation_is_known_by_its_id_and_owner() {
    let client = Client::new();
    let started = client.call("CreateHttpNamespace", json!({"Name": "n"})).await;
    let id = &started["OperationId"];
    let answer = client.call("GetOperation", started.clone()).await;
    let operation = answer["Operation"].as_object().unwrap();
    assert_eq!(operation["Id"], *id);
    assert_eq!(operation["OwnerAccount"], "123456789012");
    assert_eq!((&operation["Type"], &operation["Status"]), (&json!("CREATE_NAMESPACE"), &json!("SUCCESS")));
    assert!(operation["CreateDate"].as_f64() <= operation["UpdateDate"].as_f64());
    assert!(!operation.contains_key("ErrorCode") && !operation.contains_key("ErrorMessage"));
    let owned = json!({"OperationId": id, "OwnerAccount": "123456789012"});
    client.call("GetOperation", owned).await;
    for body in
        [json!({"OperationId": id, "OwnerAccount": "999999999999"}), json!({"OperationId": "nonsense"})]
    {
        assert_eq!(client.code("GetOperation", body).await, "OperationNotFound");
    }
}

#[tokio::test]
async fn operations_are_filtered_by_what_they_did() {
    let client = Client::new();
    let service = client.http_service(&[]).await;
    let register = json!({"ServiceId": service, "InstanceId": "i", "Attributes": {}});
    let registered = client.call("RegisterInstance", register).await["OperationId"].clone();
    let deregister = json!({"ServiceId": service, "InstanceId": "i"});
    let deregistered = client.call("DeregisterInstance", deregister).await["OperationId"].clone();
    let filter =
        |name, condition, values: &[&str]| json!({"Name": name, "Condition": condition, "Values": values});
    let both = vec![registered.clone(), deregistered];
    let dates = filter("UPDATE_DATE", "BETWEEN", &["1500000000.5", "9999999999"]);
    for (more, found) in [
        (filter("TYPE", "EQ", &["REGISTER_INSTANCE"]), vec![registered]),
        (filter("TYPE", "IN", &["REGISTER_INSTANCE", "DEREGISTER_INSTANCE"]), both.clone()),
        (filter("STATUS", "IN", &["PENDING", "SUCCESS"]), both.clone()),
        (filter("STATUS", "EQ", &["FAIL"]), vec![]),
        (dates, both),
        (filter("UPDATE_DATE", "BETWEEN", &["1", "2"]), vec![]),
        (filter("NAMESPACE_ID", "EQ", &["ns-aaaaaaaaaaaaaaaa"]), vec![]),
    ] {
        let filters = json!([filter("SERVICE_ID", "EQ", &[&service]), more]);
        let answer = client.call("ListOperations", json!({"Filters": filters})).await;
        let mut listed: Vec<Value> = ids(&answer["Operations"], "Id").into_iter().map(Value::from).collect();
        listed.sort_by_key(Value::to_string);
        let mut found = found;
        found.sort_by_key(Value::to_string);
        assert_eq!(listed, found, "{filters}");
    }
}
