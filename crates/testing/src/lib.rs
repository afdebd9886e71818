//! Scenarios and a harness for plugin authors' tests.
//!
//! ```
//! # use cartonym_testing::{Canned, Tester};
//! let tester = Tester::of(Canned::new("www.example. 60 A 192.0.2.1"));
//! assert_eq!(tester.ask("www.example. A").to_string(), "NOERROR\nanswer www.example. 60 A 192.0.2.1");
//! ```
//!
//! A helper here panics where a test has written nonsense: that is what a test does with it anyway.

#[cfg(feature = "allocations")]
mod allocations;
mod answer;
mod ask;
mod canned;
mod configure;
mod conformance;
mod hostile;
mod record;
mod tester;
mod upstream;

#[cfg(feature = "allocations")]
pub use allocations::allocations;
pub use answer::Answer;
pub use ask::Ask;
pub use canned::Canned;
pub use configure::{configure, configure_in};
pub use conformance::{conformance, conformance_of};
pub use record::{TestRecord, rdata_text};
pub use tester::Tester;
pub use upstream::{Heard, Upstream};
