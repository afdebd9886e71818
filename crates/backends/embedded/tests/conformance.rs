//! The embedded backend passes the suite of all backends.

use std::sync::Arc;

use cartonym_backend_embedded::Embedded;
use cartonym_registry::Backend;
use cartonym_registry::conformance::Store;
use tempfile::TempDir;

struct Folder(TempDir);

impl Store for Folder {
    async fn open(&self) -> Arc<dyn Backend> {
        Arc::new(Embedded::open(self.0.path()).unwrap())
    }
}

cartonym_registry::conformance_suite!(Folder(tempfile::tempdir().unwrap()));

#[test]
fn an_embedded_registry_does_what_a_naive_one_does() {
    let store = || Folder(tempfile::tempdir().unwrap());
    cartonym_registry::conformance::a_registry_does_what_a_naive_one_does(24, store);
}
