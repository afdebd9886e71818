#![doc = include_str!("../README.md")]

mod chance;
mod cloud;
mod follow;
mod listing;
mod looking;
mod news;
mod options;
mod records;
mod throttle;
mod watching;

use std::sync::Arc;

use cartonym_registry::{Backend, BackendError, Change, CommitError, Event, Mirror, Revision, Timestamp};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::task::AbortHandle;

pub use cartonym_aws::AccessKey;
pub use options::{Options, Quotas};

/// Follows a registry that another Cloud Map keeps.
#[derive(Debug)]
pub struct Remote {
    mirror: Arc<Mirror>,
    follower: AbortHandle,
}

impl Remote {
    /// Follows on the current tokio runtime, until it is dropped. Whoever is not there is asked again and again; watchers are
    /// told meanwhile, so that a registry that is opened over this may be refused before.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn open(options: Options) -> Self {
        // Tenths of a second: later than what an earlier process said, and a zone's serial lasts for years.
        let mirror = Arc::new(Mirror::with_health(Revision(Timestamp::now().as_millis() / 100)));
        let follower = tokio::spawn(follow::follow(options, Arc::clone(&mirror))).abort_handle();
        Self { mirror, follower }
    }
}

impl Backend for Remote {
    fn commit(&self, change: Change) -> BoxFuture<'_, Result<Revision, CommitError>> {
        self.mirror.commit(change)
    }

    fn watch(&self, from: Revision) -> BoxStream<'static, Result<Event, BackendError>> {
        self.mirror.watch(from)
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.follower.abort();
    }
}
