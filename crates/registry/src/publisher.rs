//! The one writer of the model and of DNS's table.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::changes::Followers;
use crate::dns::Dns;
use crate::last_seen::{self, LastSeen};
use crate::model::{Model, Touched};
use crate::{Backend, BackendError, Event, Options, RecordTable, Revision, Timestamp};

/// What the publisher writes, and everybody else reads.
#[derive(Debug)]
pub(crate) struct Published {
    /// Guards the model for the length of a batch of changes; readers hold it for the length of a read.
    pub(crate) model: RwLock<Model>,
    pub(crate) table: Arc<RecordTable>,
    pub(crate) revision: watch::Sender<Revision>,
    pub(crate) followers: Followers,
    /// Guards a word that is written when the backend goes or comes back.
    pub(crate) away: Mutex<Option<Timestamp>>,
    /// Whether what the backend holds was refused: then nothing is to be written to it.
    pub(crate) refused: AtomicBool,
    /// Whether the publisher has panicked, and has not read everything since.
    pub(crate) panicked: AtomicBool,
}

impl Published {
    pub(crate) fn is_away(&self) -> bool {
        self.away.lock().is_some()
    }
}

/// Takes in what a backend tells of, and publishes it.
pub(crate) struct Publisher {
    /// Weak, so that a backend goes with the last handle and not with this task.
    backend: Weak<dyn Backend>,
    events: BoxStream<'static, Result<Event, BackendError>>,
    published: Arc<Published>,
    dns: Dns,
    clock: fn() -> Timestamp,
    /// The model that is being told anew, until it is complete.
    loading: Option<Model>,
    touched: Touched,
    last_seen: Option<LastSeen>,
}

/// Which registry that was last seen is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The one whose backend is away.
    Ours,
    /// Any: the backend is empty, and where it is read from may be what is wrong.
    Anybodys,
}

/// The most events that are taken in before they are published: what bounds the wait of a change among many.
const BATCH: usize = 1024;

/// The wait before a backend that is away, or whose watch has ended, is asked again.
const RETRY: Duration = Duration::from_millis(200);

/// How long a start waits for the backend before what was last seen is served.
const PATIENCE: Duration = Duration::from_millis(500);

/// The wait before all is read anew after a panic, which may come again.
const PANICKED: Duration = Duration::from_secs(2);

/// The wait before a backend whose records were refused is asked again.
const REFUSED: Duration = Duration::from_secs(2);

impl Publisher {
    pub(crate) fn new(backend: &Arc<dyn Backend>, options: &Options) -> Self {
        // The table's order must not be the stranger's to guess.
        let dns = Dns::new(options.dns.clone(), (options.random)());
        let published = Published {
            model: RwLock::default(),
            table: Arc::clone(dns.table()),
            revision: watch::Sender::new(Revision::ZERO),
            followers: Followers::default(),
            away: Mutex::new(None),
            refused: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
        };
        let events = backend.watch(Revision::ZERO);
        let published = Arc::new(published);
        let (clock, touched) = (options.clock, Touched::default());
        let backend = Arc::downgrade(backend);
        let last_seen = options.last_seen.clone();
        Self { backend, events, published, dns, clock, loading: None, touched, last_seen }
    }

