use cartonym_cloudmap::{AccessKeys, Config, Credentials};
use cartonym_registry::Timestamp;
use serde_json::Value;

use crate::support::{Client, raw_request};

/// A ListNamespaces that botocore signed at 2015-08-30T12:36:00Z.
fn signed() -> hyper::Request<bytes::Bytes> {
    let mut request = raw_request("ListNamespaces", r#"{"MaxResults":1}"#);
    let headers = request.headers_mut();
    headers.insert("host", "127.0.0.1:8053".parse().unwrap());
    headers.insert("x-amz-date", "20150830T123600Z".parse().unwrap());
    let authorization = "AWS4-HMAC-SHA256 \
        Credential=AKIDEXAMPLE/20150830/us-east-1/servicediscovery/aws4_request, \
        SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
        Signature=9e073b9af0a2d5fcbfe43a3f2b432d35874d9e13f677092e4ed1d568b1575400";
    headers.insert("authorization", authorization.parse().unwrap());
    request
}

fn client(id: &str, secret: &str) -> Client {
    Client::with(Config {
        keys: AccessKeys::none().with(id, secret),
        clock: || Timestamp::from_millis(1_440_938_160_000),
        ..Config::default()
    })
}

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// The error code that the answer has, if it is one.
async fn verdict(client: &Client, request: hyper::Request<bytes::Bytes>) -> Option<String> {
    let response = client.send(request).await;
    let answer: Value = serde_json::from_slice(response.body()).unwrap();
    answer.get("__type").map(|code| code.as_str().unwrap().to_owned())
}

#[tokio::test]
async fn with_keys_a_request_must_be_signed_by_one() {
    let client = client("AKIDEXAMPLE", SECRET);
    assert_eq!(verdict(&client, signed()).await, None);
    let unsigned = verdict(&client, raw_request("ListNamespaces", "{}")).await;
    assert_eq!(unsigned.as_deref(), Some("MissingAuthenticationTokenException"));
    let mut changed = signed();
    *changed.body_mut() = r#"{"MaxResults":2}"#.into();
    assert_eq!(verdict(&client, changed).await.as_deref(), Some("InvalidSignatureException"));
}

#[tokio::test]
async fn a_header_is_signed_once_and_in_its_place() {
    let client = client("AKIDEXAMPLE", SECRET);
    for names in
        ["content-type;host;host;x-amz-date;x-amz-target", "host;content-type;x-amz-date;x-amz-target"]
    {
        let mut request = signed();
        let authorization = request.headers()["authorization"].to_str().unwrap().to_owned();
        let authorization = authorization.replace("content-type;host;x-amz-date;x-amz-target", names);
        request.headers_mut().insert("authorization", authorization.parse().unwrap());
        let verdict = verdict(&client, request).await;
        assert_eq!(verdict.as_deref(), Some("IncompleteSignatureException"), "{names}");
    }
}

#[tokio::test]
async fn with_other_keys_it_is_refused() {
    let unknown = verdict(&client("OTHER", SECRET), signed()).await;
    assert_eq!(unknown.as_deref(), Some("UnrecognizedClientException"));
    let wrong = verdict(&client("AKIDEXAMPLE", "wrong"), signed()).await;
    assert_eq!(wrong.as_deref(), Some("InvalidSignatureException"));
}

#[tokio::test]
async fn without_keys_anybody_may_ask() {
    let client = Client::new();
    assert_eq!(verdict(&client, signed()).await, None);
    assert_eq!(verdict(&client, raw_request("ListNamespaces", "{}")).await, None);
    let mut odd = raw_request("ListNamespaces", "{}");
    odd.headers_mut().insert("authorization", "Bearer nonsense".parse().unwrap());
    assert_eq!(verdict(&client, odd).await, None);
}

#[test]
fn what_is_signed_here_is_signed_as_botocore_does() {
    let credentials =
        Credentials { id: "AKIDEXAMPLE".into(), secret: SECRET.into(), region: "us-east-1".into() };
    let mut unsigned = signed();
    for header in ["authorization", "x-amz-date"] {
        unsigned.headers_mut().remove(header);
    }
    let ours = credentials.sign(unsigned, Timestamp::from_millis(1_440_938_160_000)).unwrap();
    assert_eq!(ours.headers(), signed().headers());
    assert!(!format!("{credentials:?}").contains(SECRET));
}
