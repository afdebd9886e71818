//! The backend in memory passes the suite, with a long history and with a short one.

use std::sync::Arc;

use cartonym_registry::conformance::Store;
use cartonym_registry::{Backend, MemoryBackend};

struct Memory(MemoryBackend);

impl Store for Memory {
    async fn open(&self) -> Arc<dyn Backend> {
        Arc::new(self.0.clone())
    }
}

mod long_history {
    cartonym_registry::conformance_suite!(super::Memory(cartonym_registry::MemoryBackend::new()));
}

mod short_history {
    cartonym_registry::conformance_suite!(super::Memory(cartonym_registry::MemoryBackend::with_history(
        2000
    )));
}

#[test]
fn a_registry_in_memory_does_what_a_naive_one_does() {
    let store = || Memory(MemoryBackend::new());
    cartonym_registry::conformance::a_registry_does_what_a_naive_one_does(200, store);
}
