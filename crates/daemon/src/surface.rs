//! The HTTP surface: the Cloud Map API, and the pages that plugins have.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cartonym::cloudmap::{self, Api, Body, Config, Fallback, Limits};
use cartonym::plugin::{ANY, Page};
use cartonym::registry::{Import, ImportError, Imported, Registry};
use cartonym::server::{Protocol, StartError};
use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::RwLock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tracing::warn;

use crate::backend::BackendSettings;
use crate::changes::Streams;
use crate::exchange::JSON_LINES;
use crate::failure::Failure;
use crate::health_page::{self, PATH};
use crate::registries::{Open, report};
use crate::{Result, VERSION};

/// The HTTP surface as it is served.
#[derive(Default)]
pub(crate) struct Surface {
    served: Vec<Served>,
    /// What is bound before it is known what is served there.
    reserved: Vec<Listener>,
}

/// Listeners of an HTTP surface that are bound, and not yet served.
pub(crate) struct Prepared(Vec<(Listener, TcpListener)>);

/// One address and what is wanted there.
struct Listener {
    asked: SocketAddr,
    socket: std::net::TcpListener,
    content: Content,
}

enum Content {
    Api(Open),
    Pages(Pages),
}

/// The pages of one address, which a reload replaces.
// Read once a request, and never for long: a lock does.
type Pages = Arc<RwLock<Arc<[Page]>>>;

/// One address that is served.
struct Served {
    listener: Listener,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// What is beside the API on its listener.
struct Beside {
    open: Open,
    changes: Streams,
}

impl Surface {
    /// Binds what will be wanted by [`Surface::prepare`], where `apis` listen and those of `pages`.
    ///
    /// # Errors
    ///
    /// An address that is not to be had.
    pub(crate) fn reserve(&mut self, apis: &[SocketAddr], pages: &[Page]) -> Result<()> {
        let mut reserved = Prepared(Vec::new());
        for address in apis {
            self.bind(*address, API, Content::Pages(Pages::default()), &mut reserved)?;
        }
        self.bind_pages(pages, &mut reserved)?;
        self.reserved = reserved.0.into_iter().map(|(listener, _)| listener).collect();
        Ok(())
    }

    /// Binds every address that is not bound yet; pages of one address share it.
    ///
    /// # Errors
    ///
    /// An address that is not to be had; what is served goes on.
    pub(crate) fn prepare(&self, registries: &[Open], pages: &[Page]) -> Result<Prepared> {
        let mut prepared = Prepared(Vec::new());
        for open in registries {
            if let Some(address) = open.settings.api {
                self.bind(address, API, Content::Api(open.clone()), &mut prepared)?;
            }
        }
        self.bind_pages(pages, &mut prepared)?;
        Ok(prepared)
    }

    fn bind_pages(&self, pages: &[Page], prepared: &mut Prepared) -> Result<()> {
        let mut by_address: BTreeMap<SocketAddr, Vec<Page>> = BTreeMap::new();
        for page in pages {
            let there = by_address.entry(page.address).or_default();
            if !there.iter().any(|other| other.path == page.path) {
                there.push(page.clone());
            }
        }
        for (address, pages) in by_address {
            let what = pages.first().map_or("pages", |page| page.path);
            let pages = Content::Pages(Arc::new(RwLock::new(pages.into())));
            self.bind(address, what, pages, prepared)?;
        }
        Ok(())
    }

