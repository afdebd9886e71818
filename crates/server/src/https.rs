//! One connection of HTTP (RFC 8484): requests that each bring a message, and take one away.
//!
//! HTTP itself is hyper's. What a client may hold or wait for is bounded as it is over TCP: by a time for the first
//! request, for each request's body, and between requests, and by a number of requests at once.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use cartonym_plugin::{BoxFuture, Client};
use cartonym_responder::Reply;
use cartonym_wire::{HEADER_LEN, Message};
use data_encoding::BASE64URL_NOPAD;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, sleep, sleep_until, timeout};

use crate::connection::{Answer, LONGEST, Service};
use crate::connections::Place;
use crate::life::Life;
use crate::limits::Limits;

/// Who asks, and how it goes.
pub(crate) struct Guest {
    client: Client,
    place: Place,
    service: Arc<Service>,
    born: Instant,
    /// Touched where a request comes or goes.
    pace: Mutex<Pace>,
}

/// What the limits in time are measured from.
struct Pace {
    /// Whether a request has come.
    spoken: bool,
    /// Requests in progress.
    open: usize,
    /// When the last request ended.
    active: Instant,
}

/// A request in progress.
struct Stay<'a>(&'a Guest);

/// Hands the tasks of HTTP/2 to the connection's own, which ends them when it ends.
#[derive(Clone)]
struct Crew(mpsc::UnboundedSender<BoxFuture<'static, ()>>);

/// Serves the client until it leaves, goes past a limit, or the server drains and all is answered.
pub(crate) async fn serve<S>(stream: S, guest: Guest, mut life: Life)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let guest = Arc::new(guest);
    // Bounded by the number of requests at once.
    let (crew, mut tasks) = mpsc::unbounded_channel();
    let http = http(Crew(crew), &guest.service.limits);
    let answering = service_fn(|request| {
        let guest = Arc::clone(&guest);
        async move { Ok::<_, Infallible>(guest.answer(request).await) }
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), answering));
    let mut running = FuturesUnordered::new();
    let mut timer = pin!(sleep_until(guest.due()));
    let (mut serving, mut ending) = (true, false);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection of HTTP ended early");
                }
                return;
            }
            Some(task) = tasks.recv() => running.push(task),
            Some(()) = running.next() => {}
            () = life.draining(), if serving => {
                serving = false;
                connection.as_mut().graceful_shutdown();
            }
            () = timer.as_mut() => match guest.due() {
                due if due > Instant::now() => timer.as_mut().reset(due),
                _ if ending => return,
                _ => {
                    // Says goodbye, and does not wait long to be heard.
                    (serving, ending) = (false, true);
                    connection.as_mut().graceful_shutdown();
                    timer.as_mut().reset(Instant::now() + FAREWELL);
                }
            },
        }
    }
}

fn http(crew: Crew, limits: &Limits) -> Builder<Crew> {
    let mut http = Builder::new(crew);
    http.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEAD).max_headers(HEADERS);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(u32::try_from(limits.pipelined).map_or(STREAMS, |most| most.min(STREAMS)))
        .max_header_list_size(HEAD as u32)
        .max_send_buf_size(LONGEST)
        .initial_connection_window_size(WINDOW)
        .initial_stream_window_size(WINDOW);
    http
}

impl Guest {
    /// A client that was accepted at `born`.
    pub(crate) fn new(client: Client, place: Place, service: Arc<Service>, born: Instant) -> Guest {
        let pace = Mutex::new(Pace { spoken: false, open: 0, active: born });
        Guest { client, place, service, born, pace }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let _stay = Stay::begin(self);
        match self.try_answer(request).await {
            Ok(message) => found(message),
            Err(status) => refused(status),
        }
    }

    async fn try_answer(&self, request: Request<Incoming>) -> Result<Vec<u8>, StatusCode> {
        let limits = &self.service.limits;
        let query =
            timeout(limits.message, read(request)).await.map_err(|_| StatusCode::REQUEST_TIMEOUT)??;
        // Over UDP and TCP, what is no query meets silence.
        if query.len() < HEADER_LEN || query.get(2).is_none_or(|flags| flags & 0x80 != 0) {
            return Err(StatusCode::BAD_REQUEST);
        }
        match self.service.answer(&query, self.client) {
            Answer::Now(message) => Ok(message),
            Answer::Never => Err(StatusCode::INTERNAL_SERVER_ERROR),
            Answer::Later(suspended) => match suspended.resume(sleep(limits.deadline)).await {
                Reply::Message(message) => Ok(message),
                Reply::Nothing => Err(StatusCode::INTERNAL_SERVER_ERROR),
                // One request has one response: a transfer that needs more is for TCP and TLS.
                Reply::Stream(mut messages) => match (messages.next(), messages.next()) {
                    (Some(message), None) => Ok(message),
                    _ => Err(StatusCode::NOT_IMPLEMENTED),
                },
            },
        }
    }

