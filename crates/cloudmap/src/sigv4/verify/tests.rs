//! Vectors: the first five are of AWS's own suite, the rest were made with botocore.

use hyper::Request;

use super::*;

const SIGNED_AT: &str = "20150830T123600Z";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A request as it arrives: `METHOD URI`, header lines, the body, and the signature it comes with.
fn request(line: &str, headers: &[(&str, &str)], service: &str, signature: &str) -> Parts {
    let (method, uri) = line.split_once(' ').unwrap();
    let mut names: Vec<String> = headers.iter().map(|(name, _)| name.to_lowercase()).collect();
    names.push("x-amz-date".into());
    names.sort();
    let mut request = Request::builder().method(method).uri(uri).header("X-Amz-Date", SIGNED_AT);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let credential = format!("AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request");
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={}, Signature={signature}",
        names.join(";")
    );
    request.header("Authorization", authorization).body(()).unwrap().into_parts().0
}

#[test]
fn the_vectors_of_the_suite_are_signed() {
    let host = ("Host", "example.amazonaws.com");
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let spaces = [host, ("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")];
    for (line, headers, body, signature) in [
        ("GET /", &[host][..], "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST /", &[host], "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "GET /?Param2=value2&Param1=value1",
            &[host],
            "",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        ("GET /", &spaces, "", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
        (
            "POST /",
            &[host, form],
            "Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
        ("GET /%E1%88%B4", &[host], "", "697b34846207a3f72246f99d74ae1ee4fe54f44bb06730c58a0d339eb079596d"),
    ] {
        let request = request(line, headers, "service", signature);
        let authorization = Authorization::of(&request.headers).unwrap();
        assert!(
            signs(&authorization, &request, SIGNED_AT, body.as_bytes(), SECRET),
            "{line} with {headers:?} is {}",
            canonical_request(&request, authorization.signed_headers, body.as_bytes())
        );
    }
}

/// A signed ListNamespaces.
fn signed() -> Parts {
    let headers = [
        ("Host", "127.0.0.1:8053"),
        ("Content-Type", "application/x-amz-json-1.1"),
        ("X-Amz-Target", "Route53AutoNaming_v20170314.ListNamespaces"),
    ];
    let signature = "9e073b9af0a2d5fcbfe43a3f2b432d35874d9e13f677092e4ed1d568b1575400";
    request("POST /", &headers, "servicediscovery", signature)
}

const BODY: &[u8] = br#"{"MaxResults":1}"#;

fn keys() -> AccessKeys {
    AccessKeys::none().with("AKIDEXAMPLE", SECRET)
}

/// The verdict on `request`, `skew` seconds after it was signed.
fn verdict(request: &Parts, body: &[u8], keys: &AccessKeys, skew: i64) -> Result<(), Code> {
    let now = date::parse(SIGNED_AT).unwrap() + skew;
    let now = Timestamp::from_millis(u64::try_from(now).unwrap() * 1_000);
    verify(request, body, keys, now).map_err(|fault| fault.code())
}

#[test]
fn a_signature_holds_for_five_minutes_either_way() {
    for (skew, verdict_then) in [
        (0, Ok(())),
        (300, Ok(())),
        (-300, Ok(())),
        (301, Err(Code::InvalidSignature)),
        (-301, Err(Code::InvalidSignature)),
    ] {
        assert_eq!(verdict(&signed(), BODY, &keys(), skew), verdict_then, "{skew} s later");
    }
}

#[test]
fn a_body_of_one_other_octet_is_refused() {
    assert_eq!(verdict(&signed(), br#"{"MaxResults":2}"#, &keys(), 0), Err(Code::InvalidSignature));
}

#[test]
fn a_changed_header_is_refused() {
    let mut request = signed();
    let other = "Route53AutoNaming_v20170314.ListServices".parse().unwrap();
    request.headers.insert("x-amz-target", other);
    assert_eq!(verdict(&request, BODY, &keys(), 0), Err(Code::InvalidSignature));
}

#[test]
fn a_target_that_was_not_signed_is_refused() {
    let signature = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";
    let mut request = request("POST /", &[("Host", "h")], "servicediscovery", signature);
    request.headers.insert("x-amz-target", "Route53AutoNaming_v20170314.ListServices".parse().unwrap());
    let fault = verify(&request, BODY, &keys(), Timestamp::from_millis(1_440_938_160_000)).unwrap_err();
    assert_eq!(fault.message(), "'x-amz-target' must be a 'SignedHeader' in the AWS Authorization.");
}

#[test]
fn a_scope_of_another_service_is_refused() {
    let request = request("POST /", &[("Host", "h")], "ecs", &"0".repeat(64));
    assert_eq!(verdict(&request, BODY, &keys(), 0), Err(Code::InvalidSignature));
}

#[test]
fn an_unknown_key_and_a_wrong_secret_have_their_codes() {
    let stranger = AccessKeys::none().with("OTHER", SECRET);
    assert_eq!(verdict(&signed(), BODY, &stranger, 0), Err(Code::UnrecognizedClient));
    let wrong = AccessKeys::none().with("AKIDEXAMPLE", "wrong");
    assert_eq!(verdict(&signed(), BODY, &wrong, 0), Err(Code::InvalidSignature));
}

#[test]
fn a_signature_that_is_no_hexadecimal_is_refused() {
    for signature in ["", "z", &"g".repeat(64), &"0".repeat(63), &"0".repeat(66), "\u{e9}"] {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/servicediscovery/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature={signature}"
        );
        let mut request = signed();
        let value = hyper::header::HeaderValue::from_bytes(authorization.as_bytes()).unwrap();
        request.headers.insert("authorization", value);
        assert!(verdict(&request, BODY, &keys(), 0).is_err(), "{signature}");
    }
}

#[test]
fn a_request_without_a_date_is_incomplete() {
    let mut request = signed();
    request.headers.remove("x-amz-date");
    assert_eq!(verdict(&request, BODY, &keys(), 0), Err(Code::IncompleteSignature));
}
