#![doc = include_str!("../README.md")]

mod configure;
mod fallthrough;
mod follow;
mod journal;
pub mod metrics;
mod query;
mod resolver;
mod response;
mod step;

pub use cartonym_corefile as corefile;
pub use cartonym_wire as wire;
pub use configure::{ANY, Configure, Content, Page, Place, Settings, Setup, Shared, names};
pub use fallthrough::Fallthrough;
pub use follow::follow;
pub use journal::{Journal, Level, Written};
pub use metrics::Metrics;
pub use query::{Client, Context, OwnedQuery, Query, Transport};
pub use resolver::{Behalf, Resolve, Resolver};
pub use response::Response;
pub use step::{BoxFuture, Deferred, Messages, Resumed, Step};

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

    /// Whether queries of this opcode are its business; the others pass it by.
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

    /// Work of its own, run beside the queries until shutdown.
    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        None
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