    /// When the client's time is up, if nothing happens until then.
    fn due(&self) -> Instant {
        let (limits, pace) = (&self.service.limits, self.pace.lock());
        let end = self.born + limits.life;
        let due = match &*pace {
            Pace { spoken: false, .. } => self.born + limits.first_message,
            // A client that takes no answers asks no more either, and so is idle.
            Pace { open: 0, active, .. } => *active + limits.idle,
            // Each request has its own end.
            _ => end,
        };
        due.min(end)
    }
}

impl<'a> Stay<'a> {
    fn begin(guest: &'a Guest) -> Stay<'a> {
        let mut pace = guest.pace.lock();
        pace.spoken = true;
        pace.open += 1;
        guest.place.busy();
        Stay(guest)
    }
}

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        let mut pace = self.0.pace.lock();
        pace.active = Instant::now();
        pace.open -= 1;
        if pace.open == 0 {
            self.0.place.idle_since(pace.active.into_std());
        }
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Crew {
    fn execute(&self, task: F) {
        // Without a connection there is nothing to do for it.
        let _ = self.0.send(Box::pin(task));
    }
}

/// The message in a request, or what is wrong with the request.
async fn read(request: Request<Incoming>) -> Result<Bytes, StatusCode> {
    if request.uri().path() != PATH {
        return Err(StatusCode::NOT_FOUND);
    }
    match *request.method() {
        Method::GET => {
            let words = request.uri().query().unwrap_or_default().split('&');
            let mut messages = words.filter_map(|word| word.strip_prefix("dns="));
            let message = messages.next().ok_or(StatusCode::BAD_REQUEST)?;
            let message = BASE64URL_NOPAD.decode(message.as_bytes()).map_err(|_| StatusCode::BAD_REQUEST)?;
            Ok(message.into())
        }
        Method::POST => {
            let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let media_type = media_type.and_then(|value| value.split(';').next()).unwrap_or_default();
            if !media_type.trim().eq_ignore_ascii_case(MEDIA_TYPE) {
                return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            }
            // Where the length is told, nothing need be read to know.
            if request.body().size_hint().lower() > LONGEST as u64 {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            let body = Limited::new(request.into_body(), LONGEST).collect().await;
            body.map(|body| body.to_bytes()).map_err(|error| match error.is::<LengthLimitError>() {
                true => StatusCode::PAYLOAD_TOO_LARGE,
                false => StatusCode::BAD_REQUEST,
            })
        }
        _ => Err(StatusCode::METHOD_NOT_ALLOWED),
    }
}

fn found(message: Vec<u8>) -> Response<Full<Bytes>> {
    let age = HeaderValue::from_str(&format!("max-age={}", lifetime(&message)));
    let mut response = Response::new(Full::new(message.into()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    if let Ok(age) = age {
        headers.insert(CACHE_CONTROL, age);
    }
    response
}

fn refused(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
    }
    response
}

/// Seconds for which a cache of HTTP may keep a response: the answer's smallest TTL, or where there is none that of the
/// SOA beside it (RFC 8484 §5.1); else none.
fn lifetime(message: &[u8]) -> u32 {
    let Ok(message) = Message::new(message) else { return 0 };
    let smallest = |section| {
        let records = message.records().map_while(Result::ok).filter(|record| record.section == section);
        records.map(|record| record.ttl().as_secs()).min()
    };
    smallest(ANSWER).or_else(|| smallest(AUTHORITY)).unwrap_or_default()
}

const PATH: &str = "/dns-query";
const MEDIA_TYPE: &str = "application/dns-message";
const ANSWER: u8 = 0;
const AUTHORITY: u8 = 1;
/// Octets of a request without its body: a query of a few kilobytes fits into a GET, and a longer one comes by POST.
const HEAD: usize = 16 * 1024;
const HEADERS: usize = 64;
/// Requests at once over HTTP/2, each of which may hold a message that the client does not take.
const STREAMS: u32 = 32;
/// Octets of bodies under way.
const WINDOW: u32 = 64 * 1024;
/// How long a client has to hear that the connection ends.
const FAREWELL: Duration = Duration::from_secs(1);
