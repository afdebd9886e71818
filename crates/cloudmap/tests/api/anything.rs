use bytes::Bytes;
use hyper::Request;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value};
use tokio::runtime::Runtime;

use crate::support::{Client, json_request};

const OPERATIONS: [&str; 30] = [
    "CreateHttpNamespace",
    "CreatePrivateDnsNamespace",
    "CreatePublicDnsNamespace",
    "CreateService",
    "DeleteNamespace",
    "DeleteService",
    "DeleteServiceAttributes",
    "DeregisterInstance",
    "DiscoverInstances",
    "DiscoverInstancesRevision",
    "GetInstance",
    "GetInstancesHealthStatus",
    "GetNamespace",
    "GetOperation",
    "GetService",
    "GetServiceAttributes",
    "ListInstances",
    "ListNamespaces",
    "ListOperations",
    "ListServices",
    "ListTagsForResource",
    "RegisterInstance",
    "TagResource",
    "UntagResource",
    "UpdateHttpNamespace",
    "UpdateInstanceCustomHealthStatus",
    "UpdatePrivateDnsNamespace",
    "UpdatePublicDnsNamespace",
    "UpdateService",
    "UpdateServiceAttributes",
];

const MEMBERS: [&str; 33] = [
    "Name",
    "Id",
    "NamespaceId",
    "ServiceId",
    "InstanceId",
    "OperationId",
    "CreatorRequestId",
    "Description",
    "Tags",
    "Key",
    "Value",
    "Properties",
    "DnsProperties",
    "SOA",
    "TTL",
    "Vpc",
    "DnsConfig",
    "DnsRecords",
    "Type",
    "RoutingPolicy",
    "HealthCheckConfig",
    "HealthCheckCustomConfig",
    "Attributes",
    "Filters",
    "Values",
    "Condition",
    "MaxResults",
    "NextToken",
    "ResourceARN",
    "TagKeys",
    "Service",
    "Namespace",
    "Instances",
];

/// Documents that have the members of requests, with values that are often of their type.
fn document() -> impl Strategy<Value = Value> {
    let word =
        select(vec!["", "a", "a.b", "HTTP", "A", "EQ", "HEALTHY", "ns-aaaaaaaaaaaaaaaa", "arn:", "\u{e9}"]);
    let leaf = prop_oneof![
        4 => word.prop_map(Value::from),
        1 => any::<String>().prop_map(Value::from),
        2 => (-2_i64..2000).prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 8, |inner| {
        let members = proptest::collection::hash_map(select(MEMBERS.to_vec()), inner.clone(), 0..8);
        prop_oneof![
            1 => proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            3 => members.prop_map(|members| {
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
            }),
        ]
    })
}

/// Sends each to a registry of its own, in a runtime of its own.
fn statuses(requests: Vec<Request<Bytes>>) -> Vec<u16> {
    Runtime::new().unwrap().block_on(async {
        let client = Client::new();
        let mut statuses = Vec::new();
        for request in requests {
            statuses.push(client.send(request).await.status().as_u16());
        }
        statuses
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_document_is_answered_by_every_operation(body in document()) {
        let requests = OPERATIONS.map(|operation| json_request(operation, &body));
        for (operation, status) in OPERATIONS.iter().zip(statuses(requests.into())) {
            prop_assert!(status == 200 || status == 400, "{operation}: {status}");
        }
    }

    #[test]
    fn any_octets_are_answered_in_cbor(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
        let requests = ["ListNamespaces", "CreateService"].map(|operation| {
            Request::post(format!("/service/Route53AutoNaming_v20170314/operation/{operation}"))
                .body(octets.clone().into())
                .unwrap()
        });
        for status in statuses(requests.into()) {
            prop_assert!(status == 200 || status == 400 || status == 404, "{status}");
        }
    }
}
