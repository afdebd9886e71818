//! Another Cloud Map in this process, which can be away, refuse and be looked at.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cartonym_backend_remote::{AccessKey, Options, Quotas};
use cartonym_cloudmap::{AccessKeys, Api, Config};
use cartonym_registry::{Backend, MemoryBackend, Registry};
use futures_util::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// A Cloud Map that somebody else runs.
pub(crate) struct Other {
    pub(crate) backend: Arc<MemoryBackend>,
    pub(crate) registry: Registry,
    door: Arc<Door>,
    address: SocketAddr,
    server: AbortHandle,
}

struct Door {
    api: Api,
    /// The operations that were asked for.
    calls: Mutex<Vec<String>>,
    is_away: AtomicBool,
    is_busy: AtomicBool,
    /// Set while a test says what is refused; a call asks it.
    refusal: Mutex<Option<Refusal>>,
    /// What who asks for changes is told before nothing more comes; nobody is told anything where it is none.
    said: Mutex<Option<&'static str>>,
}

/// What a call of an operation with this body is refused with.
type Refusal = Box<dyn FnMut(&str, &str) -> Option<&'static str> + Send>;

impl Other {
    pub(crate) async fn start() -> Other {
        let keys = AccessKeys::none().with("AKID", "hush");
        let backend = Arc::new(MemoryBackend::new());
        let shared: Arc<dyn Backend> = backend.clone();
        let registry = Registry::open(shared, Default::default()).await.unwrap();
        let door = Arc::new(Door {
            api: Api::new(registry.clone(), Config { keys, ..Config::default() }),
            calls: Mutex::default(),
            is_away: AtomicBool::new(false),
            is_busy: AtomicBool::new(false),
            refusal: Mutex::default(),
            said: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, Arc::clone(&door))).abort_handle();
        Other { backend, registry, door, address, server }
    }

    /// Who asks it often, with the right keys.
    pub(crate) fn options(&self) -> Options {
        Options {
            endpoint: Some(format!("http://{}", self.address)),
            key: Some(AccessKey { id: "AKID".into(), secret: "hush".into() }),
            poll: Some(Duration::from_millis(20)),
            quotas: Some(Quotas { listings: 100_000, discoveries: 100_000 }),
            ..Options::default()
        }
    }

    /// Whether it closes every connection from now on. It keeps its port, which another could take.
    pub(crate) fn set_away(&self, is_away: bool) {
        self.door.is_away.store(is_away, Ordering::SeqCst);
    }

    /// Whether it refuses all requests for being too many.
    pub(crate) fn set_busy(&self, is_busy: bool) {
        self.door.is_busy.store(is_busy, Ordering::SeqCst);
    }

    /// Asks `refusal` from now on which call is refused, and with what.
    pub(crate) fn refuse(&self, refusal: impl FnMut(&str, &str) -> Option<&'static str> + Send + 'static) {
        *self.door.refusal.lock() = Some(Box::new(refusal));
    }

    /// Tells whoever asks for changes this, and then keeps silent.
    pub(crate) fn say(&self, text: &'static str) {
        *self.door.said.lock() = Some(text);
    }

    /// How often these operations were asked for.
    pub(crate) fn calls(&self, operations: &[&str]) -> usize {
        self.door.calls.lock().iter().filter(|call| operations.contains(&call.as_str())).count()
    }

    pub(crate) async fn register(&self, service: &str, number: u8) {
        let address = ([192, 0, 2, number], 80).into();
        self.registry.register(service, &format!("i{number}"), address).await.unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, door: Arc<Door>) {
    let mut open = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        open.spawn(door.clone().connection(stream));
    }
}

impl Door {
    async fn connection(self: Arc<Self>, stream: TcpStream) {
        if self.is_away.load(Ordering::SeqCst) {
            return;
        }
        let service = service_fn(|request| self.answer(request));
        _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Gone> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        if self.is_away.load(Ordering::SeqCst) {
            return Err(Gone);
        }
        if head.uri.path() == CHANGES {
            self.calls.lock().push(CHANGES.to_owned());
            return Ok(changes(*self.said.lock()));
        }
        let target = head.headers["x-amz-target"].to_str().unwrap();
        let operation = target.rsplit('.').next().unwrap();
        self.calls.lock().push(operation.to_owned());
        let text = String::from_utf8_lossy(&body);
        let busy = self.is_busy.load(Ordering::SeqCst).then_some("RequestLimitExceeded");
        let refused = self.refusal.lock().as_mut().and_then(|refusal| refusal(operation, &text));
        if let Some(code) = busy.or(refused) {
            let refusal = format!(r#"{{"__type":"{code}","Message":"no"}}"#);
            let response = Response::builder().status(400).body(whole(Bytes::from(refusal)));
            return Ok(response.unwrap());
        }
        Ok(self.api.handle(Request::from_parts(head, body)).await.map(whole))
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

fn whole(body: Bytes) -> Body {
    Full::new(body).boxed_unsync()
}

/// A stream that never ends, if there is one.
fn changes(said: Option<&'static str>) -> Response<Body> {
    let Some(said) = said else {
        return Response::builder().status(404).body(whole(Bytes::new())).unwrap();
    };
    let said = stream::iter([Ok(Frame::data(Bytes::from_static(said.as_bytes())))]);
    let body = StreamBody::new(said.chain(stream::pending())).boxed_unsync();
    Response::builder().header("content-type", "application/jsonl").body(body).unwrap()
}

/// Where changes are told.
pub(crate) const CHANGES: &str = "/changes";

/// What ends a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("gone")]
struct Gone;

/// Waits for what comes soon.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..4000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not within twenty seconds: {what}");
}