    pub(crate) fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published)
    }

    /// Publishes what there is when it is called first, or what there was when it was last seen.
    ///
    /// # Errors
    ///
    /// What the backend said, if it did not come so far.
    pub(crate) async fn load(&mut self) -> Result<(), Option<BackendError>> {
        if self.last_seen.is_none() {
            return self.load_all().await;
        }
        match tokio::time::timeout(PATIENCE, self.load_all()).await {
            Ok(Ok(())) => {
                let is_empty = self.published.model.read().namespaces().len() == 0;
                if is_empty && self.is_guarded() && self.load_last_seen(Whose::Anybodys).await {
                    self.refuse();
                    self.watch_anew();
                }
                Ok(())
            }
            Ok(Err(error)) => match self.load_last_seen(Whose::Ours).await {
                true => Ok(()),
                false => Err(error),
            },
            Err(_) => match self.load_last_seen(Whose::Ours).await {
                true => Ok(()),
                false => self.load_all().await,
            },
        }
    }

    async fn load_all(&mut self) -> Result<(), Option<BackendError>> {
        loop {
            let event = self.events.next().await.ok_or(None)?.map_err(Some)?;
            let caught_up = matches!(event, Event::CaughtUp(_));
            self.take(event);
            if caught_up {
                self.publish();
                return Ok(());
            }
        }
    }

    /// Publishes the registry as it was last seen, if it was.
    async fn load_last_seen(&mut self, whose: Whose) -> bool {
        let Some(LastSeen { path, source, .. }) = self.last_seen.clone() else { return false };
        let shown = path.display().to_string();
        let source = Some(source).filter(|_| whose == Whose::Ours);
        match tokio::task::spawn_blocking(move || last_seen::read(&path, source.as_deref())).await {
            Ok(Ok(Some(model))) if model.namespaces().len() > 0 => {
                let revision = model.revision();
                tracing::warn!(path = shown, %revision, "serving what was last seen, not what the store says");
                *self.published.model.write() = model;
                self.touched.all = true;
                self.publish();
                *self.published.away.lock() = Some((self.clock)());
                true
            }
            Ok(Ok(_)) | Err(_) => false,
            Ok(Err(error)) => {
                tracing::error!(path = shown, %error, "the registry as it was last seen cannot be read");
                false
            }
        }
    }

    /// Publishes each change, until it is dropped. After a panic, whosever defect that is, everything is read anew.
    pub(crate) async fn run(mut self) {
        loop {
            let Err(panic) = AssertUnwindSafe(self.follow()).catch_unwind().await;
            self.has_panicked(&*panic);
        }
    }

    async fn follow(&mut self) -> Infallible {
        if self.published.panicked.load(Ordering::Relaxed) {
            tokio::time::sleep(PANICKED).await;
            self.watch_anew();
        }
        loop {
            let first = self.events.next().await;
            let taken = self.take_ready(first);
            self.publish();
            match taken {
                // In the middle of being told anew, what is published is still what was known before.
                Ok(()) if self.loading.is_some() => {}
                Ok(()) if self.published.refused.load(Ordering::Relaxed) => self.ask_again().await,
                Ok(()) => self.is_back(),
                Err(Some(error)) => {
                    self.is_away(&error);
                    tokio::time::sleep(RETRY).await;
                }
                Err(None) => self.watch_again().await,
            }
        }
    }

    /// Takes in the events that are ready, up to an error or to the end of the watch.
    fn take_ready(&mut self, first: Option<Result<Event, BackendError>>) -> Result<(), Option<BackendError>> {
        self.take(first.ok_or(None)?.map_err(Some)?);
        for _ in 1..BATCH {
            let Some(next) = self.events.next().now_or_never() else { break };
            self.take(next.ok_or(None)?.map_err(Some)?);
        }
        Ok(())
    }

    /// What is published stays, and may be half of a change in the model: nothing is decided by it.
    fn has_panicked(&mut self, panic: &(dyn Any + Send)) {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let reason = text.or_else(|| panic.downcast_ref().copied()).unwrap_or("it did not say why");
        tracing::error!(
            reason,
            "the publisher of a registry panicked: what DNS answers grows old, and changes are refused, until all is read anew"
        );
        self.published.panicked.store(true, Ordering::Relaxed);
        self.published.away.lock().get_or_insert_with(self.clock);
        (self.loading, self.touched) = (None, Touched::default());
        // What has panicked is not asked again.
        self.events = stream::pending().boxed();
    }

    fn is_back(&self) {
        let since = self.published.away.lock().take();
        if self.published.panicked.swap(false, Ordering::Relaxed) {
            tracing::info!("the publisher of a registry has read all anew, and goes on");
        } else if let Some(since) = since {
            tracing::info!(since = since.as_millis(), "the registry's store is back");
        }
    }

    fn is_away(&self, error: &BackendError) {
        let mut away = self.published.away.lock();
        if away.is_none() {
            let error = error as &dyn std::error::Error;
            tracing::warn!(error, "the registry's store is away; what is published stays");
            *away = Some((self.clock)());
        }
    }

    async fn watch_again(&mut self) {
        tokio::time::sleep(RETRY).await;
        self.loading = None;
        if self.published.panicked.load(Ordering::Relaxed) {
            return self.watch_anew();
        }
        let from = self.published.model.read().revision();
        if let Some(backend) = self.backend.upgrade() {
            self.events = backend.watch(from);
        }
    }

    /// Asks a backend whose records were refused whether it has others.
    async fn ask_again(&mut self) {
        tokio::time::sleep(REFUSED).await;
        self.watch_anew();
    }

    fn watch_anew(&mut self) {
        if let Some(backend) = self.backend.upgrade() {
            self.events = backend.watch(Revision::ZERO);
        }
    }

    /// Whether a model is not to take the place of the one that is published: it is empty, and the other is not.
    fn refuses(&self, model: &Model) -> bool {
        let is_empty = |model: &Model| model.namespaces().len() == 0;
        self.is_guarded() && is_empty(model) && !is_empty(&self.published.model.read())
    }

    fn is_guarded(&self) -> bool {
        self.last_seen.as_ref().is_some_and(|last_seen| !last_seen.allow_empty)
    }

    fn refuse(&mut self) {
        if !self.published.refused.swap(true, Ordering::Relaxed) {
            tracing::error!("the store is empty, and what was known is not: it stays; see `allow_empty`");
        }
        let mut away = self.published.away.lock();
        away.get_or_insert_with(self.clock);
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Reset => self.loading = Some(Model::default()),
            Event::Records(records) => {
                let Some(model) = &mut self.loading else { return };
                model.load(records);
            }
            Event::CaughtUp(revision) => {
                let Some(mut model) = self.loading.take() else { return };
                model.loaded(revision);
                if self.refuses(&model) {
                    return self.refuse();
                }
                self.published.refused.store(false, Ordering::Relaxed);
                *self.published.model.write() = model;
                self.touched.all = true;
            }
            Event::Changed { .. } if self.published.refused.load(Ordering::Relaxed) => {}
            Event::Changed { revision, edits } => {
                self.published.model.write().apply(revision, edits, &mut self.touched);
            }
        }
    }

    /// Makes DNS answer what the model holds, and only then says so.
    fn publish(&mut self) {
        let touched = std::mem::take(&mut self.touched);
        if self.published.panicked.load(Ordering::Relaxed) && !touched.all {
            // The model's revision may be that of a change of which DNS has nothing.
            return;
        }
        let model = self.published.model.read();
        self.dns.publish(&model, &touched);
        let revision = model.revision();
        drop(model);
        self.published
            .revision
            .send_if_modified(|published| std::mem::replace(published, revision) != revision);
        self.published.followers.tell(&touched);
    }
}
