//! One connection of HTTP (RFC 8484): requests that each bring a message, and take one away.
//!
//! HTTP itself is hyper's. What a client may hold or wait for is bounded as it is over TCP: by a time for the first
//! request, for each request's body, and between requests, and by a number of requests at once.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use cartonym_plugin::{BoxFuture, Client};
use cartonym_responder::Reply;
use cartonym_wire::{HEADER_LEN, Message};
use data_encoding::BASE64URL_NOPAD;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, sleep_until, timeout};

use crate::connection::{Answer, FAIR_PART, LONGEST, Service, resume};
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
    /// Requests in progress: whose end has not come, or whose response the client has not taken.
    open: usize,
    /// Requests that have been read, and wait for their response.
    asked: usize,
    /// Octets of responses that the client has not taken.
    queued: usize,
    /// When the last request ended.
    active: Instant,
    /// When the client last took a part of what is ready for it, while there is more.
    blocked: Instant,
}

/// A request in progress.
struct Stay(Arc<Guest>);

/// A request that waits for its response; who has one keeps the place.
struct Asked<'a>(&'a Guest);

/// A response's message, which the client takes part by part.
struct Said {
    rest: Bytes,
    stay: Stay,
}

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
        async move { Ok::<_, Infallible>(Guest::answer(guest, request).await) }
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), answering));
    let mut running = FuturesUnordered::new();
    let mut timer = pin!(sleep_until(guest.look()));
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
                due if due > Instant::now() => timer.as_mut().reset(guest.look()),
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
        let pace =
            Mutex::new(Pace { spoken: false, open: 0, asked: 0, queued: 0, active: born, blocked: born });
        Guest { client, place, service, born, pace }
    }

    async fn answer(guest: Arc<Guest>, request: Request<Incoming>) -> Response<Said> {
        let stay = Stay::begin(Arc::clone(&guest));
        match guest.try_answer(request).await {
            Ok(message) if guest.has_room(message.len()) => found(message, stay),
            Ok(_) => refused(StatusCode::SERVICE_UNAVAILABLE, stay),
            Err(status) => refused(status, stay),
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
        let _asked = Asked::begin(self);
        match self.service.answer(&query, self.client) {
            Answer::Now(message) => Ok(message),
            Answer::Never => Err(StatusCode::INTERNAL_SERVER_ERROR),
            Answer::Later(suspended) => match resume(suspended, limits.deadline).await {
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

    /// Whether so many octets more may wait for the client; one message always may.
    fn has_room(&self, len: usize) -> bool {
        let queued = self.pace.lock().queued;
        queued == 0 || queued + len <= self.service.limits.queued
    }

    /// When to see whether the client's time is up: what happens may bring its end nearer, and wakes nobody.
    fn look(&self) -> Instant {
        let limits = &self.service.limits;
        let often = limits.idle.min(limits.stall).max(OFTEN);
        self.due().min(Instant::now() + often)
    }

    /// When the client's time is up, if nothing happens until then.
    fn due(&self) -> Instant {
        let (limits, pace) = (&self.service.limits, self.pace.lock());
        let end = self.born + limits.life;
        let due = match &*pace {
            Pace { spoken: false, .. } => self.born + limits.first_message,
            Pace { queued: 1.., blocked, .. } => *blocked + limits.stall,
            Pace { open: 0, active, .. } => *active + limits.idle,
            // Each request has its own end.
            _ => end,
        };
        due.min(end)
    }
}

impl Stay {
    fn begin(guest: Arc<Guest>) -> Stay {
        let mut pace = guest.pace.lock();
        pace.spoken = true;
        pace.open += 1;
        drop(pace);
        Stay(guest)
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut pace = self.0.pace.lock();
        pace.active = Instant::now();
        pace.open -= 1;
    }
}

impl<'a> Asked<'a> {
    fn begin(guest: &'a Guest) -> Asked<'a> {
        guest.pace.lock().asked += 1;
        guest.place.busy();
        Asked(guest)
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let mut pace = self.0.pace.lock();
        pace.asked -= 1;
        if pace.asked == 0 {
            self.0.place.idle_since(Instant::now().into_std());
        }
    }
}

impl Said {
    fn new(message: Bytes, stay: Stay) -> Said {
        let mut pace = stay.0.pace.lock();
        if pace.queued == 0 {
            pace.blocked = Instant::now();
        }
        pace.queued += message.len();
        drop(pace);
        Said { rest: message, stay }
    }

    /// The client has taken so many octets.
    fn taken(&self, len: usize) {
        let mut pace = self.stay.0.pace.lock();
        pace.queued -= len;
        pace.blocked = Instant::now();
    }
}

impl Body for Said {
    type Data = Bytes;
    type Error = Infallible;

    /// The next part: HTTP/2 asks for one only when the client has taken the one before.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let len = self.rest.len().min(FAIR_PART);
        let part = self.rest.split_to(len);
        self.taken(len);
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

impl Drop for Said {
    fn drop(&mut self) {
        // A client that gives requests up has not taken anything.
        self.stay.0.pace.lock().queued -= self.rest.len();
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

fn found(message: Vec<u8>, stay: Stay) -> Response<Said> {
    let age = HeaderValue::from_str(&format!("max-age={}", lifetime(&message)));
    let mut response = Response::new(Said::new(message.into(), stay));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    if let Ok(age) = age {
        headers.insert(CACHE_CONTROL, age);
    }
    response
}

fn refused(status: StatusCode, stay: Stay) -> Response<Said> {
    let mut response = Response::new(Said::new(Bytes::new(), stay));
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
/// The client's time is looked at no more often.
const OFTEN: Duration = Duration::from_millis(10);
/// How long a client has to hear that the connection ends.
const FAREWELL: Duration = Duration::from_secs(1);
