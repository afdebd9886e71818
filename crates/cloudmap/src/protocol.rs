//! The two protocols of the model, and how a request says which one it speaks.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde::Serialize;
use serde::ser::SerializeMap;
use serde_json::{Map, Value};

use crate::fault::{Code, Fault};

/// How requests and responses are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// AWS JSON 1.1: `POST /`, the operation in a header.
    Json,
    /// Smithy RPC v2 CBOR: the operation in the path.
    Cbor,
}

impl Protocol {
    /// The protocol of a request that is meant for the API; by its method and path alone.
    ///
    /// The Host header says nothing: clients put `data-` before the host name of some operations.
    pub(crate) fn of(request: &Parts) -> Option<Protocol> {
        if request.method != Method::POST {
            return None;
        }
        match request.uri.path() {
            "/" => Some(Protocol::Json),
            path if path.contains("/service/") => Some(Protocol::Cbor),
            _ => None,
        }
    }

    /// The name of the operation asked for.
    ///
    /// # Errors
    ///
    /// `UnknownOperationException` if the request is for another service, or for none.
    pub(crate) fn operation(self, request: &Parts) -> Result<&str, Fault> {
        let name = match self {
            Protocol::Json => request
                .headers
                .get(TARGET)
                .and_then(|target| target.to_str().ok()?.strip_prefix(SERVICE)?.strip_prefix('.')),
            Protocol::Cbor => cbor_operation(request),
        };
        name.ok_or_else(|| {
            Fault::new(Code::UnknownOperation, "the request names no operation of this service")
        })
    }

    /// Reads a request's body; an empty one is a request without members.
    ///
    /// # Errors
    ///
    /// `SerializationException` if the body is not one well-formed document.
    pub(crate) fn read(self, body: &[u8]) -> Result<Value, Fault> {
        if body.is_empty() {
            return Ok(Value::Object(Map::new()));
        }
        let document = match self {
            Protocol::Json => serde_json::from_slice(body).map_err(|error| error.to_string()),
            Protocol::Cbor => read_cbor(body),
        };
        document.map_err(|error| Fault::new(Code::Serialization, format!("the body cannot be read: {error}")))
    }

    /// Writes the body of a response.
    ///
    /// # Errors
    ///
    /// `InternalFailure`, which no response of this crate causes.
    pub(crate) fn write(self, response: &impl Serialize) -> Result<Bytes, Fault> {
        let mut body = Vec::with_capacity(512);
        let written = match self {
            Protocol::Json => serde_json::to_writer(&mut body, response).map_err(|error| error.to_string()),
            Protocol::Cbor => ciborium::into_writer(response, &mut body).map_err(|error| error.to_string()),
        };
        match written {
            Ok(()) => Ok(body.into()),
            Err(error) => Err(Fault::new(Code::InternalFailure, error)),
        }
    }

    /// The response around `body`; one without a body has no content type.
    pub(crate) fn success(self, body: Bytes) -> Response<Bytes> {
        self.response(StatusCode::OK, body)
    }

