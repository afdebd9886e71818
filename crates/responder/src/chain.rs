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
    links: Arc<[Link]>,
}

#[derive(Clone)]
struct Link {
    plugin: Arc<dyn Plugin>,
    /// What it handles: it was asked once, and is not by every query.
    handled: Opcodes,
}

/// A set of opcodes, which are four bits (RFC 1035 §4.1.1).
#[derive(Clone, Copy)]
struct Opcodes(u16);

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
        Chain { links: self.links.iter().cloned().chain([Link::of(plugin)]).collect() }
    }

    /// The plugins in order.
    pub fn plugins(&self) -> impl ExactSizeIterator<Item = &Arc<dyn Plugin>> {
        self.links.iter().map(|link| &link.plugin)
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
        while let Some(Link { plugin, handled }) = self.links.get(place.get()) {
            if handled.has(opcode) {
                match care.time(&**plugin, || plugin.answer(query, response)) {
                    Step::Next => {}
                    Step::Answered => {
                        self.show(place.get(), query, response, care, place);
                        return Progress::Answered;
                    }
                    Step::Drop => return Progress::Dropped,
                    Step::Defer(deferred) => return Progress::Deferred(place.get(), deferred),
                }
            }
            place.set(place.get() + 1);
        }
        // This server is not the one to ask; to be told something of a zone is another matter (RFC 2136 §3.1.1).
        let rcode = if opcode == Opcode::QUERY { Rcode::REFUSED } else { Rcode::NOTAUTH };
        fail(response, rcode, Some(Ede::NOT_AUTHORITATIVE));
        self.show(place.get(), query, response, care, place);
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
        let before = self.links.get(..at).unwrap_or(&self.links);
        for (at, Link { plugin, handled }) in before.iter().enumerate().rev() {
            if handled.has(opcode) {
                place.set(at);
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
        self.links.get(at).map_or("", |link| link.plugin.name())
    }

    /// Whether any plugin takes queries of this opcode.
    pub(crate) fn handles(&self, opcode: Opcode) -> bool {
        self.links.iter().any(|link| link.handled.has(opcode))
    }
}

impl Link {
    fn of(plugin: Arc<dyn Plugin>) -> Link {
        let handled = (0..16).filter(|code| plugin.handles(Opcode(*code)));
        let handled = Opcodes(handled.fold(0, |set, code| set | 1 << code));
        Link { plugin, handled }
    }
}

impl Opcodes {
    fn has(self, opcode: Opcode) -> bool {
        self.0 >> (opcode.0 & 15) & 1 == 1
    }
}

impl FromIterator<Arc<dyn Plugin>> for Chain {
    fn from_iter<I: IntoIterator<Item = Arc<dyn Plugin>>>(plugins: I) -> Chain {
        Chain { links: plugins.into_iter().map(Link::of).collect() }
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.plugins().map(|plugin| plugin.name())).finish()
    }
}
