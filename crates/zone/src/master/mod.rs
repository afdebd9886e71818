//! Master files (RFC 1035 §5): text to records, records to text, and RDATA against its type.
//!
//! ```text
//! bytes -> lexer -> words -> parser -> owner, TTL, class, type   directive, generate, source: the $ lines
//!                            read   -> RDATA                     fields: one table for both ways
//!                            write  <- RDATA                     loc, apl, svcb, hip: what no plain kind says
//! ```

#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)
)]

mod apl;
mod chars;
mod directive;
mod error;
mod fields;
mod generate;
mod hip;
mod lexer;
mod loc;
mod parser;
mod read;
mod source;
mod svcb;
mod time;
mod write;

pub use error::{MasterError, Mistake};
pub use parser::{MasterRecord, Parser};
pub use source::{Files, NoIncludes, Source};
pub use write::{Flaw, RdataError, RdataText, rdata_to_text, validate_rdata};
