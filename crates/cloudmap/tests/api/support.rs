//! An API over an empty registry, and what tests say to it.

use bytes::Bytes;
use cartonym_cloudmap::{Api, Config};
use cartonym_registry::Registry;
use hyper::{Request, Response};
use serde_json::{Value, json};

/// An API over an empty registry.
pub(crate) struct Client {
    pub(crate) api: Api,
}

/// An answer that is an error.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) body: Value,
}

impl Client {
    /// Everything is owned by 123456789012, and regions are what requests say.
    pub(crate) fn new() -> Client {
        Client::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Client {
        Client { api: Api::new(Registry::in_memory(), config) }
    }

    pub(crate) async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.api.handle(request).await
    }

    /// What the operation answers, which must not be an error.
    pub(crate) async fn call(&self, operation: &str, body: Value) -> Value {
        let response = self.send(json_request(operation, &body)).await;
        assert_eq!(response.status(), 200, "{operation} {body}: {}", text(&response));
        match response.body().is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(response.body()).unwrap(),
        }
    }

    /// The error that the operation answers.
    pub(crate) async fn refusal(&self, operation: &str, body: Value) -> Refusal {
        let response = self.send(json_request(operation, &body)).await;
        assert_ne!(response.status(), 200, "{operation} {body} is answered {}", text(&response));
        let answer: Value = serde_json::from_slice(response.body()).unwrap();
        Refusal {
            status: response.status().as_u16(),
            code: answer["__type"].as_str().unwrap().to_owned(),
            message: answer["Message"].as_str().unwrap().to_owned(),
            body: answer,
        }
    }

    /// The code of the error that the operation answers, which must be a 400.
    pub(crate) async fn code(&self, operation: &str, body: Value) -> String {
        let refusal = self.refusal(operation, body).await;
        assert_eq!(refusal.status, 400, "{refusal:?}");
        refusal.code
    }

    /// Starts an operation, which must have succeeded by the time it is asked for.
    pub(crate) async fn done(&self, operation: &str, body: Value) -> Value {
        let started = self.call(operation, body).await;
        let found = self.call("GetOperation", started).await;
        assert_eq!(found["Operation"]["Status"], "SUCCESS", "{operation}: {found}");
        found["Operation"].clone()
    }

    /// Makes a namespace, and gives its id.
    pub(crate) async fn namespace(&self, operation: &str, body: Value) -> String {
        let operation = self.done(operation, body).await;
        operation["Targets"]["NAMESPACE"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn http_namespace(&self, name: &str) -> String {
        self.namespace("CreateHttpNamespace", json!({"Name": name})).await
    }

    pub(crate) async fn public_namespace(&self, name: &str) -> String {
        self.namespace("CreatePublicDnsNamespace", json!({"Name": name})).await
    }

    /// Makes a service, and gives its id.
    pub(crate) async fn service(&self, body: Value) -> String {
        let answer = self.call("CreateService", body).await;
        answer["Service"]["Id"].as_str().unwrap().to_owned()
    }

    /// A service called `s` in a new HTTP namespace called `n`, and some instances.
    pub(crate) async fn http_service(&self, instances: &[(&str, Value)]) -> String {
        let namespace = self.http_namespace("n").await;
        let service = self.service(json!({"Name": "s", "NamespaceId": namespace})).await;
        for (id, attributes) in instances {
            self.register(&service, id, attributes.clone()).await;
        }
        service
    }

    pub(crate) async fn register(&self, service: &str, id: &str, attributes: Value) -> Value {
        let body = json!({"ServiceId": service, "InstanceId": id, "Attributes": attributes});
        self.done("RegisterInstance", body).await
    }
}

/// A request as an SDK sends it, without a signature.
pub(crate) fn json_request(operation: &str, body: &Value) -> Request<Bytes> {
    raw_request(operation, body.to_string())
}

pub(crate) fn raw_request(operation: &str, body: impl Into<Bytes>) -> Request<Bytes> {
    Request::post("/")
        .header("Host", "data-127.0.0.1:8053")
        .header("Content-Type", "application/x-amz-json-1.1")
        .header("X-Amz-Target", format!("Route53AutoNaming_v20170314.{operation}"))
        .body(body.into())
        .unwrap()
}

/// The ids in a list of the answer, in their order.
pub(crate) fn ids<'a>(list: &'a Value, member: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|entry| entry[member].as_str().unwrap()).collect()
}

fn text(response: &Response<Bytes>) -> String {
    String::from_utf8_lossy(response.body()).into_owned()
}
