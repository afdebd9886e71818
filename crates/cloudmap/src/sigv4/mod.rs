//! AWS Signature Version 4: who signed a request, and whether it is as it was signed.

mod authorization;
mod canonical;
mod date;
mod keys;
mod verify;

pub(crate) use authorization::region;
pub use keys::AccessKeys;
pub(crate) use verify::verify;
