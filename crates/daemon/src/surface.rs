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
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::RwLock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::failure::Failure;
use crate::registries::Open;
use crate::{Result, VERSION};

/// The HTTP surface as it is served.
#[derive(Default)]
pub(crate) struct Surface {
    served: Vec<Served>,
}

/// Listeners of an HTTP surface that are bound, and not yet served.
pub(crate) struct Prepared(Vec<Listener>);

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

/// What the API's listener says to a browser.
struct Welcome(Open);

impl Surface {
    /// Binds every address that is not bound yet; pages of one address share it.
    ///
    /// # Errors
    ///
    /// An address that is not to be had; what is served goes on.
    pub(crate) fn prepare(&self, registries: &[Open], pages: &[Page]) -> Result<Prepared> {
        let mut prepared = Prepared(Vec::new());
        for open in registries {
            if let Some(address) = open.settings.api {
                self.bind(address, "the Cloud Map API", Content::Api(open.clone()), &mut prepared)?;
            }
        }
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
            self.bind(address, what, pages, &mut prepared)?;
        }
        Ok(prepared)
    }

    /// Binds `asked`, or shares the socket that is bound to it.
    fn bind(&self, asked: SocketAddr, what: &str, content: Content, prepared: &mut Prepared) -> Result<()> {
        let taken = prepared.0.iter().filter(|listener| listener.asked == asked).count();
        let mut bound = self.served.iter().map(|served| &served.listener).filter(|old| old.asked == asked);
        let socket = match bound.nth(taken) {
            Some(old) => old.socket.try_clone(),
            None => open(asked),
        };
        let failed = |error| Failure::Start(format!("{what} cannot listen on {asked}: {error}"));
        prepared.0.push(Listener { asked, socket: socket.map_err(failed)?, content });
        Ok(())
    }

    /// Serves what is prepared from now on, and nothing else; what stays as it is does not notice.
    pub(crate) fn serve(&mut self, prepared: Prepared) -> Result<()> {
        let mut before = std::mem::take(&mut self.served);
        for listener in prepared.0 {
            let is_same = |old: &Served| listener.is_served_by(&old.listener);
            let served = match before.iter().position(is_same).map(|at| before.remove(at)) {
                Some(old) => {
                    listener.hand_over(&old.listener);
                    old
                }
                None => listener.serve()?,
            };
            self.served.push(served);
        }
        before.iter().for_each(Served::stop);
        Ok(())
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
    fn serve(self) -> Result<Served> {
        let failed = |error| Failure::Start(format!("cannot listen on {}: {error}", self.asked));
        let socket = self.socket.try_clone().and_then(TcpListener::from_std).map_err(failed)?;
        let (stop, stopped) = watch::channel(false);
        let task = match &self.content {
            Content::Api(open) => tokio::spawn(serve_api(socket, open.clone(), stopped)),
            Content::Pages(pages) => tokio::spawn(serve_pages(socket, Arc::clone(pages), stopped)),
        };
        Ok(Served { listener: self, stop, task })
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
        ..Config::default()
    };
    let api = Arc::new(Api::new(open.registry.clone(), config));
    cloudmap::serve(listener, api, Arc::new(Welcome(open)), Limits::default(), stopped(stop)).await;
}

impl Fallback for Welcome {
    async fn answer(&self, request: Request<Bytes>) -> Response<Body> {
        let Welcome(open) = self;
        let (status, text) = match request.uri().path() {
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
            "/readyz" if open.registry.away_since().is_none() => (StatusCode::OK, "OK\n".to_owned()),
            "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, "the registry's store is away\n".to_owned()),
            _ => (StatusCode::NOT_FOUND, "there is nothing here\n".to_owned()),
        };
        text_response(status, "text/plain; charset=utf-8", text).map(BodyExt::boxed_unsync)
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
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static(media_type));
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

const STOP_TIME: Duration = Duration::from_secs(5);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const HEAD_TIME: Duration = Duration::from_secs(5);
const CONNECTION_TIME: Duration = Duration::from_secs(10);
const MAX_CONNECTIONS: usize = 256;
