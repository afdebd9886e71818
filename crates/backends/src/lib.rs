//! The standard set of registry backends.

#[cfg(feature = "embedded")]
pub use cartonym_backend_embedded as embedded;
