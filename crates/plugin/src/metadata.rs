//! What the plugins of a block say of a query, each under labels of its own, to others that know nothing of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cartonym_wire::NameBuf;

use crate::Query;

/// The labels of a server block, such as `view/name`; in common to its plugins ([`Setup::in_block`](crate::Setup::in_block)).
/// They mean something where the block has `metadata`.
#[derive(Default)]
pub struct Metadata {
    /// The zones in which there is metadata; none before it is turned on.
    zones: OnceLock<Vec<NameBuf>>,
    // Taken while configuring, and once by each who reads a label.
    labels: Mutex<HashMap<String, Arc<dyn Label>>>,
}

/// Says what a label means for a query.
pub trait Label: Send + Sync {
    /// The value; none where there is none for this query.
    fn text<'a>(&'a self, query: &'a Query<'_>) -> Option<&'a str>;
}

/// A label that is read. A clone is the same.
#[derive(Clone)]
pub struct Told(Arc<Reading>);

struct Reading {
    metadata: Arc<Metadata>,
    label: String,
    /// Found when first asked for: whoever tells it may be configured later than who reads it.
    found: OnceLock<Option<Arc<dyn Label>>>,
}

impl Metadata {
    /// Turns it on for names in these zones; the first word counts.
    pub fn turn_on(&self, zones: Vec<NameBuf>) {
        let _ = self.zones.set(zones);
    }

    /// Says who tells a label.
    pub fn tell(&self, label: impl Into<String>, by: Arc<dyn Label>) {
        self.labels.lock().unwrap_or_else(PoisonError::into_inner).insert(label.into(), by);
    }

    /// A label to read, whether or not anybody tells it.
    pub fn read(self: Arc<Self>, label: impl Into<String>) -> Told {
        Told(Arc::new(Reading { metadata: self, label: label.into(), found: OnceLock::new() }))
    }

    /// Whether there is metadata for this query's name.
    pub fn is_on_for(&self, query: &Query<'_>) -> bool {
        self.zones.get().is_some_and(|zones| zones.iter().any(|zone| query.name().is_within(zone)))
    }

    fn find(&self, label: &str) -> Option<Arc<dyn Label>> {
        self.labels.lock().unwrap_or_else(PoisonError::into_inner).get(label).cloned()
    }
}

impl Told {
    /// The value for a query; none where nobody tells it, or there is no metadata for the name.
    pub fn text<'a>(&'a self, query: &'a Query<'_>) -> Option<&'a str> {
        let Reading { metadata, label, found } = &*self.0;
        if !metadata.is_on_for(query) {
            return None;
        }
        found.get_or_init(|| metadata.find(label)).as_ref()?.text(query)
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata").field("zones", &self.zones.get()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Told({})", self.0.label)
    }
}
