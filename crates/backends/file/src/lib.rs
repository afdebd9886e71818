#![doc = include_str!("../README.md")]

mod form;
mod pairs;
mod read;
mod stamp;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cartonym_registry::{Backend, BackendError, Change, CommitError, Event, Mirror, Revision, Timestamp};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::task::AbortHandle;

pub use read::{FileError, Place};

use stamp::Stamp;

/// Reads a registry from a file, and again whenever it changes.
#[derive(Debug)]
pub struct File {
    seen: Arc<Seen>,
    follower: AbortHandle,
}

/// How a file is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether a file without a namespace may take the place of one that had some.
    pub allow_empty: bool,
}

#[derive(Debug)]
struct Seen {
    path: PathBuf,
    options: Options,
    mirror: Mirror,
}

impl File {
    /// Reads the file at `path`, and looks at it again and again on the current tokio runtime, until it is dropped.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is wrong; it says where.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn open(path: impl Into<PathBuf>, options: Options) -> Result<Self, FileError> {
        let path = path.into();
        let stamp = Stamp::at_rest(&path, PAUSE);
        // Later than what an earlier process said, unless that made ten changes a second all its life. The serials of zones
        // are revisions modulo 2^32, and half of that is what they may rise by (RFC 1982 §3.2): by tenths of a second six
        // years without a restart, by milliseconds not even a month.
        let mirror = Mirror::new(Revision(Timestamp::now().as_millis() / 100));
        let seen = Arc::new(Seen { path, options, mirror });
        seen.read()?;
        let follower = tokio::spawn(follow(Arc::downgrade(&seen), stamp)).abort_handle();
        Ok(Self { seen, follower })
    }

    /// Says what a file holds: namespaces, services and instances.
    ///
    /// # Errors
    ///
    /// As [`File::open`].
    pub fn check(path: &Path) -> Result<[usize; 3], FileError> {
        let records = read::read(path)?;
        Ok(records.counts())
    }

    /// Reads the file now, whether it has changed or not; the revision by which what it holds is told.
    ///
    /// # Errors
    ///
    /// As [`File::open`]; and an empty file is refused, where it may not take the place of what was read before. What
    /// was read before stays.
    pub fn read(&self) -> Result<Revision, FileError> {
        self.seen.read()
    }
}

impl Backend for File {
    fn commit(&self, change: Change) -> BoxFuture<'_, Result<Revision, CommitError>> {
        self.seen.mirror.commit(change)
    }

    fn watch(&self, from: Revision) -> BoxStream<'static, Result<Event, BackendError>> {
        self.seen.mirror.watch(from)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Seen {
    fn read(&self) -> Result<Revision, FileError> {
        let records = read::read(&self.path)?;
        if records.is_empty() && !self.mirror.is_empty() && !self.options.allow_empty {
            return Err(FileError::Empty { path: self.path.clone() });
        }
        Ok(self.mirror.replace(records.into()))
    }

    /// Reads the file, and says so if that cannot be.
    fn look(&self) {
        let before = self.mirror.revision();
        match self.read() {
            Ok(revision) if revision > before => {
                tracing::info!(path = %self.path.display(), %revision, "the registry's file was read again");
            }
            Ok(_) => {}
            Err(error) => self.mirror.fail(BackendError::Damaged(error.into())),
        }
    }
}

/// Reads the file when it has changed, and has then been left alone for a moment: who writes it in place is not done
/// when the first part is there.
async fn follow(seen: Weak<Seen>, mut read: Stamp) {
    let mut last = read;
    loop {
        tokio::time::sleep(PAUSE).await;
        let Some(seen) = seen.upgrade() else { return };
        let looked = tokio::task::spawn_blocking(move || {
            let now = Stamp::of(&seen.path);
            if now != read && now == last {
                seen.look();
                return (now, now);
            }
            (read, now)
        });
        let Ok(stamps) = looked.await else { return };
        (read, last) = stamps;
    }
}

/// The wait between two looks at the file: the price of one is a system call.
const PAUSE: Duration = Duration::from_millis(200);
