//! Transaction signatures (RFC 8945): keys, and messages signed and verified.
//!
//! Functions over octets, for both ends: a server verifies with [`Keys::verify`], and signs what it answers with the
//! [`Session`] that comes of it; a client signs with [`Key::sign`], and verifies what comes back with the
//! [`Exchange`]. Both go on over responses of many messages. Time is an argument.

#![deny(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod algorithm;
mod client;
mod digest;
mod key;
mod record;
mod server;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use client::{Exchange, VerifyError};
pub use key::{Key, KeyError, Keyring, Keys};
pub use record::Tsig;
pub use server::{ErrorReply, Rejection, Session};
