use serde_json::{Value, json};

use crate::support::{Client, ids};

/// All pages of a listing, each an answer.
async fn pages(client: &Client, operation: &str, body: Value) -> Vec<Value> {
    let (mut pages, mut body) = (Vec::new(), body);
    loop {
        let page = client.call(operation, body.clone()).await;
        let token = page.get("NextToken").cloned();
        pages.push(page);
        match token {
            Some(token) => body["NextToken"] = token,
            None => return pages,
        }
    }
}

#[tokio::test]
async fn pages_hold_each_entry_once() {
    let client = Client::new();
    let namespace = client.http_namespace("n").await;
    for i in 0..7 {
        client.service(json!({"Name": format!("s{i}"), "NamespaceId": namespace})).await;
    }
    let pages = pages(&client, "ListServices", json!({"MaxResults": 3})).await;
    let sizes: Vec<usize> = pages.iter().map(|page| ids(&page["Services"], "Id").len()).collect();
    assert_eq!(sizes, [3, 3, 1]);
    let mut names: Vec<&str> = pages.iter().flat_map(|page| ids(&page["Services"], "Name")).collect();
    names.sort_unstable();
    assert_eq!(names, ["s0", "s1", "s2", "s3", "s4", "s5", "s6"]);
}

#[tokio::test]
async fn a_listing_goes_on_over_what_comes_and_goes() {
    let client = Client::new();
    let instances = ["a", "c", "e", "g"].map(|id| (id, json!({})));
    let service = client.http_service(&instances).await;
    let first = client.call("ListInstances", json!({"ServiceId": service, "MaxResults": 2})).await;
    assert_eq!(ids(&first["Instances"], "Id"), ["a", "c"]);
    client.done("DeregisterInstance", json!({"ServiceId": service, "InstanceId": "c"})).await;
    client.register(&service, "b", json!({})).await;
    client.register(&service, "d", json!({})).await;
    let rest = json!({"ServiceId": service, "NextToken": first["NextToken"]});
    let rest = client.call("ListInstances", rest).await;
    assert_eq!(ids(&rest["Instances"], "Id"), ["d", "e", "g"]);
}

#[tokio::test]
async fn a_token_is_for_the_listing_it_came_from() {
    let client = Client::new();
    let service = client.http_service(&[("a", json!({})), ("b", json!({}))]).await;
    let other = client.http_namespace("other").await;
    let other = client.service(json!({"Name": "s", "NamespaceId": other})).await;
    let page = client.call("ListInstances", json!({"ServiceId": service, "MaxResults": 1})).await;
    let token = &page["NextToken"];
    for (operation, body) in [
        ("ListInstances", json!({"ServiceId": other, "NextToken": token})),
        ("GetInstancesHealthStatus", json!({"ServiceId": service, "NextToken": token})),
        ("ListServices", json!({"NextToken": token})),
        ("ListNamespaces", json!({"NextToken": "not a token"})),
        ("ListOperations", json!({"NextToken": ""})),
    ] {
        assert_eq!(client.code(operation, body).await, "InvalidInput", "{operation}");
    }
}

#[tokio::test]
async fn health_comes_in_pages_too() {
    let client = Client::new();
    let instances = ["a", "b", "c"].map(|id| (id, json!({})));
    let service = client.http_service(&instances).await;
    for body in [json!({"MaxResults": 2}), json!({"MaxResults": 2, "Instances": ["c", "b", "a"]})] {
        let mut body = body;
        body["ServiceId"] = json!(service);
        let pages = pages(&client, "GetInstancesHealthStatus", body).await;
        let found: Vec<&Value> = pages.iter().map(|page| &page["Status"]).collect();
        assert_eq!(found, [&json!({"a": "UNKNOWN", "b": "UNKNOWN"}), &json!({"c": "UNKNOWN"})]);
    }
}

