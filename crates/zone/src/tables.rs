//! Where the plugins of a server block leave their tables, for those that tell others of zones.

use std::fmt;
use std::sync::Arc;

use cartonym_wire::Name;
use parking_lot::Mutex;

use crate::table::RecordTable;
use crate::zone::Zone;

/// Record tables, in the order in which they are asked.
#[derive(Default)]
pub struct Tables {
    // Taken while configuring, and for transfers; a query for records never asks.
    tables: Mutex<Vec<Arc<RecordTable>>>,
}

impl Tables {
    /// Adds a table.
    pub fn add(&self, table: Arc<RecordTable>) {
        self.tables.lock().push(table);
    }

    /// All tables so far.
    pub fn all(&self) -> Vec<Arc<RecordTable>> {
        self.tables.lock().clone()
    }

    /// The zone of exactly this origin, of the first table that has it.
    pub fn zone(&self, origin: &Name) -> Option<Arc<Zone>> {
        self.tables.lock().iter().find_map(|table| table.load().zone(origin).cloned())
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.tables.lock().iter()).finish()
    }
}