    /// Binds `asked`, or shares the socket that is bound to it.
    fn bind(&self, asked: SocketAddr, what: &str, content: Content, prepared: &mut Prepared) -> Result<()> {
        let taken = prepared.0.iter().filter(|(listener, _)| listener.asked == asked).count();
        let bound = self.served.iter().map(|served| &served.listener).chain(&self.reserved);
        let mut bound = bound.filter(|old| old.asked == asked);
        let socket = match bound.nth(taken) {
            Some(old) => old.socket.try_clone(),
            None => open(asked),
        };
        // Whatever may fail does so here: what is served later has taken the place of something.
        let accepting = |socket: &std::net::TcpListener| TcpListener::from_std(socket.try_clone()?);
        let both = socket.and_then(|socket| accepting(&socket).map(|accepting| (socket, accepting)));
        let (socket, accepting) = both.map_err(|error| {
            let error = StartError::of(asked, Protocol::Tcp, error);
            Failure::Start(format!("{what}: {}", report(&error)))
        })?;
        prepared.0.push((Listener { asked, socket, content }, accepting));
        Ok(())
    }

    /// Serves what is prepared from now on, and nothing else; what stays as it is does not notice.
    pub(crate) fn serve(&mut self, prepared: Prepared) {
        let mut before = std::mem::take(&mut self.served);
        for (listener, accepting) in prepared.0 {
            let is_same = |old: &Served| listener.is_served_by(&old.listener);
            let served = match before.iter().position(is_same).map(|at| before.remove(at)) {
                Some(old) => {
                    listener.hand_over(&old.listener);
                    old
                }
                None => listener.serve(accepting),
            };
            self.served.push(served);
        }
        before.iter().for_each(Served::stop);
        self.reserved.clear();
    }

    /// Where the APIs listen.
    pub(crate) fn api_addresses(&self) -> Vec<SocketAddr> {
        let apis = self.served.iter().map(|served| &served.listener);
        let apis = apis.filter(|listener| matches!(listener.content, Content::Api(_)));
        apis.filter_map(|listener| listener.socket.local_addr().ok()).collect()
    }

    /// Takes no more requests, and answers those in progress.
    pub(crate) async fn stop(self) {
        self.served.iter().for_each(Served::stop);
        let all = async {
            for served in self.served {
                let _ = served.task.await;
            }
        };
        let _ = tokio::time::timeout(STOP_TIME, all).await;
    }
}

impl Listener {
    /// Whether `old` does, but for its pages, what this is to do.
    fn is_served_by(&self, old: &Listener) -> bool {
        let is_same = match (&self.content, &old.content) {
            (Content::Pages(_), Content::Pages(_)) => true,
            (Content::Api(new), Content::Api(old)) => new.is(old),
            _ => false,
        };
        is_same && self.asked == old.asked
    }

    fn hand_over(self, old: &Listener) {
        if let (Content::Pages(new), Content::Pages(old)) = (self.content, &old.content) {
            *old.write() = Arc::clone(&new.read());
        }
    }

    /// Serves until the owner says stop; the task ends soon after.
    fn serve(self, socket: TcpListener) -> Served {
        let (stop, stopped) = watch::channel(false);
        let task = match &self.content {
            Content::Api(open) => {
                if open.settings.access_keys.is_empty() && !self.asked.ip().is_loopback() {
                    warn!(
                        "whoever reaches the API at {} may call it: `access_key` asks for signatures",
                        self.asked
                    );
                }
                tokio::spawn(serve_api(socket, open.clone(), stopped))
            }
            Content::Pages(pages) => tokio::spawn(serve_pages(socket, Arc::clone(pages), stopped)),
        };
        Served { listener: self, stop, task }
    }
}

impl Served {
    fn stop(&self) {
        // Who has ended already needs not be told.
        let _ = self.stop.send(true);
    }
}

async fn serve_api(listener: TcpListener, open: Open, stop: watch::Receiver<bool>) {
    let config = Config {
        account: open.settings.account.clone(),
        region: open.settings.region.clone(),
        keys: open.settings.access_keys.clone(),
        ..Config::default()
    };
    let api = Arc::new(Api::new(open.registry.clone(), config));
    let beside = Beside { open, changes: Streams::new(stop.clone()) };
    cloudmap::serve(listener, api, Arc::new(beside), Limits::default(), stopped(stop)).await;
}

impl Fallback for Beside {
    /// Whoever watches over a service asks these, and has no key.
    fn is_open(&self, request: &Parts) -> bool {
        matches!(request.uri.path(), "/healthz" | "/readyz")
    }

