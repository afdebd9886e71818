#![doc = include_str!("../README.md")]

mod configure;
mod files;

pub use configure::FileDirective;
pub use files::{File, Files};
