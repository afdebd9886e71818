//! The updates of a zone since its master file, in a file beside it.
//!
//! The master file is the operator's: it is read, never written. What has been acknowledged since is in the journal, so
//! a zone is its master file and the journal's differences, one after the other. A journal belongs to one version of
//! the master file; what happens when that changes is decided by serials:
//!
//! ```text
//! the version that the journal begins with      the journal goes on
//! newer than all of the journal                 the master file counts; the journal is put aside, not deleted
//! any other                                     refused: an update would be lost, or the serial go back
//! ```
//!
//! Two of one process, or two processes, may have the same journal, for example while a configuration replaces
//! another. Who writes holds a lock on the folder, and writes only if the journal is as it was read.

mod checksum;
mod format;

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cartonym_wire::{Hasher, NameBuf};
use cartonym_zone::{Difference, Zone};

use format::{Contents, Version, write_entry, write_header};

/// The updates of a zone, on disk.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    origin: NameBuf,
    hasher: Hasher,
    standing: Standing,
    /// The file as it was seen last; none where there is none.
    seen: Option<Stamp>,
    /// The file that could not be taken in last, so that it is complained of once.
    refused: Option<Stamp>,
}

/// Where the next entry goes.
#[derive(Debug)]
enum Standing {
    /// No master file has been read yet.
    Closed,
    /// To a new file; an older journal of this last serial is put aside first.
    New { base: Arc<Zone>, superseded: Option<u32> },
    /// Behind the octets that are whole.
    Open { base: Arc<Zone>, len: u64, condensed_at: u64 },
}

/// Tells versions of a file apart: its inode and its length.
type Stamp = (u64, u64);

/// Why a journal is not read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("{path}: octet {octet}: {what}; without this file, all updates since the master file are gone")]
    Damaged { path: String, octet: usize, what: &'static str },
    #[error(
        "{path} holds updates up to serial {last}, made to another version of the master file, which now has serial \
         {master}; give the master file a serial past {last} to have it count, or restore the one with serial {base}"
    )]
    Conflict { path: String, master: u32, base: u32, last: u32 },
    #[error("{path}: another one has written there")]
    Behind { path: String },
    #[error("the zone has no SOA")]
    NoSoa,
}

/// Octets that are not worth condensing.
const MIN_CONDENSED: u64 = 1 << 20;

impl Journal {
    /// The journal of a zone of a master file; nothing is read yet.
    pub(crate) fn beside(master: &Path, origin: &NameBuf, hasher: Hasher) -> Journal {
        let mut name = master.file_name().unwrap_or_default().to_owned();
        // A name may have a slash, a file may not.
        name.push(format!(".{}journal", origin.to_string().replace('/', "\\047")));
        Journal {
            path: master.with_file_name(name),
            origin: origin.to_lowercase(),
            hasher,
            standing: Standing::Closed,
            seen: None,
            refused: None,
        }
    }

    /// Whether the updates begin with this version of the master file, going by its serial; one that was changed
    /// without it is complained of.
    pub(crate) fn begins_with(&self, master: &Zone) -> bool {
        let (Standing::New { base, .. } | Standing::Open { base, .. }) = &self.standing else { return false };
        let (there, here) = (Version::of(base), Version::of(master));
        let is_same = there.map(|version| version.serial) == here.map(|version| version.serial);
        if is_same && there != here {
            tracing::warn!(zone = %self.origin, "the master file has changed without its serial: not read again");
        }
        is_same
    }