    async fn answer(&self, request: Request<Bytes>) -> Response<Body> {
        let Beside { open, changes } = self;
        let (status, text) = match request.uri().path() {
            "/export" if request.method() == Method::GET => return export(open),
            "/changes" if request.method() == Method::GET => match changes.open(&open.registry) {
                Some(lines) => return lines,
                None => (StatusCode::SERVICE_UNAVAILABLE, "too many follow the changes\n".to_owned()),
            },
            "/import" if request.method() == Method::POST => import(open, &request).await,
            "/" => {
                let model = open.registry.model();
                let text = format!(
                    "cartonym {VERSION}: the AWS Cloud Map API is here, by POST\n\
                     namespaces {}\nservices {}\ninstances {}\nrevision {}\n",
                    model.namespaces().len(),
                    model.services().len(),
                    model.instance_count(),
                    model.revision().0,
                );
                (StatusCode::OK, text)
            }
            "/healthz" => (StatusCode::OK, "OK\n".to_owned()),
            "/readyz" => readiness(&open.settings.backend, &open.registry),
            path => {
                if let Some(content) = path.strip_prefix(PATH).and_then(|id| health_page::content(open, id)) {
                    let page = text_response(StatusCode::OK, "application/json", format!("{content}\n"));
                    return page.map(BodyExt::boxed_unsync);
                }
                (StatusCode::NOT_FOUND, "there is nothing here\n".to_owned())
            }
        };
        text_response(status, "text/plain; charset=utf-8", text).map(BodyExt::boxed_unsync)
    }
}

fn readiness(backend: &BackendSettings, registry: &Registry) -> (StatusCode, String) {
    let (status, text) = match backend {
        _ if registry.away_since().is_none() => (StatusCode::OK, "OK"),
        // One mistake that is given to every node must not take them all out of service.
        BackendSettings::File { .. } => {
            (StatusCode::OK, "the registry's file cannot be taken; what was read before is served")
        }
        // Nor must one side's outage take the other's answers away; nothing could be written anyway.
        #[cfg(feature = "remote")]
        BackendSettings::Remote(_) => (StatusCode::OK, "the other side is away; what was known is served"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the registry's store is away"),
    };
    // That is so wherever this mistake is given, too.
    let panicked = "the registry's publisher has panicked: what is answered grows old; the log says why";
    (status, format!("{}\n", if registry.has_panicked() { panicked } else { text }))
}

/// What the registry holds, as it is sent.
fn export(open: &Open) -> Response<Body> {
    let lines = open.registry.export().map(|line| Ok(Frame::data(Bytes::from(line))));
    let mut response = Response::new(StreamBody::new(stream::iter(lines)).boxed_unsync());
    response.headers_mut().insert("content-type", HeaderValue::from_static(JSON_LINES));
    response
}

/// Puts the records that were sent: how many are new or other, and how many were there.
async fn import(open: &Open, request: &Request<Bytes>) -> (StatusCode, String) {
    // A page that a browser has from elsewhere cannot send this type without asking first.
    if request.headers().get("content-type").is_none_or(|media_type| media_type != JSON_LINES) {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("{JSON_LINES} is meant\n"));
    }
    let mut import = Import::default();
    let lines = String::from_utf8_lossy(request.body());
    let records = lines.lines().map(|line| import.line(line)).collect::<std::result::Result<Vec<_>, _>>();
    let records = match records.and_then(|records| import.finish().map(|_| records)) {
        Ok(records) => records.into_iter().flatten().map(|stored| stored.record).collect(),
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{}\n", report(&error))),
    };
    match open.registry.import(records).await {
        Ok(Imported { changed, same }) => (StatusCode::OK, format!("{changed} written, {same} there\n")),
        Err(error @ ImportError::Write(_)) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", report(&error)))
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("{}\n", report(&error))),
    }
}

