//! Following etcd: everything as of one revision, then each change. What is known stays while etcd is away.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use cartonym_etcd::{Client, Error, Header, Range, Watch, WatchCreate, WatchResponse, prefix_end};
use futures_util::future::join_all;

use crate::entry::BoxedName;
use crate::view::{Progress, State, View};

/// Keeps a view up to date until the end; waits while somebody else does.
pub(crate) async fn follow(view: Arc<View>) {
    let mut progress = view.turn.lock().await;
    let client = match Client::new(&view.source.etcd) {
        Ok(client) => client,
        Err(error) => {
            // The options have been looked at, but not the files as they are now.
            tracing::error!(error = &error as &dyn std::error::Error, "etcd cannot be followed");
            return;
        }
    };
    let follower = Follower { view: &view, client };
    let mut wait = FIRST_WAIT;
    loop {
        let error = match follower.session(&mut progress).await {
            Ok(never) => match never {},
            Err(error) => error,
        };
        if view.counts.is_connected.swap(false, Relaxed) {
            wait = FIRST_WAIT;
        }
        let path = view.source.prefix.escape_ascii();
        if let Error::Compacted = error {
            tracing::info!(%path, "etcd has forgotten what comes next; all is read again");
            progress.revision = 0;
        } else if wait == FIRST_WAIT {
            tracing::warn!(%path, error = &error as &dyn std::error::Error, "etcd is away; what is known stays");
        }
        tokio::time::sleep(wait).await;
        wait = (2 * wait).min(LAST_WAIT);
    }
}

struct Follower<'v> {
    view: &'v Arc<View>,
    client: Client,
}

impl Follower<'_> {
    /// Follows until something fails.
    async fn session(&self, progress: &mut Progress) -> Result<std::convert::Infallible, Error> {
        let Header { revision, cluster_id: cluster } = self.client.position(self.range()).await?;
        // A store that was put back in time, or is another one, has nothing to do with what is known.
        let goes_on = progress.revision > 0 && progress.revision <= revision && progress.cluster == cluster;
        if !goes_on {
            while !self.load(revision).await? {
                tokio::time::sleep(LAST_WAIT).await;
            }
            *progress = Progress { revision, cluster };
        }
        let (key, range_end) = self.range();
        let start_revision = progress.revision.saturating_add(1);
        let mut watch = self.client.watch(WatchCreate { key, range_end, start_revision }).await?;
        let first = watch.next().await?;
        let path = self.view.source.prefix.escape_ascii();
        tracing::info!(%path, endpoint = watch.endpoint(), revision = progress.revision, "etcd is followed");
        self.view.counts.is_connected.store(true, Relaxed);
        self.take(first, &mut watch, progress).await?;
        loop {
            tokio::select! {
                answer = watch.next() => self.take(answer?, &mut watch, progress).await?,
                () = self.until_due() => self.look_at_leases().await?,
            }
        }
    }

    /// Reads everything as of one revision, and serves it; false where a defect is in the way.
    async fn load(&self, revision: i64) -> Result<bool, Error> {
        let mut state = State::new(&self.view.source.prefix);
        let (key, range_end) = self.range();
        let mut pages = self.client.pages(Range { key, range_end, limit: PAGE, revision, count_only: false });
        while let Some(kvs) = pages.next().await? {
            state.extend(&kvs);
        }
        let view = Arc::clone(self.view);
        // A million keys take seconds, which others on this thread have better use for.
        let made = tokio::task::spawn_blocking(move || view.replace(state, now())).await;
        if made.is_err() {
            tracing::error!(
                "the zones of etcd's keys could not be made; what was there stays, and is read again"
            );
            return Ok(false);
        }
        self.view.counts.revision.store(revision, Relaxed);
        Ok(true)
    }

    /// Takes changes in, and with them what else has come already.
    async fn take(
        &self,
        answer: WatchResponse,
        watch: &mut Watch,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let mut events = answer.events;
        let mut end = Ok(());
        while !events.is_empty() && events.len() < MAX_EVENTS {
            // Many changes cost little more than one, as the names above them are the same.
            match tokio::time::timeout(Duration::ZERO, watch.next()).await {
                Ok(Ok(more)) => events.extend(more.events),
                Ok(Err(error)) => {
                    end = Err(error);
                    break;
                }
                Err(_) => break,
            }
        }
        let Some(last) = events.iter().filter_map(|event| event.kv.as_ref()).map(|kv| kv.mod_revision).max()
        else {
            return end;
        };
        let mut changed = self.view.apply(&events);
        // Asked for first, so that a leased key is told with its lease's time from the start.
        let learnt = self.learn(&mut changed).await;
        self.view.update(&changed, now());
        // Only now: a task that ends in between leaves the change to be told again.
        progress.revision = last;
        self.view.counts.revision.store(last, Relaxed);
        end.and(learnt)
    }

    /// Waits until a lease is due.
    async fn until_due(&self) {
        match self.view.leases(|leases| leases.next_due()) {
            Some(due) => tokio::time::sleep(Duration::from_secs(due.saturating_sub(now()))).await,
            None => std::future::pending().await,
        }
    }

    async fn look_at_leases(&self) -> Result<(), Error> {
        let mut changed = HashSet::new();
        let learnt = self.learn(&mut changed).await;
        if !changed.is_empty() {
            self.view.update(&changed, now());
        }
        learnt
    }

    /// Asks for leases that are due, and adds the names whose records depend on them.
    async fn learn(&self, changed: &mut HashSet<BoxedName>) -> Result<(), Error> {
        let due = self.view.leases(|leases| leases.take_due(now(), MAX_LEASES));
        let asked = due
            .iter()
            .filter(|(_, asks)| *asks)
            .map(|(lease, _)| async { (*lease, self.client.lease_time_to_live(*lease).await) });
        let answers = join_all(asked).await;
        self.view.leases(|leases| {
            let now = now();
            let mut end = Ok(());
            for (lease, answer) in answers {
                // One that has ended takes its keys along in a moment.
                let left = answer.map(|answer| u64::try_from(answer.ttl).unwrap_or(0));
                leases.set_end(lease, now + left.as_ref().copied().unwrap_or(0), now);
                end = end.and(left.map(drop));
            }
            for (lease, _) in due {
                changed.extend(leases.names(lease).iter().cloned());
            }
            end
        })
    }

    fn range(&self) -> (Vec<u8>, Vec<u8>) {
        let prefix = self.view.source.prefix.clone();
        let end = prefix_end(&prefix);
        (prefix, end)
    }
}

/// Seconds since the Unix epoch.
#[allow(clippy::disallowed_methods, reason = "leases are counted here, and not when somebody asks")]
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The waits while etcd is away.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LAST_WAIT: Duration = Duration::from_secs(2);
/// Keys that are read at a time.
const PAGE: i64 = 2048;
/// Changes that are published together at most, or little more.
const MAX_EVENTS: usize = 4096;
/// Leases that are asked for at a time.
const MAX_LEASES: usize = 256;
