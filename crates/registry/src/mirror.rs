//! What a backend needs that reads a registry which is kept elsewhere.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use tokio::sync::watch;

use crate::{
    Backend, BackendError, Change, CommitError, Edit, Event, Key, MemoryBackend, Record, Revision, Stored,
};

/// What is kept elsewhere, as it was last read: the registry cannot change it, but for the health of instances.
///
/// Health is found here and nowhere written: it lasts as long as the process, and as the instance stays what it is. Or else it
/// is read with the rest: see [`Mirror::with_health`].
///
/// Until it was read for the first time, watchers are told nothing, or what is wrong.
#[derive(Debug)]
pub struct Mirror {
    memory: MemoryBackend,
    state: watch::Sender<State>,
    health: Found,
}

/// Where the health of instances is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Here,
    Elsewhere,
}

#[derive(Debug, Clone, Default)]
struct State {
    was_read: bool,
    problem: Option<Problem>,
}

#[derive(Debug, Clone)]
enum Problem {
    Unavailable(Arc<dyn Error + Send + Sync>),
    Damaged(Arc<dyn Error + Send + Sync>),
}

impl Mirror {
    /// One that has read nothing. Its revisions begin after `revision`, which is later than any that an earlier process
    /// had: the time in tenths of a second will do.
    pub fn new(revision: Revision) -> Self {
        Self { memory: MemoryBackend::at(revision), state: watch::Sender::default(), health: Found::Here }
    }

    /// As [`Mirror::new`], of what says itself how fit its instances are: nothing can be changed here.
    pub fn with_health(revision: Revision) -> Self {
        Self { health: Found::Elsewhere, ..Self::new(revision) }
    }

    /// The revision of the last change.
    pub fn revision(&self) -> Revision {
        self.memory.revision()
    }

    /// Whether nothing was there when it was last read.
    pub fn is_empty(&self) -> bool {
        self.memory.is_empty()
    }

    /// Takes in what was read: watchers are told what is different, and that nothing is wrong any more.
    ///
    /// What is there already keeps its age, and an instance whose attributes are the same its health, too, if that is found
    /// here.
    pub fn replace(&self, wanted: BTreeMap<Key, Record>) -> Revision {
        let mut revision = Revision::ZERO;
        self.state.send_if_modified(|state| {
            // While watchers wait for the state: none is told of the change and then of a problem that is over.
            revision = match self.health {
                Found::Here => self.memory.replace(wanted, Record::keep),
                Found::Elsewhere => self.memory.replace(wanted, Record::keep_age),
            };
            let is_news = !state.was_read || state.problem.is_some();
            *state = State { was_read: true, problem: None };
            is_news
        });
        revision
    }

    /// Tells watchers that it could not be read, and why; what was read before stays.
    pub fn fail(&self, error: BackendError) {
        let problem = match error {
            BackendError::Unavailable(error) => Problem::Unavailable(error.into()),
            BackendError::Damaged(error) => Problem::Damaged(error.into()),
        };
        self.state.send_modify(|state| state.problem = Some(problem));
    }

    /// Whether `edit` is of nothing but an instance's health, and that is found here.
    fn is_health(&self, edit: &Edit) -> bool {
        if self.health == Found::Elsewhere {
            return false;
        }
        let Edit::Put(record @ Record::Instance { instance, .. }) = edit else { return false };
        let Some(Stored { record: Record::Instance { instance: before, .. }, .. }) =
            self.memory.get(&record.key())
        else {
            return false;
        };
        let health = instance.health();
        before.with_health(health.verdict, health.since, instance.reason()) == *instance
    }
}

impl Backend for Mirror {
    fn commit(&self, change: Change) -> BoxFuture<'_, Result<Revision, CommitError>> {
        if !change.edits.is_empty() && change.edits.iter().all(|edit| self.is_health(edit)) {
            return self.memory.commit(change);
        }
        Box::pin(async { Err(CommitError::ReadOnly) })
    }

    fn watch(&self, from: Revision) -> BoxStream<'static, Result<Event, BackendError>> {
        let watcher = Watcher {
            events: self.memory.watch(from),
            state: self.state.subscribe(),
            told: from,
            is_caught_up: from > Revision::ZERO,
            is_away: false,
        };
        stream::unfold(watcher, |mut watcher| async { Some((watcher.next().await?, watcher)) }).boxed()
    }
}

impl From<Problem> for BackendError {
    fn from(problem: Problem) -> BackendError {
        match problem {
            Problem::Unavailable(error) => BackendError::Unavailable(error.into()),
            Problem::Damaged(error) => BackendError::Damaged(error.into()),
        }
    }
}

struct Watcher {
    events: BoxStream<'static, Result<Event, BackendError>>,
    state: watch::Receiver<State>,
    told: Revision,
    is_caught_up: bool,
    /// Whether the last that was told is a problem.
    is_away: bool,
}

impl Watcher {
    async fn next(&mut self) -> Option<Result<Event, BackendError>> {
        loop {
            let state = self.state.borrow_and_update().clone();
            match state.problem {
                Some(problem) if !self.is_away => {
                    self.is_away = true;
                    return Some(Err(problem.into()));
                }
                None if self.is_away => {
                    self.is_away = false;
                    if self.is_caught_up {
                        return Some(Ok(Event::CaughtUp(self.told)));
                    }
                }
                _ => {}
            }
            tokio::select! {
                biased;
                event = self.events.next(), if state.was_read => return Some(event?.inspect(|event| self.note(event))),
                changed = self.state.changed() => changed.ok()?,
            }
        }
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::Reset => self.is_caught_up = false,
            Event::Records(_) => {}
            Event::CaughtUp(revision) => (self.told, self.is_caught_up) = (*revision, true),
            Event::Changed { revision, .. } => self.told = *revision,
        }
        // A watcher takes what comes after a problem for its end: while it lasts, it is told again.
        self.is_away = false;
    }
}
