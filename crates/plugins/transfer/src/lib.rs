#![doc = include_str!("../README.md")]

mod configure;
mod journal;
mod notify;
mod pages;
mod transfer;
mod who;

pub use transfer::Transfer;
pub use who::Who;
