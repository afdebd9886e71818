#![doc = include_str!("../README.md")]

use std::path::Path;
use std::sync::Arc;

use cartonym_registry::{Backend, BackendError, Change, CommitError, Event, History, Revision};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

pub use folder::OpenError;

use folder::Folder;
use store::Store;
use writer::Writer;

mod folder;
mod held;
mod records;
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
    /// Refuses a folder that cannot be written, that another process has open, or whose file is damaged or of another
    /// version; the file is left as it is.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, OpenError> {
        let store = Arc::new(Store::open(Folder::lock(folder.as_ref())?)?);
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
