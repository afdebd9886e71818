//! A flat list of plugins, and the loop that takes a query through it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cartonym_plugin::{Deferred, Plugin, Query, Response, Step};
use cartonym_wire::{Ede, Opcode, Rcode};

use crate::reply::fail;

/// The plugins of a route, in order of execution.
#[derive(Clone, Default)]
pub struct Chain {
    plugins: Arc<[Arc<dyn Plugin>]>,
}

/// Where a query's way through a chain ended for now.
pub(crate) enum Progress {
    /// The response is written, if only that nobody has one, and every plugin before has seen it.
    Answered,
    /// Say nothing.
    Dropped,
    /// The plugin at this place has promised a response.
    Deferred(usize, Deferred),
}

impl Chain {
    /// A chain of no plugins, which answers nothing.
    pub fn new() -> Chain {
        Chain::default()
    }

    /// The chain with one more plugin at its end.
    pub fn then(self, plugin: impl Plugin) -> Chain {
        self.then_shared(Arc::new(plugin))
    }

    /// The chain with one more plugin at its end, which others hold as well.
    pub fn then_shared(self, plugin: Arc<dyn Plugin>) -> Chain {
        Chain { plugins: self.plugins.iter().cloned().chain([plugin]).collect() }
    }

    /// The plugins in order.
    pub fn plugins(&self) -> &[Arc<dyn Plugin>] {
        &self.plugins
    }

    /// Takes a query on from the plugin at `at`.
    pub(crate) fn run(&self, from: usize, query: &mut Query<'_>, response: &mut Response<'_>) -> Progress {
        let opcode = query.opcode();
        for (at, plugin) in self.plugins.iter().enumerate().skip(from) {
            if !plugin.handles(opcode) {
                continue;
            }
            match plugin.answer(query, response) {
                Step::Next => {}
                Step::Answered => {
                    self.finish(at, query, response);
                    return Progress::Answered;
                }
                Step::Drop => return Progress::Dropped,
                Step::Defer(deferred) => return Progress::Deferred(at, deferred),
            }
        }
        // This server is not the one to ask; to be told something of a zone is another matter (RFC 2136 §3.1.1).
        let rcode = if opcode == Opcode::QUERY { Rcode::REFUSED } else { Rcode::NOTAUTH };
        fail(response, rcode, Some(Ede::NOT_AUTHORITATIVE));
        self.finish(self.plugins.len(), query, response);
        Progress::Answered
    }

    /// As [`Chain::run`], but a plugin that panics costs this query, not the worker.
    pub(crate) fn guarded(
        &self,
        from: usize,
        query: &mut Query<'_>,
        response: &mut Response<'_>,
    ) -> Progress {
        let mark = response.builder().mark();
        catch_unwind(AssertUnwindSafe(|| self.run(from, query, response))).unwrap_or_else(|_| {
            response.builder().rewind(mark);
            fail(response, Rcode::SERVFAIL, Some(Ede::OTHER));
            Progress::Answered
        })
    }

    /// As [`Chain::finish`], for a response that no plugin made; a plugin that panics costs this query.
    pub(crate) fn finish_guarded(&self, at: usize, query: &Query<'_>, response: &mut Response<'_>) {
        if catch_unwind(AssertUnwindSafe(|| self.finish(at, query, response))).is_err() {
            fail(response, Rcode::SERVFAIL, Some(Ede::OTHER));
        }
    }

    /// Shows the response to the plugins before the one at `at`, the innermost first.
    pub(crate) fn finish(&self, at: usize, query: &Query<'_>, response: &mut Response<'_>) {
        response.set_answered_at(at);
        let opcode = query.opcode();
        for plugin in self.plugins.iter().take(at).rev() {
            if plugin.handles(opcode) {
                plugin.on_response(query, response);
            }
        }
    }

    /// Whether any plugin takes queries of another opcode than QUERY.
    pub(crate) fn handles(&self, opcode: Opcode) -> bool {
        self.plugins.iter().any(|plugin| plugin.handles(opcode))
    }
}

impl FromIterator<Arc<dyn Plugin>> for Chain {
    fn from_iter<I: IntoIterator<Item = Arc<dyn Plugin>>>(plugins: I) -> Chain {
        Chain { plugins: plugins.into_iter().collect() }
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.plugins.iter().map(|plugin| plugin.name())).finish()
    }
}
