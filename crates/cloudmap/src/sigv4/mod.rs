//! AWS Signature Version 4: who signed a request, and whether it is as it was signed.

mod authorization;
mod canonical;
mod date;
mod keys;
mod sign;
mod verify;

pub(crate) use authorization::region;
pub use keys::AccessKeys;
pub use sign::Credentials;
pub(crate) use verify::verify;
