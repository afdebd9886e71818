//! Which queries a chain is for, where there are several for one zone.

use crate::Query;

/// Decides about the queries of a chain. Those that it does not admit go to the next chain for the zone, in the order of
/// the configuration, and then to those of the zones above.
pub trait View: Send + Sync {
    /// What metrics call it.
    fn name(&self) -> &str;

    /// Whether a query is for the chain; no plugin has seen it before.
    ///
    /// Runs on a socket worker: must not block, and need not allocate.
    fn admits(&self, query: &Query<'_>) -> bool;
}
