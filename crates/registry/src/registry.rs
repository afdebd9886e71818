//! The registry's handle: reads of the model, and the one way to change it.

use std::collections::{HashMap, hash_map::RandomState};
use std::error::Error;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::stream::BoxStream;
use parking_lot::{Mutex, RwLockReadGuard};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::task::AbortHandle;

use crate::last_seen::{self, LastSeen};
use crate::operation::Request;
use crate::publisher::{Published, Publisher};
use crate::{
    Backend, BackendError, Change, Changes, CommitError, DnsOptions, Edit, Key, Members, MemoryBackend,
    Model, Operation, OperationId, OperationKind, OperationStatus, OperationView, Outcome, Record,
    RecordTable, Revision, Targets, Timestamp,
};

pub use self::attributes::ServiceAttributesError;
pub use self::by_name::RegisterError;
pub use self::instances::{DeregisterInstanceError, Finding, RegisterInstanceError, UpdateHealthError};
pub use self::namespaces::{
    CreateNamespaceError, DeleteNamespaceError, NamespaceChange, NewNamespace, UpdateNamespaceError,
};
pub use self::services::{
    CreateServiceError, DeleteServiceError, NewService, ServiceChange, UpdateServiceError,
};
pub use self::tags::{Resource, TagError};

mod attributes;
mod by_name;
mod draining;
mod instances;
mod namespaces;
mod services;
mod tags;

/// A registry: a cheap handle, whose clones are the same registry.
///
/// Its changes return when DNS answers them, or when that takes longer than it should.
#[derive(Clone)]
pub struct Registry(Arc<Shared>);

/// What a registry is given from outside, and how much it keeps.
#[derive(Debug, Clone)]
pub struct Options {
    /// Tells the time.
    pub clock: fn() -> Timestamp,
    /// Gives chance, for the ids of operations.
    pub random: fn() -> u64,
    /// How many operations are kept, the newest.
    pub operations_kept: usize,
    /// How long a change waits for DNS to answer it before it returns all the same.
    pub publish_wait: Duration,
    /// How long a custom verdict on an instance's health waits before it counts; AWS waits some 30 s.
    pub custom_health_delay: Duration,
    /// Whether services in private namespaces may have active checks, which Cloud Map refuses.
    pub private_checks: bool,
    /// Whether an instance that is to be checked counts as unhealthy until it was, and not as healthy.
    pub unhealthy_until_checked: bool,
    /// What DNS says of itself.
    pub dns: DnsOptions,
    /// Where the registry is kept in case the backend is away at the next start.
    pub last_seen: Option<LastSeen>,
}

/// Why a registry is not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The backend said why.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The backend's watch ended before it told everything.
    #[error("the registry's store told nothing")]
    Silent,
}

/// Why a change that is right was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The backend takes no changes.
    #[error("the registry is read-only")]
    ReadOnly,
    /// The backend is away; it may be tried again, and may have been done.
    #[error("the registry's store is not available")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// Others changed the same records each time; it may be tried again.
    #[error("others change the same records")]
    Contended,
}

struct Shared {
    backend: Arc<dyn Backend>,
    options: Options,
    published: Arc<Published>,
    publisher: AbortHandle,
    /// Set when there is what it keeps no hold of.
    drainer: OnceLock<AbortHandle>,
    /// Guards operations that were committed and not published in time: few, and only while the publisher is behind.
    submitted: Mutex<HashMap<OperationId, Operation>>,
    /// Guards the last operation that a change has already removed for want of room.
    pruned: Mutex<Option<OperationId>>,
}

/// How often a change is made anew after a conflict.
const ATTEMPTS: usize = 32;

impl Registry {
    /// Opens what `backend` keeps: returns when DNS answers it.
    ///
    /// Runs its publisher on the current tokio runtime until the last handle is dropped.
    ///
    /// # Errors
    ///
    /// The backend's, when it cannot tell what it holds.
    pub async fn open(backend: Arc<dyn Backend>, options: Options) -> Result<Self, OpenError> {
        let mut publisher = Publisher::new(&backend, &options);
        publisher.load().await.map_err(|error| error.map_or(OpenError::Silent, OpenError::Backend))?;
        Ok(Self::start(backend, publisher, options))
    }

