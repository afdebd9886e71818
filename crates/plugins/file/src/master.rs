//! One zone of one master file: read, read again, and changed by those who may.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use cartonym_plugin::aside;
use cartonym_wire::{Message, Name, NameBuf, Rcode};
use cartonym_zone::{LoadError, RecordTable, Zone, load};
use parking_lot::Mutex;

use crate::journal::{Journal, JournalError};

/// A zone, where it comes from and where it goes.
#[derive(Debug)]
pub(crate) struct Master {
    path: PathBuf,
    origin: NameBuf,
    table: Arc<RecordTable>,
    /// Whether a change of the file is enough, whatever its serial.
    by_mtime: bool,
    updates: Option<Updates>,
    /// The file as it was before it was last read to its end without a mistake; only who reads it comes here.
    read: Mutex<Option<Stamp>>,
}

/// When a file was changed, and how long it is.
type Stamp = (SystemTime, u64);

/// What becomes of dynamic updates (RFC 2136).
#[derive(Debug)]
struct Updates {
    /// The names of the keys that may change the zone, in lower case.
    keys: Vec<NameBuf>,
    /// Held while the zone changes, by threads that may wait; a query's worker never takes it.
    journal: Mutex<Journal>,
    /// Where updates wait for each other, so that no more than one of them has a thread.
    turn: tokio::sync::Mutex<()>,
}

/// Why a zone is not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MasterError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Master {
    pub(crate) fn new(path: PathBuf, origin: NameBuf, table: Arc<RecordTable>, by_mtime: bool) -> Master {
        Master { path, origin, table, by_mtime, updates: None, read: Mutex::default() }
    }

    /// Lets those with one of these keys change the zone.
    pub(crate) fn updated_by(mut self, keys: Vec<NameBuf>) -> Master {
        let journal = Mutex::new(Journal::beside(&self.path, &self.origin, self.table.hasher()));
        self.updates = Some(Updates { keys, journal, turn: tokio::sync::Mutex::new(()) });
        self
    }

    pub(crate) fn origin(&self) -> &Name {
        &self.origin
    }

    pub(crate) fn takes_updates(&self) -> bool {
        self.updates.is_some()
    }

    /// Whether who has this key may change the zone.
    pub(crate) fn may_update(&self, key: Option<&Name>) -> bool {
        let keys = self.updates.iter().flat_map(|updates| &updates.keys);
        key.is_some_and(|key| keys.into_iter().any(|name| **name == *key))
    }

    /// Reads the file and what has changed since, and serves it.
    pub(crate) fn load(&self) -> Result<(), MasterError> {
        let stamp = stamp(&self.path);
        let (zone, report) = load(&self.path, &self.origin, self.table.hasher())?;
        for finding in &report.findings {
            tracing::warn!(zone = %self.origin, "{finding}");
        }
        let zone = Arc::new(zone);
        let zone = match &self.updates {
            Some(updates) => updates.journal.lock().open(zone)?,
            None => zone,
        };
        self.table.put(zone);
        *self.read.lock() = stamp;
        Ok(())
    }

    /// Reads the file again if it has changed; what is wrong with it is logged each time, and what was served goes on.
    pub(crate) fn reload(&self) {
        // Looked at before the file is read, so that a change meanwhile is seen the next time.
        let stamp = stamp(&self.path);
        let mut read = self.read.lock();
        if stamp.is_none() || stamp == *read {
            return;
        }
        match self.read_again() {
            Ok(names) => {
                *read = stamp;
                if let Some(names) = names {
                    tracing::info!(zone = %self.origin, names, "read again");
                }
            }
            Err(error) => {
                tracing::error!(zone = %self.origin, %error, "not read again; what was served goes on");
            }
        }
    }

    /// Serves the zone of the file as it is now, unless that is known; how many names it has.
    fn read_again(&self) -> Result<Option<usize>, MasterError> {
        // A million records take their time, which others have better use for; nobody waits for a lock meanwhile.
        let (zone, _) = aside(|| load(&self.path, &self.origin, self.table.hasher()))?;
        let zone = Arc::new(zone);
        let Some(updates) = &self.updates else {
            let is_new = self.by_mtime || serial(&zone) != self.served().and_then(|served| serial(&served));
            return Ok(is_new.then(|| self.publish(zone)));
        };
        // Held until the zone is served: an update goes on from what is.
        let mut journal = updates.journal.lock();
        let is_new = !journal.begins_with(&zone);
        if is_new { Ok(Some(self.publish(journal.open(zone)?))) } else { Ok(None) }
    }

    fn publish(&self, zone: Arc<Zone>) -> usize {
        let names = zone.len();
        self.table.put(zone);
        names
    }

    /// Takes in what another one has written to the journal.
    pub(crate) fn catch_up(&self) {
        let Some(updates) = &self.updates else { return };
        let mut journal = updates.journal.lock();
        self.catch_up_with(&mut journal);
    }

    fn catch_up_with(&self, journal: &mut Journal) {
        match journal.catch_up() {
            Ok(Some(zone)) => self.table.put(zone),
            Ok(None) => {}
            Err(error) => tracing::error!(zone = %self.origin, %error, "not read; what was served goes on"),
        }
    }

    /// Does what an UPDATE message asks for: when this returns NOERROR, it is on disk and served.
    pub(crate) async fn update(self: Arc<Self>, message: Vec<u8>) -> Rcode {
        let Some(updates) = &self.updates else { return Rcode::NOTIMP };
        let _turn = updates.turn.lock().await;
        let this = Arc::clone(&self);
        let done = tokio::task::spawn_blocking(move || this.update_now(&message)).await;
        done.unwrap_or(Err(Rcode::SERVFAIL)).err().unwrap_or(Rcode::NOERROR)
    }

    fn update_now(&self, octets: &[u8]) -> Result<(), Rcode> {
        let message = Message::new(octets).map_err(|_| Rcode::FORMERR)?;
        let updates = self.updates.as_ref().ok_or(Rcode::NOTIMP)?;
        let mut journal = updates.journal.lock();
        for _ in 0..MAX_ATTEMPTS {
            self.catch_up_with(&mut journal);
            let zone = self.served().ok_or(Rcode::SERVFAIL)?;
            let Some(updated) = zone.update(message, self.table.hasher())? else { return Ok(()) };
            match journal.append(&updated.difference, &updated.zone) {
                Ok(()) => {
                    self.table.put(Arc::new(updated.zone));
                    return Ok(());
                }
                // What another one has written comes first.
                Err(JournalError::Behind { .. }) => {}
                Err(error) => {
                    tracing::error!(zone = %self.origin, %error, "an update is refused");
                    return Err(Rcode::SERVFAIL);
                }
            }
        }
        Err(Rcode::SERVFAIL)
    }

    fn served(&self) -> Option<Arc<Zone>> {
        self.table.load().zone(&self.origin).cloned()
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn serial(zone: &Zone) -> Option<u32> {
    zone.soa().map(|(_, serial)| serial)
}

/// How often an update is tried while another one writes to the same journal.
const MAX_ATTEMPTS: usize = 8;
