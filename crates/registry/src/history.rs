//! The latest changes, for those who watch.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use crate::{BackendError, Edit, Event, Revision};

/// The latest changes of a backend that makes them in this process.
///
/// Watchers read it at their own pace, so it is the only queue there is. Its bound is the number of changes it keeps:
/// who falls further behind is told everything again.
#[derive(Debug)]
pub struct History {
    /// Guards the pair of changes and latest revision: pushed by one writer, read by each watcher when woken.
    changes: Mutex<VecDeque<(Revision, Arc<[Edit]>)>>,
    latest: watch::Sender<Revision>,
    capacity: usize,
}

/// What a watch reads everything from: `Reset`, records, and `CaughtUp` at its end; then nothing.
pub type Snapshot = mpsc::Receiver<Result<Event, BackendError>>;

impl History {
    /// How many changes are kept where nothing else is said.
    pub const CAPACITY: usize = 4096;

    /// A history that begins after the revision `at`.
    pub fn new(at: Revision, capacity: usize) -> Self {
        Self { changes: Mutex::default(), latest: watch::Sender::new(at), capacity }
    }

    /// Adds changes, in the order of their revisions, and wakes the watchers once.
    pub fn push(&self, changes: impl IntoIterator<Item = (Revision, Vec<Edit>)>) {
        let mut kept = self.changes.lock();
        kept.extend(changes.into_iter().map(|(revision, edits)| (revision, edits.into())));
        let surplus = kept.len().saturating_sub(self.capacity);
        // What is let go is freed after the lock.
        let _gone: Vec<_> = if surplus > 0 { kept.drain(..surplus).collect() } else { Vec::new() };
        let latest = kept.back().map(|(revision, _)| *revision);
        drop(kept);
        if let Some(latest) = latest {
            self.latest.send_replace(latest);
        }
    }

    /// Forgets all changes: what the watchers know is no longer known to lead to `at`, so they are told everything.
    pub fn restart(&self, at: Revision) {
        self.changes.lock().clear();
        self.latest.send_replace(at);
    }

    /// The revision of the latest change.
    pub fn latest(&self) -> Revision {
        *self.latest.borrow()
    }

    /// The changes after `from`, or what `snapshot` gives and the changes after that.
    ///
    /// The stream ends when the history is dropped by all but its watchers.
    pub fn watch(
        self: &Arc<Self>,
        from: Revision,
        snapshot: impl FnMut() -> Snapshot + Send + 'static,
    ) -> BoxStream<'static, Result<Event, BackendError>> {
        let woken = self.latest.subscribe();
        let history = Arc::downgrade(self);
        let at = if from == Revision::ZERO { At::Lost } else { At::Revision(from) };
        let watcher = Watcher { history, woken, snapshot, at, ready: VecDeque::new() };
        stream::unfold(watcher, |mut watcher| async { Some((watcher.next().await?, watcher)) }).boxed()
    }

    /// Up to `most` changes after `from`; `None` if some are no longer known, or `from` is yet to come.
    fn after(&self, from: Revision, most: usize) -> Option<Vec<(Revision, Arc<[Edit]>)>> {
        let changes = self.changes.lock();
        let latest = changes.back().map_or_else(|| self.latest(), |(revision, _)| *revision);
        if from >= latest {
            return (from == latest).then(Vec::new);
        }
        let first = changes.front()?.0;
        if from.next() < first {
            return None;
        }
        let skip = changes.partition_point(|(revision, _)| *revision <= from);
        Some(changes.iter().skip(skip).take(most).cloned().collect())
    }
}

struct Watcher<F> {
    history: std::sync::Weak<History>,
    woken: watch::Receiver<Revision>,
    snapshot: F,
    at: At,
    ready: VecDeque<(Revision, Arc<[Edit]>)>,
}

enum At {
    /// Everything has to be told.
    Lost,
    /// Everything is being told.
    Snapshot(Snapshot),
    /// Everything was told up to a revision.
    Revision(Revision),
}

impl<F: FnMut() -> Snapshot> Watcher<F> {
    const BATCH: usize = 64;

    async fn next(&mut self) -> Option<Result<Event, BackendError>> {
        loop {
            match &mut self.at {
                At::Lost => self.at = At::Snapshot((self.snapshot)()),
                At::Snapshot(events) => match events.recv().await {
                    Some(Ok(Event::CaughtUp(revision))) => {
                        // A backend may be read before it has told of its latest change.
                        self.woken.wait_for(|latest| *latest >= revision).await.ok()?;
                        self.at = At::Revision(revision);
                        return Some(Ok(Event::CaughtUp(revision)));
                    }
                    Some(event) => return Some(event),
                    // A snapshot that breaks off has said why; there is no more to tell.
                    None => return None,
                },
                At::Revision(from) => {
                    if let Some((revision, edits)) = self.ready.pop_front() {
                        *from = revision;
                        return Some(Ok(Event::Changed { revision, edits: edits.to_vec() }));
                    }
                    self.woken.mark_unchanged();
                    match self.history.upgrade()?.after(*from, Self::BATCH) {
                        Some(changes) => self.ready = changes.into(),
                        None => self.at = At::Lost,
                    }
                    if self.ready.is_empty() && matches!(self.at, At::Revision(_)) {
                        self.woken.changed().await.ok()?;
                    }
                }
            }
        }
    }
}
