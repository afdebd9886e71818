//! What was acknowledged, so that a store which has lost it does not pass for whole.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::PathBuf;

use cartonym_registry::Revision;

use crate::folder::{Folder, OpenError, open_or_make, read_number};

/// Holds the revision of the last change that somebody was told is on the disk.
///
/// A store knows which of its pages are wrong. But a change whose pages were still being checked when the process was killed is
/// taken for one that was being made: where such a page is wrong later, the store is whole without it.
#[derive(Debug)]
pub(crate) struct Acknowledged {
    store: PathBuf,
    path: PathBuf,
    file: File,
}

impl Acknowledged {
    pub(crate) fn open(folder: &Folder) -> Result<Self, OpenError> {
        let path = folder.acknowledged();
        Ok(Self { store: folder.file(), file: open_or_make(&path)?, path })
    }

    /// What the file of `folder` says; nothing where there is none.
    pub(crate) fn of(folder: &Folder) -> Revision {
        File::open(folder.acknowledged()).map(|file| read(&file)).unwrap_or_default()
    }

    /// Takes note of a revision that is on the disk, before anybody is told.
    ///
    /// Nobody waits until the note is on the disk too: it outlives the process. After a loss of power it may say less, and then less
    /// is asked of the store.
    pub(crate) fn note(&self, revision: Revision) {
        let write = || -> io::Result<()> {
            let mut file = &self.file;
            file.rewind()?;
            // Always as long, and at once: no part of an earlier number stays.
            file.write_all(format!("{:020}\n", revision.0).as_bytes())
        };
        if let Err(error) = write() {
            tracing::warn!(%error, path = %self.path.display(), "not written; the change is");
        }
    }

    /// Refuses a store whose last change is that of `found`, where more was acknowledged.
    pub(crate) fn verify(&self, found: Revision) -> Result<(), OpenError> {
        let Some(acknowledged) = self.after(found) else { return Ok(()) };
        let (path, acknowledged_in) = (self.store.clone(), self.path.clone());
        Err(OpenError::Behind { path, found, acknowledged, acknowledged_in })
    }

    /// Refuses to make a store that begins after `revision`, where more was acknowledged of one that is gone.
    pub(crate) fn verify_new(&self, revision: Revision) -> Result<(), OpenError> {
        let Some(acknowledged) = self.after(revision) else { return Ok(()) };
        let (path, acknowledged_in) = (self.store.clone(), self.path.clone());
        Err(OpenError::Gone { path, acknowledged, acknowledged_in })
    }

    /// What was acknowledged, if it comes after `revision`.
    fn after(&self, revision: Revision) -> Option<Revision> {
        Some(read(&self.file)).filter(|acknowledged| *acknowledged > revision)
    }
}

/// What a file says. One that makes no sense, as a loss of power may leave it, says nothing.
fn read(file: &File) -> Revision {
    let read = read_number(file);
    if read.is_none() && file.metadata().is_ok_and(|file| file.len() > 0) {
        tracing::warn!(
            "what was acknowledged is not known: no number is in its file; the store is taken as it is"
        );
    }
    read.map(Revision).unwrap_or_default()
}
