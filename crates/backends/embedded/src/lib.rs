#![doc = include_str!("../README.md")]

use std::path::Path;
use std::sync::Arc;

use cartonym_registry::{Backend, BackendError, Change, CommitError, Event, History, Revision};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

pub use folder::OpenError;
pub use salvage::{Salvaged, salvage};

use folder::Folder;
use store::Store;
use writer::Writer;

mod acknowledged;
mod folder;
mod held;
mod records;
mod salvage;
mod store;
mod writer;

/// Keeps a registry in a folder; an acknowledged change survives a crash of the process and of the machine.
///
/// Dropping it lets the folder go, when what was asked for before is written.
#[derive(Debug)]
pub struct Embedded {
    // Before the store: its thread ends first.
    writer: Writer,
    store: Arc<Store>,
    history: Arc<History>,
}

impl Embedded {
    /// Opens the registry in `folder`, and makes both where they are missing.
    ///
    /// Reads the whole file once to verify it. Blocks for as long as that takes.
    ///
    /// # Errors
    ///
    /// Refuses a folder that cannot be written, that another process has open, or whose file is damaged, of another
    /// version, or lacks what was acknowledged; the file is left as it is.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_after(folder, Revision::ZERO)
    }

    /// As [`Embedded::open`]; where there is no registry, the first change of the new one makes the revision after
    /// `revision`: what is made of another goes on where that was, and so do the serials of its zones.
    ///
    /// # Errors
    ///
    /// As [`Embedded::open`].
    pub fn open_after(folder: impl AsRef<Path>, revision: Revision) -> Result<Self, OpenError> {
        Self::start(Store::open(Folder::lock(folder.as_ref())?, revision)?)
    }

    /// As [`Embedded::open`], but makes nothing.
    ///
    /// # Errors
    ///
    /// As [`Embedded::open`], and refuses a folder without a registry.
    pub fn open_existing(folder: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::start(Store::open(Folder::lock_existing(folder.as_ref())?, Revision::ZERO)?)
    }

    fn start(store: Store) -> Result<Self, OpenError> {
        let store = Arc::new(store);
        let history = Arc::new(History::new(store.revision()?, History::CAPACITY));
        let writer = Writer::start(Arc::clone(&store), Arc::clone(&history));
        Ok(Self { writer, store, history })
    }
}

impl Backend for Embedded {
    fn commit(&self, change: Change) -> BoxFuture<'_, Result<Revision, CommitError>> {
        Box::pin(self.writer.commit(change))
    }

    fn watch(&self, from: Revision) -> BoxStream<'static, Result<Event, BackendError>> {
        // A watch does not keep the folder open.
        let store = Arc::downgrade(&self.store);
        self.history.watch(from, move || store::snapshot(&store))
    }
}
