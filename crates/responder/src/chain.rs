//! A flat list of plugins, and the loop that takes a query through it.

use std::cell::Cell;
use std::sync::Arc;

use cartonym_plugin::{Deferred, Plugin, Query, Response, Step};
use cartonym_wire::{Ede, Opcode, Rcode};

use crate::faults::{Care, guard};
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

    /// Takes a query on from the plugin at `from`; one that panics costs this query, not the worker.
    pub(crate) fn run(
        &self,
        from: usize,
        query: &mut Query<'_>,
        response: &mut Response<'_>,
        care: Care<'_>,
    ) -> Progress {
        let mark = response.builder().mark();
        let place = Cell::new(from);
        guard(|| self.walk(query, response, care, &place)).unwrap_or_else(|| {
            response.builder().rewind(mark);
            self.panicked(&place, query, response, care);
            Progress::Answered
        })
    }

    /// Shows the response to the plugins before the one at `at`, the innermost first; one that panics costs this query.
    pub(crate) fn finish(&self, at: usize, query: &Query<'_>, response: &mut Response<'_>, care: Care<'_>) {
        let place = Cell::new(at);
        if guard(|| self.show(at, query, response, care, &place)).is_none() {
            self.panicked(&place, query, response, care);
        }
    }

    /// Asks the plugins from `place` on, and says there which has the word.
    fn walk(
        &self,
        query: &mut Query<'_>,
        response: &mut Response<'_>,
        care: Care<'_>,
        place: &Cell<usize>,
    ) -> Progress {
        let opcode = query.opcode();
        for (at, plugin) in self.plugins.iter().enumerate().skip(place.get()) {
            place.set(at);
            if !plugin.handles(opcode) {
                continue;
            }
            match care.time(&**plugin, || plugin.answer(query, response)) {
                Step::Next => {}
                Step::Answered => {
                    self.show(at, query, response, care, place);
                    return Progress::Answered;
                }
                Step::Drop => return Progress::Dropped,
                Step::Defer(deferred) => return Progress::Deferred(at, deferred),
            }
        }
        // This server is not the one to ask; to be told something of a zone is another matter (RFC 2136 §3.1.1).
        let rcode = if opcode == Opcode::QUERY { Rcode::REFUSED } else { Rcode::NOTAUTH };
        fail(response, rcode, Some(Ede::NOT_AUTHORITATIVE));
        self.show(self.plugins.len(), query, response, care, place);
        Progress::Answered
    }

    fn show(
        &self,
        at: usize,
        query: &Query<'_>,
        response: &mut Response<'_>,
        care: Care<'_>,
        place: &Cell<usize>,
    ) {
        response.set_answered_at(at);
        let opcode = query.opcode();
        for (at, plugin) in self.plugins.iter().enumerate().take(at).rev() {
            place.set(at);
            if plugin.handles(opcode) {
                care.time(&**plugin, || plugin.on_response(query, response));
            }
        }
    }

    /// Fails the query, and shows that to the plugins before the one that panicked.
    #[cold]
    fn panicked(&self, place: &Cell<usize>, query: &Query<'_>, response: &mut Response<'_>, care: Care<'_>) {
        care.faults.note(self.name_at(place.get()), |fault| fault.panics += 1);
        fail(response, Rcode::SERVFAIL, Some(Ede::OTHER));
        // Each that panics over this is before the one that did last, so there is an end.
        self.finish(place.get(), query, response, care);
    }

    /// The name of the plugin at a place.
    pub(crate) fn name_at(&self, at: usize) -> &'static str {
        self.plugins.get(at).map_or("", |plugin| plugin.name())
    }

    /// Whether any plugin takes queries of another opcode than QUERY; none if one panics over it.
    pub(crate) fn handles(&self, opcode: Opcode, care: Care<'_>) -> Option<bool> {
        let place = Cell::new(0);
        let handles = guard(|| {
            self.plugins.iter().enumerate().any(|(at, plugin)| {
                place.set(at);
                plugin.handles(opcode)
            })
        });
        if handles.is_none() {
            care.faults.note(self.name_at(place.get()), |fault| fault.panics += 1);
        }
        handles
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
