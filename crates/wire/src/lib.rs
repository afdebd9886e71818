//! DNS messages on the wire: views over a received buffer, a builder over a send buffer.
//!
//! Nothing here allocates but [`SuffixMap`] when it is changed, and nothing here depends on anything. A received message is read through
//! [`Message`]; names are [`Name`], a view of uncompressed labels, or [`NameBuf`], the same with room of its
//! own; a message to send grows in a [`Builder`], which compresses names, keeps the counts and undoes what did
//! not fit.

#![deny(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod builder;
mod codes;
mod edns;
mod message;
mod name;
mod qname;
mod rdata;
mod suffix_map;

pub use builder::{Builder, Full, Mark, Section};
pub use codes::{Class, Ede, Opcode, Rcode, Ttl, Type};
pub use edns::{Edns, OptionCode, Options};
pub use message::{Flags, Header, Message, ParseError, Question, Record, Records};
pub use name::{Labels, Name, NameBuf, NameError};
pub use qname::{Hasher, Qname};
pub use rdata::{RdataNames, expand_rdata};
pub use suffix_map::{Found, SuffixMap};

/// Octets of a message header (RFC 1035 §4.1.1).
pub const HEADER_LEN: usize = 12;
/// Octets of the longest name, root included (RFC 1035 §3.1).
pub const MAX_NAME_LEN: usize = 255;
/// Octets of the longest label (RFC 1035 §3.1).
pub const MAX_LABEL_LEN: usize = 63;
/// Octets of the longest message (RFC 1035 §4.2.2).
pub const MAX_MESSAGE_LEN: usize = 65535;
