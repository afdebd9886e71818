//! The etcd backend passes the suite of all backends, on a real etcd.
//!
//! Without an etcd it is passed over, unless `CARTONYM_REQUIRE_PEERS` is set, as CI does.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cartonym_backend_etcd::Etcd;
use cartonym_registry::Backend;
use cartonym_registry::conformance::Store;

use common::{Server, options};

/// A prefix of its own in the server of all tests.
struct Below(String);

impl Store for Below {
    async fn open(&self) -> Arc<dyn Backend> {
        Arc::new(Etcd::new(&options(Server::shared()), &self.0).unwrap())
    }
}

fn below() -> Below {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    Below(format!("/cartonym-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

cartonym_registry::conformance_suite!(below(), if Server::is_installed());
