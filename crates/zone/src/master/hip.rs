//! HIP (RFC 8005 §5): the wire has all lengths in front, the text has none.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};

use super::error::Parsed;
use super::read::{Reader, decode};
use super::write::{Flaw, Stop, Wire, encode};

/// Reads algorithm, tag, key and the names of rendezvous servers.
pub(super) fn read(reader: &mut Reader<'_, '_>) -> Parsed<()> {
    // The tag's length, which is known only after the algorithm that stands behind it.
    reader.out.push(0);
    reader.u8()?;
    reader.out.extend_from_slice(&[0, 0]);
    let tag = reader.word()?;
    let tag_len = decode(&HEXLOWER_PERMISSIVE, tag.text, reader.out)
        .and_then(|len| u8::try_from(len).ok())
        .filter(|len| *len > 0)
        .ok_or_else(|| reader.wrong(tag, "hex digits"))?;
    let key = reader.word()?;
    let key_len = decode(&BASE64, key.text, reader.out)
        .and_then(|len| u16::try_from(len).ok())
        .filter(|len| *len > 0)
        .ok_or_else(|| reader.wrong(key, "Base64 without blanks"))?;
    if let Some([len, _, key_len_high, key_len_low, ..]) = reader.out.get_mut(..) {
        *len = tag_len;
        [*key_len_high, *key_len_low] = key_len.to_be_bytes();
    }
    while let Some(server) = reader.optional()? {
        reader.name_of(server)?;
    }
    Ok(())
}

/// Writes what [`read`] reads.
pub(super) fn write(wire: &mut Wire<'_>, out: &mut dyn fmt::Write) -> Result<(), Stop> {
    let (tag_len, algorithm, key_len) = (wire.u8()?, wire.u8()?, wire.u16()?);
    if tag_len == 0 || key_len == 0 {
        return Err(Flaw::Value("the tag or the key is empty").into());
    }
    write!(out, "{algorithm} ")?;
    encode(&HEXLOWER, wire.take(usize::from(tag_len))?, out)?;
    out.write_char(' ')?;
    encode(&BASE64, wire.take(usize::from(key_len))?, out)?;
    while !wire.rest.is_empty() {
        write!(out, " {}", wire.name()?)?;
    }
    Ok(())
}