    /// An empty registry that is forgotten when its last handle is dropped.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn in_memory() -> Self {
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let options = Options::default();
        let publisher = Publisher::new(&backend, &options);
        Self::start(backend, publisher, options)
    }

    /// The table that DNS answers from.
    pub fn table(&self) -> &Arc<RecordTable> {
        &self.0.published.table
    }

    /// What the registry holds, as DNS answers it or is about to.
    ///
    /// Holds back the publisher while it is held: read and let go, and never hold it over an `await`.
    pub fn model(&self) -> RwLockReadGuard<'_, Model> {
        self.0.published.model.read()
    }

    /// The revision that DNS answers.
    pub fn published(&self) -> Revision {
        *self.0.published.revision.borrow()
    }

    /// Returns when DNS answers `revision`.
    pub async fn wait_published(&self, revision: Revision) {
        let mut published = self.0.published.revision.subscribe();
        // The sender lives as long as `self`.
        _ = published.wait_for(|published| *published >= revision).await;
    }

    /// What changes from now on, and first everything, for one who derives something from the model.
    pub fn changes(&self) -> Changes {
        self.0.published.followers.follow()
    }

    /// Has this node live among those over one backend, for as long as the stream is held; see [`Backend::join`].
    pub fn join(&self) -> Option<BoxStream<'static, Members>> {
        self.0.backend.join()
    }

    /// Since when the backend has been away, if it is: what is read is as old as that.
    pub fn away_since(&self) -> Option<Timestamp> {
        *self.0.published.away.lock()
    }

    /// Whether the publisher has panicked: what is read and answered may be old, and changes are refused.
    ///
    /// It begins anew by itself; a panic that comes each time keeps this true for most of the time.
    pub fn has_panicked(&self) -> bool {
        self.0.published.panicked.load(Ordering::Relaxed)
    }

    /// Asks whether it has not, without holding the registry, for who tells whether its answers are to be trusted.
    pub fn goes_on(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let published = Arc::downgrade(&self.0.published);
        move || published.upgrade().is_none_or(|published| !published.panicked.load(Ordering::Relaxed))
    }

    /// The operation called `id`, and how far it is.
    pub fn operation(&self, id: OperationId) -> Option<OperationView> {
        let published = self.published();
        if let Some(entry) = self.model().operation(id) {
            let status = entry.status(published);
            return Some(OperationView {
                operation: entry.operation.clone(),
                revision: entry.revision,
                status,
            });
        }
        let operation = self.0.submitted.lock().get(&id)?.clone();
        Some(OperationView { operation, revision: Revision::ZERO, status: OperationStatus::Submitted })
    }

    fn start(backend: Arc<dyn Backend>, publisher: Publisher, options: Options) -> Self {
        let published = publisher.published();
        if let Some(kept) = options.last_seen.clone() {
            tokio::spawn(last_seen::keep(kept, Arc::downgrade(&published)));
        }
        let changes = published.followers.follow();
        let publisher = tokio::spawn(publisher.run()).abort_handle();
        let (drainer, submitted, pruned) = (OnceLock::new(), Mutex::default(), Mutex::new(None));
        let shared = Arc::new(Shared { backend, options, published, publisher, drainer, submitted, pruned });
        let (published, clock) = (Arc::clone(&shared.published), shared.options.clock);
        let drainer = draining::remove_drained(Arc::downgrade(&shared), published, clock, changes);
        shared.drainer.get_or_init(|| tokio::spawn(drainer).abort_handle());
        Self(shared)
    }
}

impl From<&Registry> for Arc<RecordTable> {
    /// The table that DNS answers from, for who serves it.
    fn from(registry: &Registry) -> Arc<RecordTable> {
        Arc::clone(registry.table())
    }
}

/// What the changes are made with.
impl Registry {
    /// Plans a change against the model and makes it; plans anew when another came first.
    async fn change<T, E: From<WriteError>>(
        &self,
        plan: impl Fn(&Model) -> Result<Plan<T>, E>,
    ) -> Result<T, E> {
        if self.is_guarded() {
            return Err(WriteError::Unavailable("what the store holds is not known".into()).into());
        }
        for _ in 0..ATTEMPTS {
            if self.has_panicked() {
                return Err(
                    WriteError::Unavailable("its publisher has panicked; the log says why".into()).into()
                );
            }
            let (planned, revision) = {
                let model = self.model();
                (plan(&model)?, model.revision())
            };
            let (mut change, answer) = match planned {
                Plan::Done(answer) => {
                    // The model is ahead of DNS for a moment; what is done is done when DNS answers it.
                    self.settle(revision, None).await;
                    return Ok(answer);
                }
                Plan::Commit(change, answer) => (change, answer),
            };
            let operation = self.make_room(&mut change);
            let committed = self.0.backend.commit(change).await;
            if committed.is_err() {
                // What was to make room is still there.
                *self.0.pruned.lock() = None;
            }
            match committed {
                Ok(revision) => {
                    self.settle(revision, operation).await;
                    return Ok(answer);
                }
                Err(CommitError::Conflict { current }) => self.settle(current, None).await,
                Err(CommitError::ReadOnly) => return Err(WriteError::ReadOnly.into()),
                Err(CommitError::Unavailable(source)) => return Err(WriteError::Unavailable(source).into()),
            }
        }
        Err(WriteError::Contended.into())
    }

