//! A registry's folder is free when the last handle is dropped.

use std::sync::Arc;

use cartonym_backend_embedded::Embedded;
use cartonym_registry::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_folder_is_free_as_soon_as_the_last_handle_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..40_u16 {
        let backend = Embedded::open(&folder).unwrap_or_else(|error| panic!("time {number}: {error}"));
        let registry = Registry::open(Arc::new(backend), Options::default()).await.unwrap();
        let address = std::net::SocketAddr::from(([192, 0, 2, 1], number + 1));
        for instance in 0..4 {
            registry.register("web.svc.example", &instance.to_string(), address).await.unwrap();
        }
    }
}
