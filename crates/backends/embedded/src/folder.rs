//! The folder of a registry: whose it is, and what is in it.

use std::error::Error;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use cartonym_registry::Revision;

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
    /// It is something else.
    #[error("{} is no folder; a registry is kept in a folder of its own", path.display())]
    NoFolder {
        /// What it is not.
        path: PathBuf,
    },
    /// There is no registry in it.
    #[error("there is no registry in {}", folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
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
    /// The file of the registry is gone, and something was in it.
    #[error(
        "{} is missing, and changes up to revision {acknowledged} were acknowledged; put it, or a backup's folder, in its place, or \
         remove {} to begin with an empty registry",
        path.display(), acknowledged_in.display()
    )]
    Gone {
        /// The file that is missing.
        path: PathBuf,
        /// The revision of the last change which somebody was told is written.
        acknowledged: Revision,
        /// The file that says so.
        acknowledged_in: PathBuf,
    },
    /// Changes that were acknowledged are not in it: it is older than the folder, or what was written last is lost.
    #[error(
        "{} ends at revision {found}, and changes up to {acknowledged} were acknowledged; put a backup's folder in the place of \
         this one, see what `cartonym repair` finds, or remove {} to go on without them",
        path.display(), acknowledged_in.display()
    )]
    Behind {
        /// The file of the registry.
        path: PathBuf,
        /// The revision of the last change in it.
        found: Revision,
        /// That of the last change which somebody was told is written.
        acknowledged: Revision,
        /// The file that says so.
        acknowledged_in: PathBuf,
    },
    /// It is not what was written.
    #[error("{} is damaged; restore it from a backup, or see what `cartonym repair` finds in it", path.display())]
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
        if fs::metadata(path).is_ok_and(|there| !there.is_dir()) {
            return Err(OpenError::NoFolder { path: path.to_owned() });
        }
        fs::create_dir_all(path).map_err(at(path))?;
        let lock_path = path.join("registry.lock");
        let mut lock = open_or_make(&lock_path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse {
                    folder: path.to_owned(),
                    process: read_number(&lock).and_then(|id| id.try_into().ok()),
                });
            }
            Err(TryLockError::Error(source)) => return Err(at(&lock_path)(source)),
        }
        // Only for who is refused to read: without it they are told less.
        _ = write_process(&mut lock);
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Takes the folder at `path`, where a registry is; makes nothing where there is none.
    pub(crate) fn lock_existing(path: &Path) -> Result<Self, OpenError> {
        let file = path.join(FILE);
        match file.try_exists().map_err(at(&file))? {
            true => Self::lock(path),
            false => Err(OpenError::Missing { folder: path.to_owned() }),
        }
    }

    /// The file that holds the registry.
    pub(crate) fn file(&self) -> PathBuf {
        self.path.join(FILE)
    }

    /// The file that is to hold it when it is complete.
    pub(crate) fn unfinished(&self) -> PathBuf {
        self.path.join("registry.redb.new")
    }

    /// The file that says what was acknowledged.
    pub(crate) fn acknowledged(&self) -> PathBuf {
        self.path.join("registry.acknowledged")
    }

    /// Makes the names of the folder's files durable.
    pub(crate) fn sync(&self) -> Result<(), OpenError> {
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(at(&self.path))
    }
}

const FILE: &str = "registry.redb";

/// Says where an error was met.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    |source| OpenError::Path { path: path.to_owned(), source }
}

/// Opens a small file that belongs to the folder, and makes it where it is missing.
pub(crate) fn open_or_make(path: &Path) -> Result<File, OpenError> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(at(path))
}

/// The number that a file holds, if it is one.
pub(crate) fn read_number(mut file: &File) -> Option<u64> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(21).read_to_string(&mut text).ok()?;
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
