//! Whether the plugin is ready, where somebody else knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cartonym_plugin::Plugin;
use cartonym_plugin_registry::Records;
use cartonym_zone::RecordTable;

#[test]
fn records_are_ready_while_their_table_is_written() {
    let records = Records::of(Arc::new(RecordTable::new(0)));
    assert!(records.ready());
    let is_written = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&is_written);
    let records = records.ready_while(move || asked.load(Ordering::Relaxed));
    assert!(records.ready());
    is_written.store(false, Ordering::Relaxed);
    assert!(!records.ready());
}
