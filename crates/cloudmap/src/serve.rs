//! HTTP/1.1 around the API: connections, their limits and their end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::Api;
use crate::fault::{Code, Fault};

/// The body of a response: whole for the API, a stream where a [`Fallback`] wants one.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Answers what is not for the API: health, metrics, a user interface.
pub trait Fallback: Send + Sync + 'static {
    /// Whether anybody may ask this. What is not open has to be signed as calls of the API are, where these have to be.
    fn is_open(&self, request: &Parts) -> bool;

    /// Answers a request whose body is read.
    fn answer(&self, request: Request<Bytes>) -> impl Future<Output = Response<Body>> + Send;
}

/// Has no pages: everything but the API is 404.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFallback;

impl Fallback for NoFallback {
    fn is_open(&self, _request: &Parts) -> bool {
        true
    }

    async fn answer(&self, _request: Request<Bytes>) -> Response<Body> {
        let mut response = Response::new(Full::default().boxed_unsync());
        *response.status_mut() = StatusCode::NOT_FOUND;
        response
    }
}

/// What one client may take of the server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Connections at a time; more wait to be accepted.
    pub connections: usize,
    /// Octets of a request's body.
    pub body: usize,
    /// Octets of all large bodies that are being read.
    pub bodies: usize,
    /// Headers of a request.
    pub headers: usize,
    /// Octets of a request's line and headers.
    pub head: usize,
    /// Time for a request's headers; an idle connection is closed after as long.
    pub head_time: Duration,
    /// Time for a request's body.
    pub body_time: Duration,
    /// Time in which a client must take what is sent to it.
    pub send_time: Duration,
    /// Time for requests in progress when the server ends.
    pub shutdown_time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 1024,
            body: 1 << 20,
            bodies: 64 << 20,
            headers: 100,
            head: 32 << 10,
            head_time: Duration::from_secs(30),
            body_time: Duration::from_secs(10),
            send_time: Duration::from_secs(30),
            shutdown_time: Duration::from_secs(5),
        }
    }
}

/// Serves `api`, and `fallback` beside it, until `shutdown` is ready and the requests in progress are answered.
///
/// An error of one connection ends that connection; what cannot be accepted now is tried again.
pub async fn serve<F: Fallback>(
    listener: TcpListener,
    api: Arc<Api>,
    fallback: Arc<F>,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let connections = Arc::new(Semaphore::new(limits.connections));
    let (stop, stopping) = watch::channel(());
    let door = Arc::new(Door { api, fallback, bodies: Semaphore::new(limits.bodies), limits });
    let mut open = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        // Bounds memory: a client that waits here costs a place in the kernel's backlog, and no task.
        let permit = tokio::select! {
            () = &mut shutdown => break,
            permit = connections.clone().acquire_owned() => permit,
        };
        let stream = tokio::select! {
            () = &mut shutdown => break,
            stream = accept(&listener) => stream,
        };
        let (door, stopping) = (door.clone(), stopping.clone());
        open.spawn(async move {
            let _permit = permit;
            door.connection(stream, stopping).await;
        });
        while open.try_join_next().is_some() {}
    }
    drop(stop);
    let all = async { while open.join_next().await.is_some() {} };
    if timeout(door.limits.shutdown_time, all).await.is_err() {
        warn!("API connections were cut at shutdown");
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Most likely no file descriptor is left; one comes back when a connection ends.
                warn!(%error, "the API cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// What all connections share.
struct Door<F> {
    api: Arc<Api>,
    fallback: Arc<F>,
    /// Octets of bodies that may still be read.
    bodies: Semaphore,
    limits: Limits,
}

impl<F: Fallback> Door<F> {
    async fn connection(self: Arc<Self>, stream: TcpStream, mut stopping: watch::Receiver<()>) {
        if let Err(error) = self.prepare(&stream) {
            debug!(%error, "a connection is gone before its first request");
            return;
        }
        let service = service_fn(|request| async { Ok::<_, Infallible>(self.answer(request).await) });
        let mut connection = pin!(
            hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.limits.head_time)
                .max_headers(self.limits.headers)
                .max_buf_size(self.limits.head)
                .serve_connection(TokioIo::new(stream), service)
        );
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            _ = stopping.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(%error, "a connection ended early");
        }
    }

    fn prepare(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        // A client that takes no answers would keep its connection for ever otherwise.
        #[cfg(target_os = "linux")]
        socket2::SockRef::from(stream).set_tcp_user_timeout(Some(self.limits.send_time))?;
        Ok(())
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = match self.body(body).await {
            Ok(body) => body,
            Err(fault) => return self.refuse(&parts, &fault),
        };
        if Api::serves(&parts) {
            return self.api.handle(Request::from_parts(parts, body)).await.map(whole);
        }
        if !self.fallback.is_open(&parts)
            && let Err(fault) = self.api.verify(&parts, &body)
        {
            let mut response = self.api.refuse(&parts, &fault).map(whole);
            // Of no protocol in which every fault has one status.
            *response.status_mut() =
                StatusCode::from_u16(fault.code().status()).unwrap_or(StatusCode::FORBIDDEN);
            return response;
        }
        self.fallback.answer(Request::from_parts(parts, body)).await
    }

    async fn body(&self, body: Incoming) -> Result<Bytes, Fault> {
        let limit = self.limits.body;
        let expected = body.size_hint().upper().unwrap_or(limit as u64);
        let Some(expected) = usize::try_from(expected).ok().filter(|expected| *expected <= limit) else {
            return Err(too_large(limit));
        };
        if expected == 0 {
            return Ok(Bytes::new());
        }
        let reading = async {
            // Small bodies, which nearly all are, do not wait behind large ones that come slowly.
            let octets = if expected <= SMALL_BODY { 0 } else { u32::try_from(expected).unwrap_or(u32::MAX) };
            let _taken = self.bodies.acquire_many(octets).await;
            Limited::new(body, limit).collect().await
        };
        match timeout(self.limits.body_time, reading).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limit)),
            Ok(Err(error)) => {
                Err(Fault::new(Code::Serialization, format!("the body cannot be read: {error}")))
            }
            Err(_) => Err(Fault::new(Code::RequestTimeout, "the body took too long to arrive")),
        }
    }

    /// Answers a request whose body was not read to its end, and so the last of its connection.
    fn refuse(&self, request: &Parts, fault: &Fault) -> Response<Body> {
        let mut response = self.api.refuse(request, fault).map(whole);
        let close = hyper::header::HeaderValue::from_static("close");
        response.headers_mut().insert(hyper::header::CONNECTION, close);
        response
    }
}

fn whole(body: Bytes) -> Body {
    Full::new(body).boxed_unsync()
}

fn too_large(limit: usize) -> Fault {
    Fault::new(Code::RequestEntityTooLarge, format!("the body is larger than {limit} octets"))
}

/// Octets of a body that is read whatever else is; so many for each connection are little.
const SMALL_BODY: usize = 64 << 10;

/// Before accepting is tried again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
