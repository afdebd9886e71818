//! The standard set of registry backends.

#[cfg(feature = "embedded")]
pub use cartonym_backend_embedded as embedded;
#[cfg(feature = "etcd")]
pub use cartonym_backend_etcd as etcd;
#[cfg(feature = "file")]
pub use cartonym_backend_file as file;
#[cfg(feature = "remote")]
pub use cartonym_backend_remote as remote;
