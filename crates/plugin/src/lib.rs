#![doc = include_str!("../README.md")]

mod aside;
mod configure;
mod exchange;
mod fallthrough;
mod follow;
mod journal;
mod metadata;
pub mod metrics;
mod network;
mod note;
mod query;
mod resolver;
mod response;
mod step;
mod view;

pub use aside::aside;
pub use cartonym_corefile as corefile;
pub use cartonym_wire as wire;
pub use configure::{ANY, Configure, Content, Page, Place, Settings, Setup, Shared, names};
pub use exchange::{Exchange, Listener, Listeners};
pub use fallthrough::Fallthrough;
pub use follow::follow;
pub use journal::{Journal, Level, Written};
pub use metadata::{Label, Metadata, Told};
pub use metrics::Metrics;
pub use network::{Network, NotANetwork};
pub use note::Note;
pub use query::{Client, Context, OwnedQuery, Query, Transport};
pub use resolver::{Behalf, Resolve, Resolver, Takes};
pub use response::Response;
pub use step::{BoxFuture, Deferred, Messages, Resumed, Step};
pub use view::View;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use cartonym_wire::Opcode;

/// One member of a chain: it answers queries, or passes them on and looks at what comes back.
///
/// As `Any`, a plugin can be found again by its type: who shows what it has counted looks for it so.
pub trait Plugin: Any + Send + Sync {
    /// The word of its directive, and its label in metrics.
    fn name(&self) -> &'static str;

    /// Answers `query` now, passes it on, drops it, or promises a response.
    ///
    /// Runs on a socket worker: must not block, and need not allocate. `Next` leaves the response untouched.
    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step;

    /// Sees the response to a query this plugin passed on; the innermost plugin sees it first.
    fn on_response(&self, _query: &Query<'_>, _response: &mut Response<'_>) {}

    /// Whether queries of this opcode are its business; the others pass it by. Asked when a chain is made, and not by queries.
    fn handles(&self, opcode: Opcode) -> bool {
        opcode == Opcode::QUERY
    }

    /// Whether this plugin has what it needs to answer.
    fn ready(&self) -> bool {
        true
    }

    /// Who is to be told how long queries took that this plugin has seen; asked for once.
    fn stopwatch(&self) -> Option<Arc<dyn Stopwatch>> {
        None
    }

    /// Who decides which queries the chain is for that this plugin is in, where there are several for one zone; asked for
    /// once.
    fn view(&self) -> Option<Arc<dyn View>> {
        None
    }

    /// Work of its own, run beside the queries until shutdown, or until no chain has this plugin any more.
    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        None
    }

    /// Hears, once, that its work of its own is to end; true if that ends by itself when it has done what is left, for which
    /// it has a second. It is cut off then, or at once.
    fn end(&self) -> bool {
        false
    }
}

/// Is told how long queries took: a query itself looks at no clock.
pub trait Stopwatch: Send + Sync {
    /// `queries` queries of this route took so long, from the moment when their batch was received to the moment when
    /// the responses to all of it were sent.
    fn took(&self, route: usize, queries: u32, time: Duration);

    /// The response to one of them had been promised by the plugin of this name, and so it waited. `took` is told as well.
    fn waited(&self, _plugin: &'static str, _time: Duration) {}
}
