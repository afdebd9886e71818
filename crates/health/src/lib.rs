#![doc = include_str!("../README.md")]

pub use checker::Checker;
pub use counts::Counts;
pub use options::{Limits, Options};
pub use status::{Failure, Report, Status};

mod admission;
mod checker;
mod counts;
mod driver;
mod heartbeats;
mod options;
mod probe;
mod schedule;
mod status;
mod streak;
mod table;
mod writer;
