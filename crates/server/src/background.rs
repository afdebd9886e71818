//! The work of plugins beside the queries: each plugin's future runs once, however many chains hold it.

use std::collections::HashMap;
use std::sync::Arc;

use cartonym_plugin::Plugin;
use cartonym_responder::Responder;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::running::Current;

/// The futures that run, by the plugin they belong to.
pub(crate) struct Background {
    runtime: Handle,
    /// Held to start and stop, never by a query.
    tasks: Mutex<HashMap<Identity, Task>>,
}

/// A plugin's address, which stays its own while its [`Task`] holds it.
type Identity = usize;

struct Task {
    _plugin: Arc<dyn Plugin>,
    future: AbortHandle,
}

impl Background {
    pub(crate) fn new(runtime: Handle) -> Background {
        Background { runtime, tasks: Mutex::default() }
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
                let future = self.runtime.spawn(future).abort_handle();
                tasks.insert(identity, Task { _plugin: Arc::clone(plugin), future });
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
        tasks.retain(|identity, task| {
            let keeps = kept.contains(identity);
            if !keeps {
                task.future.abort();
            }
            keeps
        });
    }
}

fn identity(plugin: &Arc<dyn Plugin>) -> Identity {
    Arc::as_ptr(plugin).cast::<()>() as Identity
}