async fn serve_pages(listener: TcpListener, pages: Pages, stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stopped(stop.clone()) => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Most likely no descriptor is left; one comes back when a connection ends.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        if connections.len() >= MAX_CONNECTIONS {
            continue;
        }
        let pages = Arc::clone(&pages);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let pages = Arc::clone(&pages.read());
                let response = page(&pages, &request);
                async move { Ok::<_, Infallible>(response) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            // Places are few, and nobody needs one for long.
            http.timer(TokioTimer::new())
                .keep_alive(false)
                .header_read_timeout(HEAD_TIME)
                .max_headers(64)
                .max_buf_size(16 << 10);
            // What a client does wrong ends its connection, and is nobody else's business.
            let _ =
                tokio::time::timeout(CONNECTION_TIME, http.serve_connection(TokioIo::new(stream), service))
                    .await;
        });
    }
}

fn page(pages: &[Page], request: &Request<Incoming>) -> Response<Full<Bytes>> {
    match pages.iter().find(|page| page.path == request.uri().path()) {
        Some(page) => {
            let content = (page.content)();
            let status = StatusCode::from_u16(content.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            text_response(status, content.media_type, content.body)
        }
        None => text_response(StatusCode::NOT_FOUND, "text/plain", "404 page not found\n".to_owned()),
    }
}

fn text_response(status: StatusCode, media_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static(media_type));
    response
}

/// All addresses include those of IPv4; without IPv6 they are only those.
fn open(asked: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = match std::net::TcpListener::bind(asked) {
        Err(error) if asked.ip() == ANY && error.kind() != io::ErrorKind::AddrInUse => {
            std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, asked.port()))?
        }
        bound => bound?,
    };
    socket.set_nonblocking(true)?;
    Ok(socket)
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // A sender that is gone has nobody left to serve for.
    let _ = stop.wait_for(|stopped| *stopped).await;
}

/// What is bound for it, in words.
const API: &str = "the Cloud Map API";
const STOP_TIME: Duration = Duration::from_secs(5);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const HEAD_TIME: Duration = Duration::from_secs(5);
const CONNECTION_TIME: Duration = Duration::from_secs(10);
const MAX_CONNECTIONS: usize = 256;

#[cfg(test)]
mod tests {
    use cartonym::registry::{
        Backend, BackendError, Change, CommitError, Event, MemoryBackend, Options, Revision,
    };
    use futures_util::future::BoxFuture;
    use futures_util::stream::BoxStream;
    use futures_util::{FutureExt, StreamExt};

    use super::*;

    /// A backend whose watch panics when it has told what there is.
    struct Broken(MemoryBackend);

    impl Backend for Broken {
        fn commit(&self, change: Change) -> BoxFuture<'_, std::result::Result<Revision, CommitError>> {
            self.0.commit(change)
        }

        fn watch(&self, from: Revision) -> BoxStream<'static, std::result::Result<Event, BackendError>> {
            let all = self.0.watch(from).take(3);
            all.chain(async { panic!("a defect") }.into_stream()).boxed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_publisher_that_panics_is_told_of_and_counts_as_its_store_being_away() {
        let backend = Arc::new(Broken(MemoryBackend::new()));
        let registry = Registry::open(backend, Options::default()).await.unwrap();
        let file = BackendSettings::File { path: "registry.yaml".into(), options: Default::default() };
        assert_eq!(readiness(&file, &registry).0, StatusCode::OK);
        while !registry.has_panicked() {
            tokio::task::yield_now().await;
        }
        let kept = [(file, StatusCode::OK), (BackendSettings::Memory, StatusCode::SERVICE_UNAVAILABLE)];
        for (kept, expected) in kept {
            let (status, said) = readiness(&kept, &registry);
            assert_eq!(status, expected);
            assert!(said.contains("panicked"), "{said}");
        }
    }
}
