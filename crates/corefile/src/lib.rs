//! Corefile text to a typed tree, with file, line and column in every error.
//!
//! [`Corefile::parse`] reads the text; [`Directive`] and [`Word`] are what a plugin reads its own configuration from.
//! The outside world (imported files, environment variables) is asked through a [`Source`] only.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]
#![doc = include_str!("../README.md")]

mod corefile;
mod directive;
mod display;
mod duration;
mod environment;
mod error;
mod filesystem;
mod import;
mod key;
mod lexer;
mod memory;
mod nearest;
mod parser;
mod source;
mod tokens;
mod word;
mod zone;

pub use corefile::{Corefile, Extent, ServerBlock};
pub use directive::Directive;
pub use duration::parse_duration;
pub use error::{Error, Position, Warning};
pub use filesystem::Filesystem;
pub use key::{Key, Scheme};
pub use memory::Memory;
pub use nearest::nearest;
pub use source::Source;
pub use word::Word;
pub use zone::zones;
