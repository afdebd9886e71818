//! Scenarios and a harness for plugin authors' tests.
//!
//! ```
//! # use cartonym_testing::{Canned, Tester};
//! let tester = Tester::of(Canned::new("www.example. 60 A 192.0.2.1"));
//! assert_eq!(tester.ask("www.example. A").to_string(), "NOERROR\nanswer www.example. 60 A 192.0.2.1");
//! ```
//!
//! A helper here panics where a test has written nonsense: that is what a test does with it anyway.

mod answer;
mod ask;
mod canned;
mod configure;
mod record;
mod tester;

pub use answer::Answer;
pub use ask::Ask;
pub use canned::Canned;
pub use configure::{configure, configure_in};
pub use record::{TestRecord, rdata_text};
pub use tester::Tester;