#[tokio::test]
async fn filters_of_namespaces_all_have_to_match() {
    let client = Client::new();
    client.http_namespace("web").await;
    client.public_namespace("web.example").await;
    client.public_namespace("other.example").await;
    let filter = |name, values: &[&str]| json!({"Name": name, "Values": values});
    let begins = json!({"Name": "NAME", "Values": ["web"], "Condition": "BEGINS_WITH"});
    for (filters, mut found) in [
        (json!([]), vec!["other.example", "web", "web.example"]),
        (json!([filter("TYPE", &["HTTP"])]), vec!["web"]),
        (json!([filter("NAME", &["web"])]), vec!["web"]),
        (json!([filter("HTTP_NAME", &["web.example"])]), vec!["web.example"]),
        (json!([begins]), vec!["web", "web.example"]),
        (json!([begins, filter("TYPE", &["DNS_PUBLIC"])]), vec!["web.example"]),
        (json!([begins, filter("RESOURCE_OWNER", &["SELF"])]), vec!["web", "web.example"]),
        (json!([filter("RESOURCE_OWNER", &["OTHER_ACCOUNTS"])]), vec![]),
    ] {
        let answer = client.call("ListNamespaces", json!({"Filters": filters})).await;
        let mut names = ids(&answer["Namespaces"], "Name");
        names.sort_unstable();
        found.sort_unstable();
        assert_eq!(names, found, "{filters}");
    }
}

#[tokio::test]
async fn filters_that_make_no_sense_are_refused() {
    let client = Client::new();
    let filter = |name, condition, values: &[&str]| json!({"Filters": [{"Name": name, "Values": values, "Condition": condition}]});
    for (operation, body) in [
        ("ListNamespaces", filter("COLOR", "EQ", &["x"])),
        ("ListNamespaces", filter("TYPE", "EQ", &[])),
        ("ListNamespaces", filter("TYPE", "EQ", &["HTTP", "DNS_PUBLIC"])),
        ("ListNamespaces", filter("TYPE", "IN", &["HTTP"])),
        ("ListNamespaces", filter("RESOURCE_OWNER", "EQ", &["NOBODY"])),
        ("ListNamespaces", json!({"Filters": [{"Name": "TYPE"}]})),
        ("ListServices", filter("NAMESPACE_ID", "BEGINS_WITH", &["ns-"])),
        ("ListServices", filter("TYPE", "EQ", &["HTTP"])),
        ("ListOperations", filter("UPDATE_DATE", "EQ", &["1"])),
        ("ListOperations", filter("UPDATE_DATE", "BETWEEN", &["1"])),
        ("ListOperations", filter("UPDATE_DATE", "BETWEEN", &["yesterday", "today"])),
        ("ListOperations", filter("UPDATE_DATE", "BETWEEN", &["nan", "inf"])),
    ] {
        assert_eq!(client.code(operation, body.clone()).await, "InvalidInput", "{operation} {body}");
    }
}

#[tokio::test]
async fn services_of_a_namespace_are_found_by_its_id_or_arn() {
    let client = Client::new();
    let namespace = client.http_namespace("n").await;
    let other = client.http_namespace("other").await;
    let service = client.service(json!({"Name": "s", "NamespaceId": namespace})).await;
    client.service(json!({"Name": "s", "NamespaceId": other})).await;
    let arn = format!("arn:aws:servicediscovery:us-east-1:123456789012:namespace/{namespace}");
    for value in [&namespace, &arn] {
        let filters = json!([{"Name": "NAMESPACE_ID", "Values": [value]}]);
        let answer = client.call("ListServices", json!({"Filters": filters})).await;
        assert_eq!(ids(&answer["Services"], "Id"), [&service]);
        let shown = answer["Services"][0].as_object().unwrap();
        assert!(!shown.contains_key("NamespaceId") && !shown.contains_key("CreatorRequestId"), "{shown:?}");
    }
    let filters = json!([{"Name": "NAMESPACE_ID", "Values": ["ns-aaaaaaaaaaaaaaaa"]}]);
    assert_eq!(client.call("ListServices", json!({"Filters": filters})).await, json!({"Services": []}));
}
