//! What changes in a registry, told as it does to whoever keeps a connection for that.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cartonym::cloudmap::Body;
use cartonym::registry::{Changes, Registry, Touched};
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use hyper::header::HeaderValue;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use crate::exchange::JSON_LINES;

/// The streams of one registry that may be open, and what ends them.
pub(crate) struct Streams {
    places: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

/// A stream that is open.
struct Stream {
    registry: Registry,
    /// Merges what the reader has not taken: one who is slow is told more in a line, and never waited for.
    changes: Changes,
    stop: watch::Receiver<bool>,
    /// Held as long as the stream is open.
    _place: OwnedSemaphorePermit,
}

impl Streams {
    pub(crate) fn new(stop: watch::Receiver<bool>) -> Streams {
        Streams { places: Arc::new(Semaphore::new(MOST_STREAMS)), stop }
    }

    /// An answer that ends when the listener does; `None` where too many are open already.
    pub(crate) fn open(&self, registry: &Registry) -> Option<Response<Body>> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let (registry, changes) = (registry.clone(), registry.changes());
        let stream = Stream { registry, changes, stop: self.stop.clone(), _place: place };
        let lines = stream::unfold(stream, |mut stream| async {
            let line = stream.next().await?;
            Some((Ok(Frame::data(Bytes::from(line))), stream))
        });
        let mut response = Response::new(StreamBody::new(lines).boxed_unsync());
        response.headers_mut().insert("content-type", HeaderValue::from_static(JSON_LINES));
        Some(response)
    }
}

impl Stream {
    /// The next line; `None` at the end of the listener.
    async fn next(&mut self) -> Option<String> {
        let touched = tokio::select! {
            // A sender that is gone has nobody left to serve for.
            _ = self.stop.wait_for(|stopped| *stopped) => return None,
            touched = touched(&mut self.changes) => touched,
        };
        let revision = self.registry.model().revision().0;
        Some(line(revision, &touched))
    }
}

/// What was touched that the API tells of; nothing after a while in which nothing was.
async fn touched(changes: &mut Changes) -> Touched {
    let due = Instant::now() + LIFE;
    loop {
        match timeout_at(due, changes.next()).await {
            // That somebody spoke for an instance is nothing that others see.
            Ok(Touched { all: false, namespaces, services, .. })
                if namespaces.is_empty() && services.is_empty() => {}
            Ok(touched) => return touched,
            Err(_) => return Touched::default(),
        }
    }
}

/// ```json
/// { "revision": 7, "services": ["srv-abcdefghijklmnop"], "listing": true }
/// ```
///
/// `services` are those that were touched, or had an instance that was. `listing` is there where namespaces or services
/// themselves were, and `all`, without any service, where it may be anything.
fn line(revision: u64, touched: &Touched) -> String {
    if touched.all || touched.services.len() > MOST_SERVICES {
        return format!("{}\n", json!({ "revision": revision, "all": true }));
    }
    let services: Vec<&str> = touched.services.keys().map(|id| id.as_str()).collect();
    let mut line = json!({ "revision": revision, "services": services });
    if !touched.namespaces.is_empty() || touched.services.values().any(|service| service.whole) {
        line["listing"] = json!(true);
    }
    format!("{line}\n")
}

/// Those of one registry: each has a connection, and most of those are for calls.
const MOST_STREAMS: usize = 64;
/// The most services that a line names.
const MOST_SERVICES: usize = 1000;
/// The longest silence: who hears nothing for some times as long knows that nobody is there.
const LIFE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use cartonym::registry::Revision;
    use serde_json::Value;

    use super::*;

    const WEB: &str = "web.svc.example";

    /// A registry with `web`, whose stream is open, and what stops it.
    async fn open() -> (Registry, Body, watch::Sender<bool>) {
        let registry = Registry::in_memory();
        register(&registry, WEB, 1).await;
        let (stop, stopping) = watch::channel(false);
        let body = Streams::new(stopping).open(&registry).unwrap().into_body();
        (registry, body, stop)
    }

    async fn register(registry: &Registry, service: &str, host: u8) -> Revision {
        registry.register(service, &format!("i{host}"), ([192, 0, 2, host], 80).into()).await.unwrap();
        registry.model().revision()
    }

    async fn next(body: &mut Body) -> Option<Value> {
        let frame = body.frame().await?.unwrap();
        Some(serde_json::from_slice(frame.data_ref().unwrap()).unwrap())
    }

    #[tokio::test]
    async fn who_opens_a_stream_is_told_at_once_and_then_of_each_change() {
        let (registry, mut body, stop) = open().await;
        let at = |revision: Revision| json!(revision.0);
        let first = next(&mut body).await.unwrap();
        assert_eq!(first, json!({ "revision": at(registry.model().revision()), "all": true }));
        let web = registry.model().services().next().unwrap().service.id;
        let revision = register(&registry, WEB, 2).await;
        let second = next(&mut body).await.unwrap();
        assert_eq!(second, json!({ "revision": at(revision), "services": [web.as_str()] }));
        register(&registry, "db.svc.example", 3).await;
        assert_eq!(next(&mut body).await.unwrap()["listing"], json!(true));
        stop.send(true).unwrap();
        assert_eq!(next(&mut body).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_changes_a_line_says_that_somebody_is_there() {
        let (registry, mut body, _stop) = open().await;
        next(&mut body).await.unwrap();
        let begin = Instant::now();
        let revision = registry.model().revision().0;
        assert_eq!(next(&mut body).await, Some(json!({ "revision": revision, "services": [] })));
        assert!(begin.elapsed() >= LIFE && begin.elapsed() < 2 * LIFE);
    }

    #[tokio::test]
    async fn a_reader_that_was_slow_is_told_in_one_line_of_all_that_it_missed() {
        let (registry, mut body, _stop) = open().await;
        next(&mut body).await.unwrap();
        for host in 2..=50 {
            register(&registry, WEB, host).await;
        }
        assert_eq!(next(&mut body).await.unwrap()["services"].as_array().unwrap().len(), 1);
        for number in 0..=MOST_SERVICES {
            register(&registry, &format!("s{number}.svc.example"), 1).await;
        }
        let revision = registry.model().revision().0;
        assert_eq!(next(&mut body).await, Some(json!({ "revision": revision, "all": true })));
    }

    #[tokio::test]
    async fn so_many_streams_are_open_and_no_more() {
        let registry = Registry::in_memory();
        let (_stop, stopping) = watch::channel(false);
        let streams = Streams::new(stopping);
        let mut open: Vec<_> = (0..MOST_STREAMS).map(|_| streams.open(&registry).unwrap()).collect();
        assert!(streams.open(&registry).is_none());
        open.pop();
        assert!(streams.open(&registry).is_some());
    }
}
