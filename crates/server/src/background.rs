//! The work of plugins beside the queries: each plugin's future runs once, however many chains hold it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::Plugin;
use cartonym_responder::Responder;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::running::Current;

/// The futures that run, by the plugin they belong to.
pub(crate) struct Background {
    runtime: Handle,
    /// Held to start and stop, never by a query.
    tasks: Mutex<HashMap<Identity, Task>>,
    /// Those that are doing what is left; a shutdown waits for them, too.
    ending: Mutex<JoinSet<()>>,
}

/// A plugin's address, which stays its own while its [`Task`] holds it.
type Identity = usize;

struct Task {
    plugin: Arc<dyn Plugin>,
    future: JoinHandle<()>,
}

impl Background {
    pub(crate) fn new(runtime: Handle) -> Background {
        Background { runtime, tasks: Mutex::default(), ending: Mutex::default() }
    }

    /// Starts what `responder`'s plugins do beside their queries, where it does not run yet.
    pub(crate) fn start(&self, responder: &Responder) {
        let mut tasks = self.tasks.lock();
        for plugin in responder.chains().flat_map(|chain| chain.plugins()) {
            let identity = identity(plugin);
            if tasks.contains_key(&identity) {
                continue;
            }
            if let Some(future) = Arc::clone(plugin).background() {
                let future = self.runtime.spawn(future);
                tasks.insert(identity, Task { plugin: Arc::clone(plugin), future });
            }
        }
    }

    /// Ends what belongs to none of `responders`, if these are still all; nothing is started while that is asked.
    pub(crate) fn keep(&self, responders: &[Current], are_all: impl Fn() -> bool) {
        let responders: Vec<Arc<Responder>> = responders.iter().map(|current| current.load_full()).collect();
        let chains = responders.iter().flat_map(|responder| responder.chains());
        let kept: Vec<Identity> = chains.flat_map(|chain| chain.plugins()).map(identity).collect();
        let mut tasks = self.tasks.lock();
        if !are_all() {
            return;
        }
        let mut ending = self.ending.lock();
        // Those that have ended meanwhile.
        while ending.try_join_next().is_some() {}
        for (_, task) in tasks.extract_if(|identity, _| !kept.contains(identity)) {
            ending.spawn_on(task.end(), &self.runtime);
        }
    }

    /// Ends all, and comes back when that is done.
    pub(crate) async fn end(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock());
        let mut ending = std::mem::take(&mut *self.ending.lock());
        for task in tasks.into_values() {
            // On the server's own runtime: the caller's need not have a clock.
            ending.spawn_on(task.end(), &self.runtime);
        }
        // One that has panicked has ended as well.
        while ending.join_next().await.is_some() {}
    }

    /// Ends all where they stand.
    pub(crate) fn abort(&self) {
        self.tasks.lock().clear();
        self.ending.lock().abort_all();
    }
}

impl Task {
    /// Lets it do what is left, where it wants that, for as long as [`LAST`].
    async fn end(mut self) {
        if self.plugin.end() {
            let _ = timeout(LAST, &mut self.future).await;
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.future.abort();
    }
}

fn identity(plugin: &Arc<dyn Plugin>) -> Identity {
    Arc::as_ptr(plugin).cast::<()>() as Identity
}

/// How long the end of a plugin's work may take; what waits longer holds up a shutdown.
const LAST: Duration = Duration::from_secs(1);
