#![doc = include_str!("../README.md")]

mod configure;
mod files;
mod journal;
mod master;

pub use configure::FileDirective;
pub use files::Files;
