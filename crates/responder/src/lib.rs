//! From the bytes of a query to the bytes of a response.
//!
//! No socket, no clock, no runtime: [`Responder::respond`] takes octets and the [`Moment`], and says with a
//! [`Verdict`] what to do with the octets it wrote.

mod adopt;
mod chain;
mod cookies;
mod faults;
mod reply;
mod request;
mod responder;
mod signed;
mod suspended;

pub use cartonym_tsig as tsig;
pub use chain::Chain;
pub use cookies::{Cookies, Require};
pub use faults::{Fault, Faults};
pub use responder::{Limits, Moment, Responder, ResponderBuilder, Scratch, Verdict};
pub use suspended::{Reply, Suspended, Timer};
