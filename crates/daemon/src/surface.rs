//! The HTTP surface: the Cloud Map API, and the pages that plugins have.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cartonym::cloudmap::{self, Api, Body, Config, Fallback, Limits};
use cartonym::plugin::Page;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::failure::Failure;
use crate::registries::Open;
use crate::{Result, VERSION};

/// Listeners of the HTTP surface that are bound, and not yet served.
pub(crate) struct Surface {
    apis: Vec<(TcpListener, Open)>,
    pages: Vec<(TcpListener, Vec<Page>)>,
}

/// What the API's listener says to a browser.
struct Welcome(Open);

impl Surface {
    /// Binds every address once; pages of one address share it.
    pub(crate) async fn bind(registries: &[Open], pages: &[Page]) -> Result<Surface> {
        let mut apis = Vec::new();
        for open in registries {
            if let Some(address) = open.settings.api {
                apis.push((bind(address, "the Cloud Map API").await?, open.clone()));
            }
        }
        let mut by_address: BTreeMap<SocketAddr, Vec<Page>> = BTreeMap::new();
        for page in pages {
            let there = by_address.entry(page.address).or_default();
            if !there.iter().any(|other| other.path == page.path) {
                there.push(page.clone());
            }
        }
        let mut bound = Vec::new();
        for (address, pages) in by_address {
            let what = pages.first().map_or("pages", |page| page.path);
            bound.push((bind(address, what).await?, pages));
        }
        Ok(Surface { apis, pages: bound })
    }

    /// Where the APIs listen.
    pub(crate) fn api_addresses(&self) -> Vec<SocketAddr> {
        self.apis.iter().filter_map(|(listener, _)| listener.local_addr().ok()).collect()
    }

    /// Serves until `stop` changes; the tasks end soon after.
    pub(crate) fn serve(self, tasks: &mut JoinSet<()>, stop: &watch::Receiver<bool>) {
        for (listener, open) in self.apis {
            let config = Config {
                account: open.settings.account.clone(),
                region: open.settings.region.clone(),
                ..Config::default()
            };
            let api = Arc::new(Api::new(open.registry.clone(), config));
            let stopped = stopped(stop.clone());
            tasks.spawn(cloudmap::serve(listener, api, Arc::new(Welcome(open)), Limits::default(), stopped));
        }
        for (listener, pages) in self.pages {
            tasks.spawn(serve_pages(listener, pages.into(), stop.clone()));
        }
    }
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

async fn serve_pages(listener: TcpListener, pages: Arc<[Page]>, stop: watch::Receiver<bool>) {
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
                let response = page(&pages, &request);
                async move { Ok::<_, Infallible>(response) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new())
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

async fn bind(address: SocketAddr, what: &str) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Failure::Start(format!("{what} cannot listen on {address}: {error}")))
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // A sender that is gone has nobody left to serve for.
    let _ = stop.wait_for(|stopped| *stopped).await;
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const HEAD_TIME: Duration = Duration::from_secs(10);
const CONNECTION_TIME: Duration = Duration::from_secs(300);
const MAX_CONNECTIONS: usize = 256;
