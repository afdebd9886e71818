//! The zones of one directive, and how they are answered and kept up to date.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cartonym_plugin::{BoxFuture, Fallthrough, Plugin, Query, Response, Step};
use cartonym_wire::{Class, Ede, NameBuf, Rcode, Type};
use cartonym_zone::{Ask, LoadError, Outcome, RecordTable, Snapshot, Zone, load};

/// Answers from master files.
#[derive(Debug)]
pub struct Files {
    table: Arc<RecordTable>,
    files: Vec<File>,
    fallthrough: Fallthrough,
    reload: Reload,
}

/// A master file and the zone it is read for.
#[derive(Clone, Debug)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// The zone's origin, in lower case.
    pub origin: NameBuf,
}

/// When a file is read again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reload {
    /// How often it is looked at; never if zero.
    pub(crate) every: Duration,
    /// Whether a change of the file is enough, whatever its serial.
    pub(crate) by_mtime: bool,
}

impl Files {
    /// Answers from `files`, none of which is read yet; [`Files::load`] does that.
    pub(crate) fn new(files: Vec<File>, fallthrough: Fallthrough, reload: Reload) -> Files {
        // Names of zone files are the operator's, but which of them are asked for is not: the order is per process.
        Files { table: Arc::new(RecordTable::new(seed())), files, fallthrough, reload }
    }

    /// What is answered from.
    pub fn table(&self) -> &Arc<RecordTable> {
        &self.table
    }

    /// Reads every file, and serves those that are right.
    ///
    /// # Errors
    ///
    /// The first file that is not.
    pub(crate) fn load(&self) -> Result<(), LoadError> {
        self.files.iter().try_for_each(|file| self.load_one(file))
    }

    fn load_one(&self, file: &File) -> Result<(), LoadError> {
        let (zone, report) = load(&file.path, &file.origin, self.table.hasher())?;
        for finding in &report.findings {
            tracing::warn!(zone = %file.origin, "{finding}");
        }
        self.publish(zone);
        Ok(())
    }

    fn publish(&self, zone: Zone) {
        let snapshot = Snapshot::clone(&self.table.load()).with(Arc::new(zone));
        self.table.publish(snapshot);
    }

    /// Reads a changed file again; what is wrong with it is logged, and what was served goes on.
    fn reload_one(&self, file: &File) {
        let serving =
            self.table.load().zone(&file.origin).and_then(|zone| zone.soa().map(|(_, serial)| serial));
        match load(&file.path, &file.origin, self.table.hasher()) {
            Ok((zone, _)) if !self.reload.by_mtime && zone.soa().map(|(_, serial)| serial) == serving => {}
            Ok((zone, _)) => {
                tracing::info!(zone = %file.origin, names = zone.len(), "read again");
                self.publish(zone);
            }
            Err(error) => {
                tracing::error!(zone = %file.origin, %error, "not read again; what was served goes on")
            }
        }
    }

    async fn watch(self: Arc<Self>) {
        let mut seen: Vec<_> = self.files.iter().map(modified).collect();
        loop {
            tokio::time::sleep(self.reload.every).await;
            for (file, seen) in self.files.iter().zip(&mut seen) {
                let now = modified(file);
                if now.is_none() || now == *seen {
                    continue;
                }
                *seen = now;
                let (this, file) = (Arc::clone(&self), file.clone());
                // Reading a million records takes its time, which others have better use for.
                let _ = tokio::task::spawn_blocking(move || this.reload_one(&file)).await;
            }
        }
    }
}

impl Plugin for Files {
    fn name(&self) -> &'static str {
        "file"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        if query.qclass() != Class::IN {
            return Step::Next;
        }
        let snapshot = self.table.load();
        let Some(zone) = snapshot.find(query.qname(), query.qtype()) else {
            if !self.files.iter().any(|file| query.name().is_within(&file.origin)) {
                return Step::Next;
            }
            response.set_rcode(Rcode::SERVFAIL);
            response.set_ede(Ede::NOT_READY);
            return Step::Answered;
        };
        if matches!(query.qtype(), Type::AXFR | Type::IXFR) {
            response.set_rcode(Rcode::REFUSED);
            return Step::Answered;
        }
        let (mark, flags) = (response.builder().mark(), response.flags());
        let ask = Ask { qtype: query.qtype(), random: query.random(), is_question: query.is_as_asked() };
        match zone.answer(query.qname(), ask, response.builder()) {
            Outcome::Written(Rcode::NXDOMAIN) if self.fallthrough.takes(query.name()) => {
                response.builder().rewind(mark);
                response.builder().set_flags(flags);
                Step::Next
            }
            Outcome::Written(rcode) => {
                response.set_rcode(rcode);
                Step::Answered
            }
            // Master files have no aliases.
            Outcome::Alias(_) => Step::Next,
        }
    }

    fn ready(&self) -> bool {
        let snapshot = self.table.load();
        self.files.iter().all(|file| snapshot.zone(&file.origin).is_some())
    }

    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        (!self.reload.every.is_zero()).then(|| Box::pin(self.watch()) as BoxFuture<'static, ()>)
    }
}

fn modified(file: &File) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(&file.path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Random, from the standard library's own source of randomness for hash tables.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}
