//! The one thread that writes.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cartonym_registry::{Change, CommitError, Edit, History, Revision};
use redb::Database;
use tokio::sync::{mpsc, oneshot};

use crate::records::{Encoded, Tables};
use crate::store::{self, Error, Store};

/// Makes changes durable, those that come while the disk is busy together.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Nothing once the thread is told to end.
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// A change, and who waits for it.
#[derive(Debug)]
struct Job {
    encoded: Encoded,
    edits: Vec<Edit>,
    reply: oneshot::Sender<Result<Revision, CommitError>>,
}

/// How many changes wait in memory; who comes then waits to be taken in.
const QUEUE: usize = 1024;

impl Writer {
    pub(crate) fn start(store: Arc<Store>, history: Arc<History>) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let write = move || Loop { store, history, jobs, failed: None }.run();
        // Without its thread, a change is answered that the store is not available.
        let thread = std::thread::Builder::new().name("cartonym-store".into()).spawn(write);
        let thread =
            thread.inspect_err(|error| tracing::error!(%error, "the store's thread does not start")).ok();
        Self { queue: Some(queue), thread }
    }

    pub(crate) async fn commit(&self, change: Change) -> Result<Revision, CommitError> {
        let (reply, answer) = oneshot::channel();
        let job = Job { encoded: Encoded::from(&change), edits: change.edits, reply };
        let gone = || CommitError::Unavailable("the store is closed".into());
        self.queue.as_ref().ok_or_else(gone)?.send(job).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

struct Loop {
    store: Arc<Store>,
    history: Arc<History>,
    jobs: mpsc::Receiver<Job>,
    /// Why the last batch was not written, and until when the next is not tried.
    failed: Option<(Arc<dyn std::error::Error + Send + Sync>, Instant)>,
}

/// How long changes are refused at once after the disk has refused one: a large store takes a while to open anew.
const PAUSE: Duration = Duration::from_millis(500);

impl Loop {
    fn run(mut self) {
        while let Some(first) = self.jobs.blocking_recv() {
            let mut batch = vec![first];
            // Those that came while the last batch was written; they share the next wait for the disk.
            while batch.len() < QUEUE
                && let Ok(next) = self.jobs.try_recv()
            {
                batch.push(next);
            }
            self.write(batch);
        }
    }

    fn write(&mut self, batch: Vec<Job>) {
        if let Some((error, until)) = &self.failed
            && now() < *until
        {
            return refuse(batch, error);
        }
        match self.make_durable(&batch) {
            Ok(made) => {
                self.failed = None;
                self.tell(batch, made);
            }
            Err(error) => {
                tracing::error!(error = &*error as &dyn std::error::Error, "a change is not written");
                self.store.close();
                let error = Arc::from(error);
                refuse(batch, &error);
                self.failed = Some((error, now() + PAUSE));
            }
        }
    }

    /// Writes all changes of a batch whose expectations hold, in one transaction; tells which.
    fn make_durable(&self, batch: &[Job]) -> Result<Vec<Result<Revision, Revision>>, Error> {
        let database = self.database()?;
        let transaction = database.begin_write()?;
        let mut tables = Tables::open(&transaction)?;
        let mut made = Vec::with_capacity(batch.len());
        for job in batch {
            let revision = tables.apply(&job.encoded)?;
            made.push(revision.ok_or(tables.revision));
        }
        let changed = made.iter().any(Result::is_ok);
        if changed {
            let revision = tables.revision;
            tables.finish()?;
            transaction.commit()?;
            self.store.acknowledged.note(revision);
        } else {
            drop(tables);
            transaction.abort()?;
        }
        Ok(made)
    }

    /// The database; after an error, opened anew, with what it then holds.
    fn database(&self) -> Result<Arc<Database>, Error> {
        let database = self.store.database()?;
        let revision = store::revision(&database)?;
        if revision != self.history.latest() {
            // The change that failed had reached the disk: nobody was told of it.
            self.history.restart(revision);
        }
        Ok(database)
    }

    /// Tells the watchers, and then those who asked.
    fn tell(&self, batch: Vec<Job>, made: Vec<Result<Revision, Revision>>) {
        let (mut changes, mut replies) = (Vec::new(), Vec::new());
        for (job, made) in batch.into_iter().zip(made) {
            if let Ok(revision) = made {
                changes.push((revision, job.edits));
            }
            replies.push((job.reply, made));
        }
        self.history.push(changes);
        for (reply, made) in replies {
            _ = reply.send(made.map_err(|current| CommitError::Conflict { current }));
        }
    }
}

fn refuse(batch: Vec<Job>, error: &Arc<dyn std::error::Error + Send + Sync>) {
    for job in batch {
        _ = job.reply.send(Err(CommitError::Unavailable(Box::new(Shared(Arc::clone(error))))));
    }
}

#[allow(clippy::disallowed_methods, reason = "a pause after an error of the disk, on a thread of its own")]
fn now() -> Instant {
    Instant::now()
}

/// One error told to many.
#[derive(Debug)]
struct Shared(Arc<dyn std::error::Error + Send + Sync>);

impl std::fmt::Display for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
