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
