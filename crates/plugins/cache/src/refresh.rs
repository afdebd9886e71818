//! Asking again in the background.

use std::sync::Arc;

use cartonym_plugin::{Query, Resolver};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

use crate::Cache;
use crate::item::Item;

/// Where requests for a refresh go. Each is a question of this server to the chain that the item came from, with the bits
/// of the query that hit it: it comes back to the cache, is let through because the item says so, and brings a response to
/// keep.
#[derive(Debug)]
pub(crate) struct Refresher {
    requests: Sender<Request>,
    // Taken once, by the task that reads it.
    queue: Mutex<Receiver<Request>>,
}

#[derive(Debug)]
struct Request {
    item: Arc<Item>,
    resolver: Resolver,
}

impl Default for Refresher {
    fn default() -> Refresher {
        let (requests, queue) = channel(MAX_QUEUED);
        Refresher { requests, queue: Mutex::new(queue) }
    }
}

impl Refresher {
    /// Asks for a refresh. Where too many wait it is left to another hit.
    pub(crate) fn request(&self, item: &Arc<Item>, query: &Query<'_>) {
        let request = Request { item: item.clone(), resolver: query.resolver().by(query.route()) };
        if self.requests.try_send(request).is_err() {
            item.end_refresh();
        }
    }
}

/// Does what is asked for, so much at a time.
pub(crate) async fn run(cache: Arc<Cache>) {
    let mut queue = cache.refresher.queue.lock().await;
    let mut running = JoinSet::new();
    while let Some(request) = queue.recv().await {
        while running.len() >= MAX_RUNNING {
            running.join_next().await;
        }
        while running.try_join_next().is_some() {}
        running.spawn(refresh(request));
    }
}

async fn refresh(request: Request) {
    let Request { item, resolver } = request;
    if let (Some(name), qtype) = item.question() {
        resolver.resolve(&name, qtype).await;
    }
    // Whatever has come of it: if it was kept, this item is not there any more.
    item.end_refresh();
}

const MAX_QUEUED: usize = 1024;
const MAX_RUNNING: usize = 256;
