#![doc = include_str!("../README.md")]

mod address;
#[cfg(feature = "allocations")]
mod allocations;
mod answer;
mod ask;
mod canned;
mod certificate;
mod configure;
mod conformance;
#[cfg(feature = "etcd")]
mod etcd;
mod hostile;
mod record;
mod scenario;
mod tester;
mod upstream;

pub use address::free_address;
#[cfg(feature = "allocations")]
pub use allocations::allocations;
pub use answer::Answer;
pub use ask::Ask;
pub use canned::Canned;
pub use certificate::certificate;
pub use configure::{configure, configure_in};
pub use conformance::{conformance, conformance_of, conformance_of_directive};
#[cfg(feature = "etcd")]
pub use etcd::EtcdServer;
pub use record::{TestRecord, rdata_text};
pub use scenario::{Mismatch, Scenario};
pub use tester::Tester;
pub use upstream::{Heard, Upstream};
