//! What a plugin has to say of a query once its promise is kept.

use std::sync::{Arc, OnceLock};

/// A place for a word about a query that waits, which the query has as well: [`Query::note`](crate::Query::note). A clone is
/// the same.
#[derive(Clone, Debug, Default)]
pub struct Note(Arc<OnceLock<Box<str>>>);

impl Note {
    /// Says it; the first word counts.
    pub fn write(&self, text: impl Into<Box<str>>) {
        let _ = self.0.set(text.into());
    }

    /// What was said; none so far.
    pub fn text(&self) -> Option<&str> {
        self.0.get().map(|text| &**text)
    }
}
