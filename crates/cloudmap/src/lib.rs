//! The AWS Cloud Map dialect of HTTP over a registry.
//!
//! A request goes one way: [`Api::handle`] finds its protocol and its operation, checks its signature, reads it into a type
//! whose constraints hold, asks the registry, and writes the answer. [`serve`] puts connections around that.

pub use api::{Api, Config};
pub use fault::{Code, Fault};
pub use serve::{Body, Fallback, Limits, NoFallback, serve};
pub use sigv4::{AccessKeys, Credentials};

mod api;
mod arn;
mod call;
mod constraint;
mod fault;
mod filter;
mod operations;
mod page;
mod pattern;
mod protocol;
mod serve;
mod sigv4;
mod timestamp;
mod types;
