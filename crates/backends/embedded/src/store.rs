//! The file of a registry, open.

use std::fs;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use cartonym_registry::{BackendError, Event, Revision, Snapshot};
use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadableDatabase, StorageError};
use tokio::sync::mpsc;

use crate::acknowledged::Acknowledged;
use crate::folder::{Folder, OpenError, at};
use crate::held::Held;
use crate::records::{self, ReadError, Tables, VERSION};

/// A store in a folder that this process alone has open.
#[derive(Debug)]
pub(crate) struct Store {
    /// Guards which database is open: none after an error of the disk, until it is opened anew.
    database: Mutex<Option<Arc<Database>>>,
    pub(crate) acknowledged: Acknowledged,
    // After the database: it is closed before another process may open it.
    folder: Folder,
}

/// Any error of an open database.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// The memory for pages. The registry itself is in memory: the store is read at the start, and written.
const CACHE_OCTETS: usize = 64 << 20;

impl Store {
    /// Opens the store in `folder`, and makes it where it is missing; its first change comes after `revision` then.
    pub(crate) fn open(folder: Folder, revision: Revision) -> Result<Self, OpenError> {
        let path = folder.file();
        let acknowledged = Acknowledged::open(&folder)?;
        if !path.try_exists().map_err(at(&path))? {
            acknowledged.verify_new(revision)?;
            create(&folder, revision)?;
        }
        let database = Mutex::new(Some(Arc::new(open(&path, &acknowledged)?)));
        Ok(Self { database, acknowledged, folder })
    }

    /// The revision of the last change.
    pub(crate) fn revision(&self) -> Result<Revision, OpenError> {
        let damaged = |source| OpenError::Damaged { path: self.folder.file(), source };
        let database = self.database().map_err(damaged)?;
        revision(&database).map_err(damaged)
    }

    /// The open database; opens it anew if an error has closed it.
    pub(crate) fn database(&self) -> Result<Arc<Database>, Error> {
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = &*database {
            return Ok(Arc::clone(database));
        }
        let opened = Arc::new(open(&self.folder.file(), &self.acknowledged)?);
        *database = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Closes the database after an error, past which it takes no more.
    pub(crate) fn close(&self) {
        *self.database.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

pub(crate) fn revision(database: &Database) -> Result<Revision, Error> {
    Ok(records::meta(&database.begin_read()?)?.1)
}

/// Reads everything in `store`, on a thread of its own.
pub(crate) fn snapshot(store: &Weak<Store>) -> Snapshot {
    // A few batches: the reader is a little ahead of who takes them in.
    let (told, snapshot) = mpsc::channel(16);
    let Some(store) = store.upgrade() else { return snapshot };
    let failed = told.clone();
    let read = move || {
        let all = tell_all(&store, &told);
        // Who hears the last of it may close the store, and have it closed.
        drop(store);
        _ = told.blocking_send(all.map(Event::CaughtUp));
    };
    if let Err(error) = std::thread::Builder::new().name("cartonym-load".into()).spawn(read) {
        _ = failed.try_send(Err(BackendError::Unavailable(error.into())));
    }
    snapshot
}

fn tell_all(
    store: &Store,
    told: &mpsc::Sender<Result<Event, BackendError>>,
) -> Result<Revision, BackendError> {
    let database = store.database().map_err(BackendError::Unavailable)?;
    let transaction = database.begin_read().map_err(|error| BackendError::Unavailable(error.into()))?;
    records::read_all(&transaction, |event| told.blocking_send(Ok(event)).is_ok()).map_err(
        |error| match error {
            ReadError::Unreadable(error) => BackendError::Damaged(error.into()),
            other => BackendError::Unavailable(other.into()),
        },
    )
}

/// Makes a new store under another name, so that an unfinished one is never taken for a store.
fn create(folder: &Folder, revision: Revision) -> Result<(), OpenError> {
    let unfinished = folder.unfinished();
    if unfinished.try_exists().map_err(at(&unfinished))? {
        fs::remove_file(&unfinished).map_err(at(&unfinished))?;
    }
    let made = || -> Result<(), Error> {
        let database = Database::create(&unfinished)?;
        let transaction = database.begin_write()?;
        let mut tables = Tables::open(&transaction)?;
        tables.claim()?;
        tables.revision = revision;
        tables.finish()?;
        Ok(transaction.commit()?)
    };
    made().map_err(|error| at(&unfinished)(std::io::Error::other(error)))?;
    fs::rename(&unfinished, folder.file()).map_err(at(&unfinished))?;
    folder.sync()
}

/// Opens the file at `path`, which is left as it is unless it is a whole store of this version, with all that was acknowledged.
fn open(path: &Path, acknowledged: &Acknowledged) -> Result<Database, OpenError> {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).map_err(at(path))?;
    let damaged = |source| OpenError::Damaged { path: path.to_owned(), source };
    let file = FileBackend::new(file).map_err(|error| damaged(error.into()))?;
    let held = Held::new(file).map_err(at(path))?;

    // What is read is anything at all, and not every check in the way of a wrong page is an error rather than a panic.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let database = redb::Builder::new()
            .set_cache_size(CACHE_OCTETS)
            .set_check_integrity_on_open(true)
            .create_with_backend(held.clone())
            .map_err(|error| refused(path, error))?;
        let transaction = database.begin_read().map_err(|error| damaged(error.into()))?;
        let (version, revision) = records::meta(&transaction).map_err(|error| damaged(error.into()))?;
        Ok((database, version, revision))
    }));
    let (database, found, revision) =
        opened.unwrap_or_else(|_| Err(damaged("its pages contradict each other".into())))?;
    if found != VERSION {
        return Err(OpenError::OtherVersion { path: path.to_owned(), found, expected: VERSION });
    }
    acknowledged.verify(revision)?;
    held.release().map_err(at(path))?;
    // Whoever reads it from now on has been told of that.
    acknowledged.note(revision);
    Ok(database)
}

fn refused(path: &Path, error: DatabaseError) -> OpenError {
    let path = path.to_owned();
    match error {
        DatabaseError::UpgradeRequired(found) => {
            OpenError::OtherVersion { path, found: found.into(), expected: VERSION }
        }
        DatabaseError::Storage(StorageError::Io(source)) if !is_content(source.kind()) => {
            OpenError::Path { path, source }
        }
        other => OpenError::Damaged { path, source: other.into() },
    }
}

/// Whether an error of reading is about what was read.
fn is_content(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput)
}
