//! The contract between the registry and what keeps it.

use std::error::Error;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use crate::{Change, Event, Members, Revision};

/// What keeps a registry: an ordered history of changes to records with names.
pub trait Backend: Send + Sync + 'static {
    /// Makes a change, if all that it expects holds; the revision is the one it made.
    ///
    /// When this returns `Ok`, the change survives whatever happens to this process.
    fn commit(&self, change: Change) -> BoxFuture<'_, Result<Revision, CommitError>>;

    /// Tells what there is, then each change in order, without an end.
    ///
    /// From [`Revision::ZERO`] it begins with [`Event::Reset`]. From a later revision it begins with the changes after
    /// that, or with `Reset` if they are no longer known, or if the backend has not come so far. An `Err` says that
    /// the backend is away; what comes after it goes on from where it was, or begins with `Reset`.
    fn watch(&self, from: Revision) -> BoxStream<'static, Result<Event, BackendError>>;

    /// What this node is called among those that share the backend; `None` where nobody else can.
    fn node(&self) -> Option<&str> {
        None
    }

    /// Has this node live among those that share the backend, for as long as the stream is held; tells who they are, and each
    /// time that this changes.
    ///
    /// `None` where nobody else can share it.
    fn join(&self) -> Option<BoxStream<'static, Members>> {
        None
    }
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Something it expects does not hold; nothing was changed.
    #[error("the record was changed by another")]
    Conflict {
        /// A revision at which it did not hold.
        current: Revision,
    },
    /// The backend takes no changes.
    #[error("the registry is read-only")]
    ReadOnly,
    /// The backend is away, or cannot write; whether the change was made is not known.
    #[error("the registry's store is not available")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

/// Why a watch tells nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The backend is away; it is tried again.
    #[error("the registry's store is not available")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// What the backend holds cannot be read.
    #[error("the registry's store holds what cannot be read")]
    Damaged(#[source] Box<dyn Error + Send + Sync>),
}
