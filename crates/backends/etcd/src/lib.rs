#![doc = include_str!("../README.md")]

mod commit;
mod follow;
mod layout;
mod membership;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use cartonym_etcd::Client;
use cartonym_registry::{Backend, BackendError, Change, CommitError, Event, Members, Revision};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

pub use cartonym_etcd::{ConfigError, Credentials, Options, Tls};

use commit::Committer;
use follow::Follower;
use layout::Layout;
use membership::Membership;

/// Keeps a registry in etcd.
#[derive(Debug)]
pub struct Etcd {
    client: Client,
    layout: Layout,
    cluster: Arc<AtomicU64>,
    committer: Committer,
    /// What this node is called: another name for each time that it starts.
    node: String,
}

impl Etcd {
    /// A registry below `prefix`, such as `/cartonym`. Nobody is called yet.
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn new(options: &Options, prefix: &str) -> Result<Self, ConfigError> {
        let (client, layout) = (Client::new(options)?, Layout::new(prefix));
        let committer = Committer::start(client.clone(), layout.clone());
        let node = format!("{:016x}", RandomState::new().build_hasher().finish());
        Ok(Self { client, layout, cluster: Arc::default(), committer, node })
    }
}

impl Backend for Etcd {
    fn commit(&self, change: Change) -> BoxFuture<'_, Result<Revision, CommitError>> {
        Box::pin(self.committer.commit(change))
    }

    fn watch(&self, from: Revision) -> BoxStream<'static, Result<Event, BackendError>> {
        // A few events: what is not taken stays with etcd.
        let (told, events) = mpsc::channel(16);
        let follower =
            Follower::new(self.client.clone(), self.layout.clone(), from, Arc::clone(&self.cluster));
        tokio::spawn(follower.run(told));
        ReceiverStream::new(events).boxed()
    }

    fn node(&self) -> Option<&str> {
        Some(&self.node)
    }

    fn join(&self) -> Option<BoxStream<'static, Members>> {
        let (told, members) = mpsc::channel(1);
        let (client, layout, own) = (self.client.clone(), self.layout.clone(), self.node.clone());
        let membership = Membership { client, layout, own };
        tokio::spawn(membership.run(told));
        Some(ReceiverStream::new(members).boxed())
    }
}

/// The wait before etcd is asked again.
const RETRY: Duration = Duration::from_millis(200);
