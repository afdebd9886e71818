//! The model's requests and responses, one set for both protocols.
//!
//! A request's fields stand beside their constraints; [`Request::decode`] is the only way from a document to a value, so
//! a value is within its limits. Responses borrow from the registry's model and are written out while it is read.

mod declare;

pub(crate) mod common;
pub(crate) mod discover;
pub(crate) mod instance;
pub(crate) mod namespace;
pub(crate) mod operation;
pub(crate) mod service;
pub(crate) mod tag;

pub(crate) use declare::{Described, Request};
