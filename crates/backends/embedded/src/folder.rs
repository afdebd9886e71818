//! The folder of a registry: whose it is, and what is in it.

use std::error::Error;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Why a folder is not opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder, or a file in it, cannot be made, read or written.
    #[error("{} cannot be opened for writing", path.display())]
    Path {
        /// What cannot.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has it open.
    #[error("{} is in use by {}; stop it, or give this one a folder of its own", folder.display(), holder(*process))]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The process, where it said who it is.
        process: Option<u32>,
    },
    /// It was written by a version of this program whose form this one does not know.
    #[error(
        "{} has the form {found}, and this program knows {expected}; use the program that wrote it to export it",
        path.display()
    )]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// Its form.
        found: u64,
        /// The one form that is known.
        expected: u64,
    },
    /// It is not what was written.
    #[error("{} is damaged; restore it from a backup, or move it away to begin anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A folder that this process alone has open.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Its lock is the folder's, and goes with the process however that ends.
    _lock: File,
}

impl Folder {
    /// Takes the folder at `path`, and makes it where it is missing.
    pub(crate) fn lock(path: &Path) -> Result<Self, OpenError> {
        fs::create_dir_all(path).map_err(at(path))?;
        let lock_path = path.join("registry.lock");
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&lock_path);
        let mut lock = options.map_err(at(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse { folder: path.to_owned(), process: read_process(&mut lock) });
            }
            Err(TryLockError::Error(source)) => return Err(at(&lock_path)(source)),
        }
        // Only for who is refused to read: without it they are told less.
        _ = write_process(&mut lock);
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The file that holds the registry.
    pub(crate) fn file(&self) -> PathBuf {
        self.path.join("registry.redb")
    }

    /// The file that is to hold it when it is complete.
    pub(crate) fn unfinished(&self) -> PathBuf {
        self.path.join("registry.redb.new")
    }

    /// Makes the names of the folder's files durable.
    pub(crate) fn sync(&self) -> Result<(), OpenError> {
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(at(&self.path))
    }
}

/// Says where an error was met.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    |source| OpenError::Path { path: path.to_owned(), source }
}

fn read_process(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_process(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

fn holder(process: Option<u32>) -> String {
    process.map_or_else(|| "another process".to_owned(), |id| format!("process {id}"))
}
