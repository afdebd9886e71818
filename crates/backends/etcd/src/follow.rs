//! A watch: everything, then each change.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cartonym_etcd::{Client, Error, EventKind, KeyValue, Range, WatchCreate, WatchResponse};
use cartonym_registry::{BackendError, Edit, Event, Revision};
use tokio::sync::mpsc;

use crate::RETRY;
use crate::layout::{KINDS, Layout};

/// Tells of what etcd holds and what becomes of it, for as long as anybody listens.
pub(crate) struct Follower {
    client: Client,
    layout: Layout,
    /// What was told; nothing yet, or not to be built upon, at zero.
    at: Revision,
    /// Whether the last that was told is an error.
    is_away: bool,
    /// The cluster that was last heard of, by this watch or another of this backend; 0 before the first.
    cluster: Arc<AtomicU64>,
}

type Told = mpsc::Sender<Result<Event, BackendError>>;

/// Why telling ended.
enum Stop {
    /// Nobody listens.
    Unheard,
    /// What comes next is forgotten: everything is to be told.
    Forgotten,
    Away(Error),
}

impl Follower {
    pub(crate) fn new(client: Client, layout: Layout, from: Revision, cluster: Arc<AtomicU64>) -> Self {
        Self { client, layout, at: from, is_away: false, cluster }
    }

    pub(crate) async fn run(mut self, told: Told) {
        loop {
            let stop = tokio::select! {
                stop = self.tell(&told) => stop,
                () = told.closed() => Stop::Unheard,
            };
            match stop {
                Stop::Unheard => return,
                Stop::Forgotten => self.at = Revision::ZERO,
                Stop::Away(error) => {
                    if told.send(Err(BackendError::Unavailable(error.into()))).await.is_err() {
                        return;
                    }
                    self.is_away = true;
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Tells until something stops it.
    async fn tell(&mut self, told: &Told) -> Stop {
        match self.tell_all(told).await {
            Err(stop) => stop,
            Ok(never) => match never {},
        }
    }

    async fn tell_all(&mut self, told: &Told) -> Result<std::convert::Infallible, Stop> {
        if self.at == Revision::ZERO || self.revision().await? < self.at {
            self.snapshot(told).await?;
        }
        let (key, range_end) = self.layout.all();
        let start_revision = i64::try_from(self.at.next().0).unwrap_or(i64::MAX);
        let mut watch = self.client.watch(WatchCreate { key, range_end, start_revision }).await?;
        loop {
            let answer = watch.next().await?;
            if answer.created && std::mem::take(&mut self.is_away) {
                // It is followed again, and nothing may have changed meanwhile.
                send(told, Event::CaughtUp(self.at)).await?;
            }
            self.changes(answer, told).await?;
        }
    }

    /// The revision that etcd is at.
    async fn revision(&self) -> Result<Revision, Stop> {
        let header = self.client.position(self.layout.all()).await?;
        let before = self.cluster.swap(header.cluster_id, Ordering::Relaxed);
        if before != 0 && before != header.cluster_id {
            // Restored, or another one: its revisions are not those that were told.
            return Err(Stop::Forgotten);
        }
        Ok(Revision(header.revision()))
    }

    /// Tells everything, as of one revision.
    async fn snapshot(&mut self, told: &Told) -> Result<(), Stop> {
        let at = self.revision().await?;
        let revision = i64::try_from(at.0).unwrap_or(0);
        send(told, Event::Reset).await?;
        for kind in KINDS {
            let (key, range_end) = self.layout.kind(kind);
            let range = Range { key, range_end, limit: PAGE, revision, count_only: false };
            let mut pages = self.client.pages(range);
            while let Some(kvs) = pages.next().await? {
                let records = kvs.iter().filter_map(|kv| self.layout.stored(kv)).collect();
                send(told, Event::Records(records)).await?;
            }
        }
        send(told, Event::CaughtUp(at)).await?;
        self.at = at;
        Ok(())
    }

    /// Tells the changes of an answer, those of one revision together.
    async fn changes(&mut self, answer: WatchResponse, told: &Told) -> Result<(), Stop> {
        let revision = |kv: &KeyValue| Revision(u64::try_from(kv.mod_revision).unwrap_or(0));
        let changed: Vec<(EventKind, &KeyValue)> =
            answer.events.iter().filter_map(|event| Some((event.kind(), event.kv.as_ref()?))).collect();
        for together in changed.chunk_by(|(_, a), (_, b)| a.mod_revision == b.mod_revision) {
            let Some((_, first)) = together.first() else { continue };
            let edits = together.iter().filter_map(|(kind, kv)| self.edit(*kind, kv)).collect();
            let revision = revision(first);
            send(told, Event::Changed { revision, edits }).await?;
            self.at = revision;
        }
        Ok(())
    }

    fn edit(&self, kind: EventKind, kv: &KeyValue) -> Option<Edit> {
        match kind {
            EventKind::Put => self.layout.stored(kv).map(|stored| Edit::Put(stored.record)),
            EventKind::Delete => self.layout.parse(&kv.key).map(Edit::Delete),
        }
    }
}

async fn send(told: &Told, event: Event) -> Result<(), Stop> {
    told.send(Ok(event)).await.map_err(|_| Stop::Unheard)
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        match error {
            Error::Compacted => Stop::Forgotten,
            error => Stop::Away(error),
        }
    }
}

/// Keys that are read at a time.
const PAGE: i64 = 512;
