use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cartonym_cloudmap::{AccessKeys, Api, Body, Config, Credentials, Fallback, Limits, serve};
use cartonym_registry::{Registry, Timestamp};
use http_body_util::{BodyExt, Full};
use hyper::http::request::Parts;
use hyper::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Says what it was asked for.
struct Echo;

impl Fallback for Echo {
    fn is_open(&self, request: &Parts) -> bool {
        request.uri.path() == "/open"
    }

    async fn answer(&self, request: Request<Bytes>) -> Response<Body> {
        Response::new(Full::from(format!("{} {}", request.method(), request.uri())).boxed_unsync())
    }
}

async fn start(limits: Limits) -> SocketAddr {
    start_with(limits, Config::default()).await
}

async fn start_with(limits: Limits, config: Config) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let api = Arc::new(Api::new(Registry::in_memory(), config));
    tokio::spawn(serve(listener, api, Arc::new(Echo), limits, pending()));
    address
}

/// Sends octets and reads all that comes back, until the server closes the connection.
async fn exchange(address: SocketAddr, octets: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    let exchange = async {
        // The server may close before it has read everything, which is its answer.
        _ = stream.write_all(octets).await;
        _ = stream.read_to_end(&mut answer).await;
    };
    timeout(Duration::from_secs(10), exchange).await.expect("the server closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(headers: &str, body: &str) -> Vec<u8> {
    let target = "X-Amz-Target: Route53AutoNaming_v20170314.ListNamespaces";
    let length = body.len();
    format!("POST / HTTP/1.1\r\nHost: h\r\n{target}\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
        .into_bytes()
}

#[tokio::test]
async fn one_connection_answers_one_request_after_another() {
    let address = start(Limits::default()).await;
    let mut octets = post("", "{}");
    octets.extend(post("", "{}"));
    octets.extend(b"GET /health?x=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let answer = exchange(address, &octets).await;
    assert_eq!(answer.matches(r#"{"Namespaces":[]}"#).count(), 2, "{answer}");
    assert!(answer.contains("\r\ndate: "), "{answer}");
    assert!(answer.ends_with("GET /health?x=1"), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let address = start(Limits::default()).await;
    let head = post("", "").len();
    let declared = String::from_utf8(post("", "")).unwrap();
    let declared = declared.replace("Content-Length: 0", "Content-Length: 1048577");
    assert!(declared.len() > head);
    let answer = exchange(address, declared.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("RequestEntityTooLargeException"), "{answer}");
}

#[tokio::test]
async fn a_body_in_chunks_is_cut_at_the_limit() {
    let mut limits = Limits::default();
    limits.body = 1000;
    let address = start(limits).await;
    let chunk = format!("64\r\n{}\r\n", "x".repeat(100));
    let head = String::from_utf8(post("Transfer-Encoding: chunked\r\n", "")).unwrap();
    let head = head.replace("Content-Length: 0\r\n", "");
    let answer = exchange(address, format!("{head}{}", chunk.repeat(11)).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn ten_thousand_headers_are_refused() {
    let address = start(Limits::default()).await;
    for headers in ["X: y\r\n".repeat(10_000), format!("X: {}\r\n", "y".repeat(1 << 20))] {
        let answer = exchange(address, &post(&headers, "{}")).await;
        // Closing while more is on its way may lose the answer, but never serves the request.
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    assert!(exchange(address, &post("Connection: close\r\n", "{}")).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn slow_clients_are_cut() {
    let mut limits = Limits::default();
    limits.head_time = Duration::from_millis(50);
    limits.body_time = Duration::from_millis(50);
    let address = start(limits).await;
    let idle = exchange(address, b"").await;
    assert_eq!(idle, "", "an idle connection is closed");
    let half = exchange(address, b"POST / HTTP/1.1\r\nHost:").await;
    assert!(!half.contains("200"), "{half}");
    let without_body = String::from_utf8(post("", "")).unwrap().replace("Length: 0", "Length: 10");
    let answer = exchange(address, without_body.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let kept = exchange(address, &post("", "{}")).await;
    assert!(kept.starts_with("HTTP/1.1 200 "), "{kept}");
}

#[tokio::test]
async fn connections_past_the_cap_wait_for_a_place() {
    let mut limits = Limits::default();
    limits.connections = 2;
    let address = start(limits).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&post("", "{}")).await.unwrap();
        stream.read_u8().await.unwrap();
        held.push(stream);
    }
    let third = tokio::spawn(async move { exchange(address, &post("Connection: close\r\n", "{}")).await });
    tokio::task::yield_now().await;
    assert!(!third.is_finished());
    held.pop();
    assert!(third.await.unwrap().starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn garbage_is_answered_or_cut() {
    let address = start(Limits::default()).await;
    for octets in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = exchange(address, octets).await;
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    assert!(exchange(address, &post("Connection: close\r\n", "{}")).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn shutdown_lets_idle_connections_go() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let api = Arc::new(Api::new(Registry::in_memory(), Config::default()));
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async { _ = stopped.await };
    let server = tokio::spawn(serve(listener, api, Arc::new(Echo), Limits::default(), shutdown));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&post("", "{}")).await.unwrap();
    stream.read_u8().await.unwrap();
    stop.send(()).unwrap();
    timeout(Duration::from_secs(2), server).await.expect("the server ends").unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(rest.ends_with(r#"{"Namespaces":[]}"#), "{rest}");
}

#[tokio::test]
async fn with_keys_what_is_beside_the_api_must_be_signed_too_unless_it_is_open() {
    let keys = AccessKeys::none().with("AKID", "hush");
    let address = start_with(Limits::default(), Config { keys, ..Config::default() }).await;
    let get = async |path: &str, secret: Option<&str>| {
        let request = Request::get(path).header("host", "x").body(Bytes::new()).unwrap();
        let request = match secret {
            Some(secret) => {
                let credentials =
                    Credentials { id: "AKID".into(), secret: secret.into(), region: "eu-west-1".into() };
                credentials.sign(request, Timestamp::now()).unwrap()
            }
            None => request,
        };
        let mut text = format!("GET {path} HTTP/1.1\r\nconnection: close\r\n");
        for (name, value) in request.headers() {
            text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
        }
        exchange(address, format!("{text}\r\n").as_bytes()).await
    };
    assert!(get("/open", None).await.ends_with("GET /open"));
    let unsigned = get("/closed?b&a=1", None).await;
    assert!(unsigned.starts_with("HTTP/1.1 403 "), "{unsigned}");
    assert!(unsigned.contains("MissingAuthenticationTokenException"), "{unsigned}");
    let wrong = get("/closed?b&a=1", Some("loud")).await;
    assert!(wrong.contains("InvalidSignatureException"), "{wrong}");
    assert!(get("/closed?b&a=1", Some("hush")).await.ends_with("GET /closed?b&a=1"));
}
