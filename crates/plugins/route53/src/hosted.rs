//! A hosted zone: read, and read again beside the version that is served.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cartonym_wire::NameBuf;
use cartonym_zone::RecordTable;
use parking_lot::Mutex;

use crate::Options;
use crate::cloud::{CallError, Cloud};
use crate::records::{self, Made, NoSoa};

/// A hosted zone, and its last version.
#[derive(Debug)]
pub(crate) struct Hosted {
    origin: NameBuf,
    id: String,
    options: Options,
    /// Has the zone once it was read.
    pub(crate) table: RecordTable,
    pub(crate) counts: Counts,
    /// Held by the one plugin that reads it; others with the same one wait until that is gone.
    keeper: tokio::sync::Mutex<()>,
}

/// What is told of a hosted zone.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Whether it could be read when it last was to be.
    pub(crate) is_connected: AtomicBool,
    /// Record sets, records and names that are not served.
    pub(crate) left_out: AtomicUsize,
}

/// The hosted zones that this process serves, so that another configuration goes on with what is known. Taken while
/// configuring.
static KNOWN: Mutex<Vec<Weak<Hosted>>> = Mutex::new(Vec::new());

/// What was said of a hosted zone, so that it is said once.
#[derive(Debug, Default)]
struct Said {
    problem: Option<String>,
    left_out: BTreeSet<String>,
}

/// Why there is no new version.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    NoSoa(#[from] NoSoa),
    #[error("its records could not be put together")]
    Broken,
}

impl Hosted {
    /// The hosted zone `id`, which is known already where somebody has it of the same source.
    pub(crate) fn of(origin: NameBuf, id: &str, options: &Options) -> Arc<Hosted> {
        let mut known = KNOWN.lock();
        known.retain(|hosted| hosted.strong_count() > 0);
        let mut all = known.iter().filter_map(Weak::upgrade);
        let is_same = |hosted: &Arc<Hosted>| {
            hosted.origin == origin && hosted.id == id && hosted.options.is_same_source(options)
        };
        if let Some(hosted) = all.find(is_same) {
            return hosted;
        }
        // Which of the operator's names are asked for is a stranger's to choose: the order is per process.
        let table = RecordTable::new(RandomState::new().hash_one(0));
        let (id, options) = (id.to_owned(), options.clone());
        let (counts, keeper) = (Counts::default(), tokio::sync::Mutex::default());
        let hosted = Arc::new(Hosted { origin, id, options, table, counts, keeper });
        known.push(Arc::downgrade(&hosted));
        hosted
    }

    /// What tells it from others in metrics.
    pub(crate) fn labels(&self) -> [(&'static str, String); 2] {
        [("zone", self.origin.to_string()), ("id", self.id.clone())]
    }

    pub(crate) fn is_read(&self) -> bool {
        self.table.load().zone(&self.origin).is_some()
    }

    /// Reads it again and again; until it was read once sooner, and then later each time.
    pub(crate) async fn keep(&self, cloud: &Cloud, refresh: Duration) {
        let _keeper = self.keeper.lock().await;
        let (mut said, mut backoff) = (Said::default(), FIRST_RETRY);
        loop {
            match self.read(cloud).await {
                Ok(made) => {
                    said.note(self, Ok(made.left_out));
                    self.table.put(Arc::new(made.zone));
                }
                Err(error) => said.note(self, Err(error.to_string())),
            }
            let wait = if self.is_read() { refresh } else { backoff.min(refresh) };
            backoff = (backoff * 2).min(LAST_RETRY);
            tokio::time::sleep(wait).await;
        }
    }

    async fn read(&self, cloud: &Cloud) -> Result<Made, ReadError> {
        let sets = cloud.record_sets(&self.id).await?;
        let (origin, id, hasher) = (self.origin, self.id.clone(), self.table.hasher());
        // Many records take their time, which queries have better use for.
        let make = move || records::zone(&origin, &id, &sets, hasher);
        Ok(tokio::task::spawn_blocking(make).await.map_err(|_| ReadError::Broken)??)
    }
}

impl Said {
    fn note(&mut self, hosted: &Hosted, read: Result<BTreeSet<String>, String>) {
        let (zone, id) = (&hosted.origin, &hosted.id);
        hosted.counts.is_connected.store(read.is_ok(), Relaxed);
        match read {
            Ok(left_out) => {
                if self.problem.take().is_some() || !hosted.is_read() {
                    tracing::info!(%zone, id, "read");
                }
                let mut new = left_out.difference(&self.left_out);
                new.clone().for_each(|what| tracing::debug!(%zone, id, "left out: {what}"));
                // There may be thousands of one kind.
                if let Some(first) = new.next() {
                    tracing::warn!(%zone, id, more = new.count(), "left out: {first}");
                }
                hosted.counts.left_out.store(left_out.len(), Relaxed);
                self.left_out = left_out;
            }
            Err(problem) if self.problem.as_ref() == Some(&problem) => {}
            Err(problem) => {
                tracing::warn!(%zone, id, "not read, and what was served goes on: {problem}");
                self.problem = Some(problem);
            }
        }
    }
}

/// The waits before the first version, at least and at most.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(30);