    /// The response that tells a fault.
    pub(crate) fn failure(self, fault: &Fault) -> Response<Bytes> {
        let body = self.write(&Told { fault, protocol: self }).unwrap_or_default();
        let mut response = self.response(self.status(fault.code()), body);
        response.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(fault.code().name()));
        response
    }

    fn response(self, status: StatusCode, body: Bytes) -> Response<Bytes> {
        let empty = body.is_empty();
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let content_type = match self {
            Protocol::Json => "application/x-amz-json-1.1",
            Protocol::Cbor => "application/cbor",
        };
        if self == Protocol::Json || !empty {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if self == Protocol::Cbor {
            headers.insert(SMITHY_PROTOCOL, HeaderValue::from_static(RPC_V2_CBOR));
        }
        response
    }

    /// JSON clients expect 400 for whatever is the caller's fault; the model's statuses came with CBOR.
    fn status(self, code: Code) -> StatusCode {
        let status = match (self, code) {
            (_, Code::RequestEntityTooLarge | Code::RequestTimeout) | (Protocol::Cbor, _) => code.status(),
            (Protocol::Json, code) if code.is_server() => code.status(),
            (Protocol::Json, _) => 400,
        };
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// `[/PREFIX]/service/SERVICE/operation/OPERATION`
fn cbor_operation(request: &Parts) -> Option<&str> {
    // A page in a browser cannot say this without asking first, as it cannot name a target.
    let declared = request.headers.get(SMITHY_PROTOCOL).is_some_and(|protocol| protocol == RPC_V2_CBOR);
    let (_, rest) = request.uri.path().rsplit_once("/service/")?;
    let (service, operation) = rest.split_once("/operation/")?;
    (declared && service == SERVICE).then_some(operation)
}

fn read_cbor(mut body: &[u8]) -> Result<Value, String> {
    let document = ciborium::de::from_reader_with_recursion_limit(&mut body, MOST_NESTED)
        .map_err(|error| error.to_string())?;
    if !body.is_empty() {
        return Err("octets follow the document".into());
    }
    Ok(document)
}

/// A fault as the body of a response.
struct Told<'f> {
    fault: &'f Fault,
    protocol: Protocol,
}

impl Serialize for Told<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let code = self.fault.code().name();
        let members = self.fault.members();
        let mut map = serializer.serialize_map(Some(2 + members.len()))?;
        match self.protocol {
            Protocol::Json => map.serialize_entry("__type", code)?,
            Protocol::Cbor => map.serialize_entry("__type", &format!("{NAMESPACE}#{code}"))?,
        }
        map.serialize_entry("Message", self.fault.message())?;
        for (name, value) in members {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The service, as both protocols name it.
const SERVICE: &str = "Route53AutoNaming_v20170314";
/// Where the model's shapes live.
const NAMESPACE: &str = "com.amazonaws.servicediscovery";
const RPC_V2_CBOR: &str = "rpc-v2-cbor";
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// Requests nest five deep; a body that nests further is not one.
const MOST_NESTED: usize = 32;

#[cfg(test)]
mod tests {
    use hyper::Request;
    use serde_json::json;

    use super::*;

    fn parts(method: &str, path: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn operation(path: &str, headers: &[(&str, &str)]) -> Option<(Protocol, Result<String, Code>)> {
        let parts = parts("POST", path, headers);
        let protocol = Protocol::of(&parts)?;
        let operation = protocol.operation(&parts).map(str::to_owned).map_err(|fault| fault.code());
        Some((protocol, operation))
    }

    #[test]
    fn the_target_header_names_the_operation_of_json() {
        let target = |value| operation("/", &[("X-Amz-Target", value)]).unwrap();
        assert_eq!(
            target("Route53AutoNaming_v20170314.GetService"),
            (Protocol::Json, Ok("GetService".into()))
        );
        for foreign in ["", "GetService", "AmazonEC2ContainerServiceV20141113.ListTasks"] {
            assert_eq!(target(foreign), (Protocol::Json, Err(Code::UnknownOperation)), "{foreign}");
        }
        assert_eq!(operation("/", &[]), Some((Protocol::Json, Err(Code::UnknownOperation))));
    }

    #[test]
    fn the_path_names_the_operation_of_cbor() {
        let path = "/service/Route53AutoNaming_v20170314/operation/GetService";
        let found = Some((Protocol::Cbor, Ok("GetService".into())));
        assert_eq!(operation(path, &[("smithy-protocol", "rpc-v2-cbor")]), found);
        assert_eq!(operation(&format!("/prefix{path}"), &[("smithy-protocol", "rpc-v2-cbor")]), found);
        let refused = Some((Protocol::Cbor, Err(Code::UnknownOperation)));
        assert_eq!(operation(path, &[("smithy-protocol", "rpc-v2-json")]), refused);
        assert_eq!(operation("/service/Other/operation/GetService", &[]), refused);
    }

    #[test]
    fn anything_but_a_post_to_these_paths_is_not_for_the_api() {
        assert!(Protocol::of(&parts("GET", "/", &[])).is_none());
        assert!(Protocol::of(&parts("POST", "/health", &[])).is_none());
    }

    #[test]
    fn both_protocols_read_the_same_document() {
        let document = json!({"Id": "ns-1", "N": 5, "Tags": [{"Key": "k", "Value": ""}]});
        let mut cbor = Vec::new();
        ciborium::into_writer(&document, &mut cbor).unwrap();
        assert_eq!(Protocol::Json.read(document.to_string().as_bytes()).unwrap(), document);
        assert_eq!(Protocol::Cbor.read(&cbor).unwrap(), document);
        assert_eq!(Protocol::Json.read(b"").unwrap(), json!({}));
        assert_eq!(Protocol::Cbor.read(b"").unwrap(), json!({}));
    }

    #[test]
    fn a_cbor_map_of_unknown_length_is_read() {
        assert_eq!(Protocol::Cbor.read(b"\xbf\x62Id\x61x\xff").unwrap(), json!({"Id": "x"}));
    }

    #[test]
    fn a_broken_body_is_a_serialization_exception() {
        let deep = "[".repeat(100_000);
        for body in ["{", "{\"Id\":", "nonsense", "{} {}", "\u{feff}{}", &deep] {
            assert_eq!(Protocol::Json.read(body.as_bytes()).unwrap_err().code(), Code::Serialization);
        }
        let deep = [0x81; 100_000];
        // Truncated, a huge declared length, a stray break, octets after the end, and depth.
        for body in [&b"\xa1"[..], b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", b"\xff", b"\xa0\xa0", &deep] {
            assert_eq!(Protocol::Cbor.read(body).unwrap_err().code(), Code::Serialization);
        }
    }

    #[test]
    fn a_fault_is_400_in_json_and_the_models_status_in_cbor() {
        let fault = Fault::new(Code::NamespaceNotFound, "gone").with("NamespaceId", "ns-1");
        let json = Protocol::Json.failure(&fault);
        assert_eq!(json.status(), 400);
        assert_eq!(json.headers()["x-amzn-errortype"], "NamespaceNotFound");
        assert_eq!(
            serde_json::from_slice::<Value>(json.body()).unwrap(),
            json!({"__type": "NamespaceNotFound", "Message": "gone", "NamespaceId": "ns-1"})
        );
        let cbor = Protocol::Cbor.failure(&fault);
        assert_eq!(cbor.status(), 404);
        assert_eq!(cbor.headers()["smithy-protocol"], "rpc-v2-cbor");
        assert_eq!(
            read_cbor(cbor.body()).unwrap()["__type"],
            "com.amazonaws.servicediscovery#NamespaceNotFound"
        );
        let fault = Fault::new(Code::InternalFailure, "");
        assert_eq!(Protocol::Json.failure(&fault).status(), 500);
    }
}
