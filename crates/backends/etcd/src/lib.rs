#![doc = include_str!("../README.md")]

mod commit;
mod follow;
mod layout;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use cartonym_etcd::Client;
use cartonym_registry::{Backend, BackendError, Change, CommitError, Event, Revision};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

pub use cartonym_etcd::{ConfigError, Credentials, Options, Tls};

use follow::Follower;
use layout::Layout;

/// Keeps a registry in etcd.
#[derive(Debug)]
pub struct Etcd {
    client: Client,
    layout: Layout,
    cluster: Arc<AtomicU64>,
}

impl Etcd {
    /// A registry below `prefix`, such as `/cartonym`. Nobody is called yet.
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    pub fn new(options: &Options, prefix: &str) -> Result<Self, ConfigError> {
        Ok(Self { client: Client::new(options)?, layout: Layout::new(prefix), cluster: Arc::default() })
    }
}

impl Backend for Etcd {
    fn commit(&self, change: Change) -> BoxFuture<'_, Result<Revision, CommitError>> {
        Box::pin(commit::commit(&self.client, &self.layout, change))
    }

    fn watch(&self, from: Revision) -> BoxStream<'static, Result<Event, BackendError>> {
        // A few events: what is not taken stays with etcd.
        let (told, events) = mpsc::channel(16);
        let follower =
            Follower::new(self.client.clone(), self.layout.clone(), from, Arc::clone(&self.cluster));
        tokio::spawn(follower.run(told));
        ReceiverStream::new(events).boxed()
    }
}

/// The wait before etcd is asked again.
const RETRY: Duration = Duration::from_millis(200);
