//! Reading the file again when it has changed.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::Hosts;

/// What is different when a file has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Stamp {
    /// Time since the Unix epoch; zero without a file.
    pub(crate) modified: Duration,
    len: u64,
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> Stamp {
        let Ok(metadata) = std::fs::metadata(path) else { return Stamp::default() };
        let modified =
            metadata.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        Stamp { modified: modified.unwrap_or_default(), len: metadata.len() }
    }
}

/// Looks at the file again and again.
pub(crate) async fn follow(hosts: Arc<Hosts>) {
    // Read once more than need be, for what has changed since the configuration was read.
    let mut known = None;
    loop {
        tokio::time::sleep(hosts.options.reload).await;
        let looking = hosts.clone();
        let looked = tokio::task::spawn_blocking(move || looking.look(known)).await;
        known = looked.unwrap_or(known);
    }
}

impl Hosts {
    /// Reads the file if it is not as `known`, and says how it is.
    fn look(&self, known: Option<Stamp>) -> Option<Stamp> {
        if known == Some(Stamp::of(&self.options.path)) {
            return known;
        }
        let (table, stamp) = self.options.read();
        self.table.store(Arc::new(table));
        Some(stamp)
    }
}
