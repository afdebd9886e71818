//! Room on the stack for a text.

use std::fmt;

/// Holds the longest text that a query's facts have: a name of 255 octets, each of which is written as `\DDD`.
#[derive(Default)]
pub(crate) struct Room {
    /// Cleared when first written to: most texts are there already.
    octets: Option<[u8; SIZE]>,
    len: usize,
}

const SIZE: usize = 4 * 255;

impl Room {
    /// `fact` as a text; an empty one if it is longer than any that a query has.
    pub(crate) fn write(&mut self, fact: impl fmt::Display) -> &str {
        self.len = 0;
        if fmt::Write::write_fmt(self, format_args!("{fact}")).is_err() {
            self.len = 0;
        }
        let octets = self.octets.as_ref().and_then(|octets| octets.get(..self.len)).unwrap_or_default();
        std::str::from_utf8(octets).unwrap_or_default()
    }
}

impl fmt::Write for Room {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len.checked_add(text.len()).ok_or(fmt::Error)?;
        let octets = self.octets.get_or_insert([0; SIZE]);
        octets.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
