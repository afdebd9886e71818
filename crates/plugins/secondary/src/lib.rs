#![doc = include_str!("../README.md")]

mod configure;
mod conversation;
mod incoming;
mod secondary;
mod upkeep;

pub use secondary::{Primaries, Secondary};