    /// The zone that the updates lead to from `master`. Nothing is written, and nothing has changed where this fails.
    pub(crate) fn open(&mut self, master: Arc<Zone>) -> Result<Arc<Zone>, JournalError> {
        let version = Version::of(&master).ok_or(JournalError::NoSoa)?;
        let (octets, seen) = match self.read() {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.standing = Standing::New { base: Arc::clone(&master), superseded: None };
                self.seen = None;
                return Ok(master);
            }
            Err(error) => return Err(self.io(error)),
        };
        let contents = Contents::read(&octets).map_err(|damage| self.damaged(damage.octet, damage.what))?;
        if contents.origin != self.origin {
            return Err(self.damaged(0, "this is the journal of another zone"));
        }
        if contents.base != version {
            self.supersede(&master, version, &contents)?;
            self.seen = Some(seen);
            return Ok(master);
        }
        let mut zone = Arc::clone(&master);
        for difference in &contents.differences {
            let next = zone.advance(difference, self.hasher);
            zone = Arc::new(next.ok_or_else(|| self.damaged(0, "its updates do not follow each other"))?);
        }
        if contents.len < octets.len() {
            tracing::warn!(
                path = %self.path.display(), octet = contents.len, dropped = octets.len() - contents.len,
                "the journal ends within an update, which nobody was told of"
            );
        }
        let len = contents.len as u64;
        // How long it was when it was condensed last is not known; what it may grow by does not grow with each start.
        self.standing = Standing::Open { base: master, len, condensed_at: MIN_CONDENSED };
        self.seen = Some(seen);
        Ok(zone)
    }

    /// The zone that the updates lead to by now, if another one has written.
    pub(crate) fn catch_up(&mut self) -> Result<Option<Arc<Zone>>, JournalError> {
        let now = stamp(&self.path).map_err(|error| self.io(error))?;
        let (Standing::New { base, .. } | Standing::Open { base, .. }) = &self.standing else {
            return Ok(None);
        };
        if now == self.seen || now.is_some() && now == self.refused {
            return Ok(None);
        }
        let opened = self.open(Arc::clone(base));
        self.refused = if opened.is_err() { now } else { None };
        opened.map(Some)
    }

    /// Writes an update that leads to `zone`, and returns when it is on disk. Where this fails, it is not.
    pub(crate) fn append(&mut self, difference: &Difference, zone: &Zone) -> Result<(), JournalError> {
        let folder = self.lock().map_err(|error| self.io(error))?;
        if stamp(&self.path).map_err(|error| self.io(error))? != self.seen {
            return Err(JournalError::Behind { path: self.path.display().to_string() });
        }
        self.write(&folder, difference).map_err(|error| self.io(error))?;
        if let Err(error) = self.condense(&folder, zone) {
            // What is there is right, and only longer than it need be.
            tracing::warn!(path = %self.path.display(), %error, "the journal cannot be made shorter");
        }
        Ok(())
    }

    /// Decides about another version of the master file.
    fn supersede(
        &mut self,
        master: &Arc<Zone>,
        version: Version,
        contents: &Contents,
    ) -> Result<(), JournalError> {
        let last = contents.differences.last().map_or(contents.base.serial, |last| last.to.serial);
        if !is_newer(version.serial, last) {
            return Err(JournalError::Conflict {
                path: self.path.display().to_string(),
                master: version.serial,
                base: contents.base.serial,
                last,
            });
        }
        tracing::warn!(
            path = %self.path.display(), updates = contents.differences.len(), last, master = version.serial,
            "the master file is newer than all updates and replaces them"
        );
        self.standing = Standing::New { base: Arc::clone(master), superseded: Some(last) };
        Ok(())
    }

    fn write(&mut self, folder: &File, difference: &Difference) -> io::Result<()> {
        match &mut self.standing {
            Standing::Closed => Err(ErrorKind::NotFound.into()),
            Standing::New { base, superseded } => {
                let base = Arc::clone(base);
                if let Some(serial) = superseded.take() {
                    let mut aside = self.path.clone().into_os_string();
                    aside.push(format!(".{serial}"));
                    fs::rename(&self.path, aside)?;
                    self.seen = None;
                }
                self.replace(folder, base, difference)
            }
            Standing::Open { len, .. } => {
                let mut entry = Vec::new();
                write_entry(difference, &mut entry).ok_or(ErrorKind::FileTooLarge)?;
                let mut file = OpenOptions::new().write(true).open(&self.path)?;
                if let Err(error) = append_at(&mut file, *len, &entry) {
                    // As it was; what cannot be taken back is dropped when it is read: it was not acknowledged.
                    let _ = file.set_len(*len).and_then(|()| file.sync_all());
                    self.seen = stamp(&self.path)?;
                    return Err(error);
                }
                *len += entry.len() as u64;
                self.seen = stamp(&self.path)?;
                Ok(())
            }
        }
    }

    /// Writes one difference in place of many, where they have become long.
    fn condense(&mut self, folder: &File, zone: &Zone) -> io::Result<()> {
        let Standing::Open { base, len, condensed_at } = &mut self.standing else { return Ok(()) };
        if *len < *condensed_at * 2 {
            return Ok(());
        }
        // If it fails, the next attempt waits until it is twice as long again.
        *condensed_at = *len;
        let base = Arc::clone(base);
        let difference = zone.difference(&base).ok_or(ErrorKind::InvalidData)?;
        self.replace(folder, base, &difference)
    }

    /// Puts a journal of one difference in the place of what is there.
    fn replace(&mut self, folder: &File, base: Arc<Zone>, difference: &Difference) -> io::Result<()> {
        let version = Version::of(&base).ok_or(ErrorKind::InvalidData)?;
        let mut octets = write_header(&self.origin, version);
        write_entry(difference, &mut octets).ok_or(ErrorKind::FileTooLarge)?;
        let mut new = self.path.clone().into_os_string();
        new.push(".new");
        let mut file = File::create(&new)?;
        file.write_all(&octets)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        folder.sync_all()?;
        let len = octets.len() as u64;
        self.standing = Standing::Open { base, len, condensed_at: MIN_CONDENSED.max(len) };
        self.seen = stamp(&self.path)?;
        Ok(())
    }

    fn read(&self) -> io::Result<(Vec<u8>, Stamp)> {
        let octets = fs::read(&self.path)?;
        let (inode, _) = fs::metadata(&self.path).map(|metadata| stamp_of(&metadata))?;
        // The length that was read: what has been added since is then seen as news.
        let len = octets.len() as u64;
        Ok((octets, (inode, len)))
    }

    /// The folder, held for writing until it is dropped.
    fn lock(&self) -> io::Result<File> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or(Path::new(".")))?;
        folder.lock()?;
        Ok(folder)
    }

    fn io(&self, source: io::Error) -> JournalError {
        JournalError::Io { path: self.path.display().to_string(), source }
    }

    fn damaged(&self, octet: usize, what: &'static str) -> JournalError {
        JournalError::Damaged { path: self.path.display().to_string(), octet, what }
    }
}

fn append_at(file: &mut File, at: u64, octets: &[u8]) -> io::Result<()> {
    // What a crash has left there goes first, so that nothing of it can follow what is written now.
    file.set_len(at)?;
    file.seek(SeekFrom::Start(at))?;
    file.write_all(octets)?;
    file.sync_all()
}

fn stamp(path: &Path) -> io::Result<Option<Stamp>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(stamp_of(&metadata))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn stamp_of(metadata: &Metadata) -> Stamp {
    (metadata.ino(), metadata.len())
}

/// Serial number arithmetic (RFC 1982 §3.2).
fn is_newer(serial: u32, than: u32) -> bool {
    (serial.wrapping_sub(than) as i32) > 0
}
