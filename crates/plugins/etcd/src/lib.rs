#![doc = include_str!("../README.md")]

mod answer;
mod compile;
pub mod connection;
mod entry;
mod follow;
mod leases;
mod lifetime;
mod options;
mod plugin;
mod store;
mod view;

pub use options::Options;
pub use plugin::EtcdRecords;