    /// Makes a change of what is put, if anything is; how many records that is.
    pub(crate) async fn put<E: From<WriteError>>(
        &self,
        plan: impl Fn(&Model) -> Result<Change, E>,
    ) -> Result<usize, E> {
        self.change(|model| {
            let change = plan(model)?;
            let puts = change.edits.len();
            Ok(if puts == 0 { Plan::Done(0) } else { Plan::Commit(change, puts) })
        })
        .await
    }

    /// Whether nothing is to be written: the store was found empty, or may be when it is back.
    fn is_guarded(&self) -> bool {
        let guarded = self.0.options.last_seen.as_ref().is_some_and(|last_seen| !last_seen.allow_empty);
        self.0.published.refused.load(Ordering::Relaxed) || guarded && self.0.published.is_away()
    }

    /// Waits until `revision` is published, or long enough; then a reader of `operation` learns that it is submitted.
    async fn settle(&self, revision: Revision, operation: Option<Operation>) {
        let wait = tokio::time::timeout(self.0.options.publish_wait, self.wait_published(revision));
        let late = wait.await.is_err();
        let mut submitted = self.0.submitted.lock();
        if !submitted.is_empty() {
            let model = self.model();
            submitted.retain(|id, _| model.operation(*id).is_none());
        }
        if let Some(operation) = operation.filter(|_| late) {
            tracing::warn!(%revision, "a change is committed and not yet published");
            submitted.insert(operation.id, operation);
        }
    }

    /// Lets a change that adds an operation remove the oldest, when there are more than are kept.
    fn make_room(&self, change: &mut Change) -> Option<Operation> {
        let added = change.edits.iter().find_map(|edit| match edit {
            Edit::Put(Record::Operation(operation)) => Some(operation.clone()),
            _ => None,
        })?;
        let model = self.model();
        let surplus = model.operations().len().saturating_sub(self.0.options.operations_kept);
        // Two for each that is added, so that a store with too many comes down to the number.
        if surplus > 0 {
            let mut pruned = self.0.pruned.lock();
            let oldest: Vec<_> = match *pruned {
                Some(last) => model.operations_after(last).take(2).map(|entry| entry.operation.id).collect(),
                None => model.operations().take(2).map(|entry| entry.operation.id).collect(),
            };
            *pruned = oldest.last().copied().or(*pruned);
            change.edits.extend(oldest.into_iter().map(|id| Edit::Delete(Key::Operation(id))));
        }
        Some(added)
    }

    fn now(&self) -> Timestamp {
        (self.0.options.clock)()
    }

    fn new_operation(&self, kind: OperationKind, targets: Targets, request: Option<Request>) -> Operation {
        let now = self.now();
        let id = OperationId::new(now, self.0.options.random);
        Operation { id, kind, created: now, updated: now, targets, outcome: Outcome::Committed, request }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("published", &self.published()).finish_non_exhaustive()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Timestamp::now,
            random: chance,
            operations_kept: 100_000,
            publish_wait: Duration::from_secs(5),
            custom_health_delay: Duration::ZERO,
            private_checks: false,
            unhealthy_until_checked: false,
            dns: DnsOptions::default(),
            last_seen: None,
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.publisher.abort();
        self.drainer.get().inspect(|drainer| drainer.abort());
    }
}

/// What a request comes to: nothing to do, or a change and what is answered when it is made.
enum Plan<T> {
    Done(T),
    Commit(Change, T),
}

impl Request {
    /// How a request that calls itself `id` and says `content` is known again.
    fn new(id: Option<&str>, content: &impl Serialize) -> Option<Self> {
        let json = serde_json::to_vec(content).expect("text keys and values always are JSON");
        let digest = Sha256::digest(json);
        let digest = u64::from_be_bytes(digest[..8].try_into().expect("SHA-256 has 32 octets"));
        id.map(|id| Self { id: id.into(), digest })
    }
}

/// Sixty-four bits that the standard library's hasher was seeded with; no secret depends on them.
fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn chars(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, |text| text.chars().count())
}
