//! The operations, asked for as a client does: a request in, a response out, no socket.

mod anything;
mod attributes;
mod discover;
mod instances;
mod listings;
mod namespaces;
mod operations;
mod protocols;
mod server;
mod services;
mod signing;
mod support;
mod tags;
