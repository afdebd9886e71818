//! Domain names: a view of uncompressed labels, and the same with room of its own.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::str::FromStr;

use crate::{MAX_LABEL_LEN, MAX_NAME_LEN};

/// A domain name as on the wire: labels up to and with the root, uncompressed; 1 to 255 octets (RFC 1035 §3.1).
///
/// Equality, order and hash ignore the case of ASCII letters (RFC 4343). The order is the canonical one
/// (RFC 4034 §6.1): from the root down, label by label.
#[repr(transparent)]
pub struct Name([u8]);

/// A [`Name`] with room of its own, on the stack.
#[derive(Clone, Copy)]
pub struct NameBuf {
    /// 1 <= len <= 255
    len: u8,
    /// bytes[..len] is a name
    bytes: [u8; MAX_NAME_LEN],
}

/// Why bytes or text are not a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NameError {
    /// The bytes or the text end within the name.
    Incomplete,
    /// A label has more than 63 octets.
    LabelTooLong,
    /// A label has no octets; text such as `a..b`.
    EmptyLabel,
    /// The name has more than 255 octets.
    TooLong,
    /// A compression pointer, or another label type, where plain labels are asked for.
    NotALabel,
    /// A compression pointer that does not point backwards, or the last of more than 64 in one name.
    PointerLoop,
    /// A backslash that is followed by neither a character nor three digits up to 255.
    BadEscape,
}

impl Name {
    /// The root.
    pub const ROOT: &'static Name = Name::of(&[0]);

    /// Views the name that `bytes` begins with, and what follows it.
    ///
    /// # Errors
    ///
    /// As [`NameError`] says; a compression pointer is [`NameError::NotALabel`].
    pub fn split(bytes: &[u8]) -> Result<(&Name, &[u8]), NameError> {
        let mut at = 0;
        loop {
            let len = *bytes.get(at).ok_or(NameError::Incomplete)?;
            if usize::from(len) > MAX_LABEL_LEN {
                return Err(NameError::NotALabel);
            }
            at = at.saturating_add(octets_of(len));
            if at > MAX_NAME_LEN {
                return Err(NameError::TooLong);
            }
            if len == 0 {
                let (name, rest) = bytes.split_at_checked(at).ok_or(NameError::Incomplete)?;
                return Ok((Name::of(name), rest));
            }
        }
    }

    /// Views all of `bytes` as a name.
    ///
    /// # Errors
    ///
    /// As [`Name::split`]; trailing octets are [`NameError::NotALabel`].
    pub fn from_wire(bytes: &[u8]) -> Result<&Name, NameError> {
        match Name::split(bytes)? {
            (name, []) => Ok(name),
            _ => Err(NameError::NotALabel),
        }
    }

    /// `bytes` must be labels up to and with the root; every caller has checked that.
    #[allow(unsafe_code)]
    pub(crate) const fn of(bytes: &[u8]) -> &Name {
        // SAFETY: `Name` is `repr(transparent)` over `[u8]`; no method trusts the labels for memory safety.
        unsafe { &*(bytes as *const [u8] as *const Name) }
    }

    /// As on the wire.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// Octets on the wire, with the root's.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// The labels from the left, without the root's.
    pub fn labels(&self) -> Labels<'_> {
        Labels(&self.0)
    }

    /// How many labels, without the root's: 0 to 127.
    pub fn label_count(&self) -> usize {
        self.labels().count()
    }

    /// The name without its first label; none of the root.
    pub fn parent(&self) -> Option<&Name> {
        self.split_first().map(|(_, parent)| parent)
    }

    /// The first label, with the octet that says its length, and the name behind it; none of the root.
    #[inline]
    pub(crate) fn split_first(&self) -> Option<(&[u8], &Name)> {
        let len = self.0.first().filter(|len| **len > 0)?;
        self.0.split_at_checked(octets_of(*len)).map(|(label, parent)| (label, Name::of(parent)))
    }

    /// Whether the first label is a lone asterisk (RFC 4592 §2.1.1).
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with(b"\x01*")
    }

    /// Whether this is `ancestor` or lies below it.
    pub fn is_within(&self, ancestor: &Name) -> bool {
        self.suffix_at(ancestor.len()).is_some_and(|suffix| suffix == ancestor)
    }

    /// This name, whose end is `from`, with that end replaced by `to` (RFC 6672 §2.2).
    ///
    /// # Errors
    ///
    /// [`NameError::TooLong`] if the result does not fit, [`NameError::NotALabel`] if the name does not end so.
    pub fn with_suffix(&self, from: &Name, to: &Name) -> Result<NameBuf, NameError> {
        if !self.is_within(from) {
            return Err(NameError::NotALabel);
        }
        let head = self.len().checked_sub(from.len()).and_then(|len| self.0.get(..len));
        NameBuf::concat(head.ok_or(NameError::NotALabel)?, to.as_wire())
    }

    /// The name's last `len` octets, if a label begins there.
    fn suffix_at(&self, len: usize) -> Option<&Name> {
        let mut name = self;
        while name.len() > len {
            name = name.parent()?;
        }
        (name.len() == len).then_some(name)
    }

    /// A copy with room of its own.
    pub fn to_buf(&self) -> NameBuf {
        let mut buf = NameBuf { len: self.0.len() as u8, bytes: [0; MAX_NAME_LEN] };
        if let Some(to) = buf.bytes.get_mut(..self.0.len()) {
            to.copy_from_slice(&self.0);
        }
        buf
    }

    /// A copy in lower case.
    pub fn to_lowercase(&self) -> NameBuf {
        let mut buf = self.to_buf();
        // A length octet is at most 63, below 'A': the whole is lowered without looking at labels.
        buf.bytes.get_mut(..usize::from(buf.len)).unwrap_or_default().make_ascii_lowercase();
        buf
    }
}

impl NameBuf {
    /// The root.
    pub const ROOT: NameBuf = NameBuf { len: 1, bytes: [0; MAX_NAME_LEN] };

    /// Reads the name at `at` in `message`, following compression pointers, and says where it ends there.
    ///
    /// Each pointer must point before the labels that led to it, so the walk ends (RFC 1035 §4.1.4).
    ///
    /// # Errors
    ///
    /// As [`NameError`] says.
    pub fn expand(message: &[u8], at: usize) -> Result<(NameBuf, usize), NameError> {
        let mut buf = NameBuf::ROOT;
        let (mut rest, mut room) = (message.get(at..).unwrap_or_default(), buf.bytes.as_mut_slice());
        let (mut limit, mut pointers) = (at, 0..MAX_POINTERS);
        // What follows the first pointer.
        let mut behind = None;
        loop {
            match rest {
                [0, after @ ..] => {
                    let (root, unused) = room.split_first_mut().ok_or(NameError::TooLong)?;
                    *root = 0;
                    buf.len = MAX_NAME_LEN.saturating_sub(unused.len()) as u8;
                    return Ok((buf, message.len().saturating_sub(behind.unwrap_or(after).len())));
                }
                [len @ 1..=63, ..] => {
                    let (label, after) =
                        rest.split_at_checked(octets_of(*len)).ok_or(NameError::Incomplete)?;
                    let (to, unused) = room.split_at_mut_checked(label.len()).ok_or(NameError::TooLong)?;
                    to.copy_from_slice(label);
                    (rest, room) = (after, unused);
                }
                [high @ 0xC0..=0xFF, low, after @ ..] => {
                    behind.get_or_insert(after);
                    let to = usize::from(u16::from_be_bytes([high & 0x3F, *low]));
                    // Pointers to pointers are cheap to send, and would not be cheap to follow.
                    if to >= limit || pointers.next().is_none() {
                        return Err(NameError::PointerLoop);
                    }
                    limit = to;
                    rest = message.get(to..).unwrap_or_default();
                }
                [] | [0xC0..=0xFF] => return Err(NameError::Incomplete),
                _ => return Err(NameError::NotALabel),
            }
        }
    }

    /// `labels`, without a root, followed by `name`'s octets.
    pub(crate) fn concat(labels: &[u8], name: &[u8]) -> Result<NameBuf, NameError> {
        let mut buf = NameBuf::ROOT;
        let len = labels.len().saturating_add(name.len());
        let (to_labels, to_name) = buf
            .bytes
            .get_mut(..len)
            .and_then(|to| to.split_at_mut_checked(labels.len()))
            .ok_or(NameError::TooLong)?;
        to_labels.copy_from_slice(labels);
        to_name.copy_from_slice(name);
        buf.len = len as u8;
        Ok(buf)
    }

    /// `label` in front of `parent`.
    ///
    /// # Errors
    ///
    /// [`NameError::EmptyLabel`], [`NameError::LabelTooLong`] or [`NameError::TooLong`].
    pub fn child(label: &[u8], parent: &Name) -> Result<NameBuf, NameError> {
        if label.is_empty() {
            return Err(NameError::EmptyLabel);
        }
        if label.len() > MAX_LABEL_LEN {
            return Err(NameError::LabelTooLong);
        }
        let mut head = [0; MAX_LABEL_LEN + 1];
        let used = head.get_mut(..=label.len()).ok_or(NameError::LabelTooLong)?;
        if let Some((len, to)) = used.split_first_mut() {
            *len = label.len() as u8;
            to.copy_from_slice(label);
        }
        NameBuf::concat(used, parent.as_wire())
    }

    /// Parses a name of a master file: `\` escapes, and `origin` where the text does not end in a dot; `@` is
    /// the origin (RFC 1035 §5.1).
    ///
    /// # Errors
    ///
    /// As [`NameError`] says; empty text is [`NameError::Incomplete`].
    pub fn parse(text: &[u8], origin: &Name) -> Result<NameBuf, NameError> {
        match text {
            b"" => return Err(NameError::Incomplete),
            b"@" => return Ok(origin.to_buf()),
            b"." => return Ok(NameBuf::ROOT),
            _ => {}
        }
        let mut labels = [0u8; MAX_NAME_LEN];
        // `start` is where the length of the label in the making stands.
        let (mut start, mut at) = (0usize, 1usize);
        let mut rest = text;
        let mut absolute = false;
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            let octet = match byte {
                b'.' => {
                    close_label(&mut labels, start, at)?;
                    start = at;
                    at = at.saturating_add(1);
                    absolute = rest.is_empty();
                    continue;
                }
                b'\\' => {
                    let (octet, tail) = unescape(rest)?;
                    rest = tail;
                    octet
                }
                _ => byte,
            };
            *labels.get_mut(at).ok_or(NameError::TooLong)? = octet;
            at = at.saturating_add(1);
        }
        if absolute {
            return NameBuf::concat(labels.get(..start).ok_or(NameError::TooLong)?, &[0]);
        }
        close_label(&mut labels, start, at)?;
        NameBuf::concat(labels.get(..at).ok_or(NameError::TooLong)?, origin.as_wire())
    }
}

/// Pointers that one name may be made of; half as many labels as a name can have is more than any sender needs.
const MAX_POINTERS: usize = 64;

fn close_label(labels: &mut [u8], start: usize, end: usize) -> Result<(), NameError> {
    match end.saturating_sub(start).saturating_sub(1) {
        0 => Err(NameError::EmptyLabel),
        len @ 1..=MAX_LABEL_LEN => {
            *labels.get_mut(start).ok_or(NameError::TooLong)? = len as u8;
            Ok(())
        }
        _ => Err(NameError::LabelTooLong),
    }
}

/// The octet after a backslash, and what follows: `\X` is X, `\DDD` is octet DDD.
fn unescape(text: &[u8]) -> Result<(u8, &[u8]), NameError> {
    match text {
        [a @ b'0'..=b'9', b, c, rest @ ..] => {
            let octet = str::from_utf8(&[*a, *b, *c]).ok().and_then(|digits| digits.parse().ok());
            octet.map(|octet| (octet, rest)).ok_or(NameError::BadEscape)
        }
        [b'0'..=b'9', ..] | [] => Err(NameError::BadEscape),
        [octet, rest @ ..] => Ok((*octet, rest)),
    }
}

/// Octets of a label that has `len`, with the one that says so.
pub(crate) const fn octets_of(len: u8) -> usize {
    (len as usize).saturating_add(1)
}

/// The labels of a name from the left, without the root's.
#[derive(Clone)]
pub struct Labels<'a>(&'a [u8]);

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (&len, rest) = self.0.split_first()?;
        let (label, rest) = rest.split_at_checked(usize::from(len))?;
        self.0 = rest;
        (len != 0).then_some(label)
    }
}

impl Deref for NameBuf {
    type Target = Name;

    fn deref(&self) -> &Name {
        Name::of(self.bytes.get(..usize::from(self.len)).unwrap_or(&[0]))
    }
}

impl Borrow<Name> for NameBuf {
    fn borrow(&self) -> &Name {
        self
    }
}

impl AsRef<Name> for NameBuf {
    fn as_ref(&self) -> &Name {
        self
    }
}

impl From<&Name> for NameBuf {
    fn from(name: &Name) -> NameBuf {
        name.to_buf()
    }
}

/// Reads a name with every label in it: `a.example` and `a.example.` are the same.
impl FromStr for NameBuf {
    type Err = NameError;

    fn from_str(text: &str) -> Result<NameBuf, NameError> {
        NameBuf::parse(text.as_bytes(), Name::ROOT)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        // Mostly the case is the same. Length octets are below 'A', so they compare as they are.
        self.0 == other.0 || self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in &self.0 {
            state.write_u8(byte.to_ascii_lowercase());
        }
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Name) -> Ordering {
        let (mut a, mut b) = ([0u8; 128], [0u8; 128]);
        let (a, b) = (starts(self, &mut a), starts(other, &mut b));
        for (x, y) in a.iter().rev().zip(b.iter().rev()) {
            let order = lowered(label_at(self, *x)).cmp(lowered(label_at(other, *y)));
            if order != Ordering::Equal {
                return order;
            }
        }
        a.len().cmp(&b.len())
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Where each label's length octet stands.
fn starts<'a>(name: &Name, offsets: &'a mut [u8; 128]) -> &'a [u8] {
    let (mut at, mut count) = (0u8, 0usize);
    for (slot, label) in offsets.iter_mut().zip(name.labels()) {
        *slot = at;
        at = at.saturating_add(1).saturating_add(label.len() as u8);
        count = count.saturating_add(1);
    }
    offsets.get(..count).unwrap_or_default()
}

fn label_at(name: &Name, offset: u8) -> &[u8] {
    Labels(name.0.get(usize::from(offset)..).unwrap_or_default()).next().unwrap_or_default()
}

fn lowered(label: &[u8]) -> impl Iterator<Item = u8> + '_ {
    label.iter().map(u8::to_ascii_lowercase)
}

impl PartialEq for NameBuf {
    fn eq(&self, other: &NameBuf) -> bool {
        **self == **other
    }
}

impl Eq for NameBuf {}

impl PartialEq<Name> for NameBuf {
    fn eq(&self, other: &Name) -> bool {
        **self == *other
    }
}

impl Hash for NameBuf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl Ord for NameBuf {
    fn cmp(&self, other: &NameBuf) -> Ordering {
        (**self).cmp(other)
    }
}

impl PartialOrd for NameBuf {
    fn partial_cmp(&self, other: &NameBuf) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// In presentation form, absolute, with escapes (RFC 1035 §5.1, RFC 4343 §2.1).
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;

        if self.is_root() {
            return f.write_char('.');
        }
        for label in self.labels() {
            for &octet in label {
                match octet {
                    b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                        write!(f, "\\{}", octet as char)?
                    }
                    b'!'..=b'~' => f.write_char(octet as char)?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
            f.write_char('.')?;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for NameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl fmt::Debug for NameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NameError::Incomplete => "the name is not complete",
            NameError::LabelTooLong => "a label has more than 63 octets",
            NameError::EmptyLabel => "a label is empty",
            NameError::TooLong => "the name has more than 255 octets",
            NameError::NotALabel => "not a label",
            NameError::PointerLoop => "a compression pointer does not point backwards",
            NameError::BadEscape => "a backslash must be followed by a character or three digits up to 255",
        })
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NameBuf {
        text.parse().unwrap()
    }

    #[test]
    fn text_is_read_as_it_is_written() {
        for text in
            [".", "a.", "www.example.com.", "a\\.b.c.", "\\000\\255.x.", "*.w.", "\\@.x.", "_sip._tcp.x."]
        {
            assert_eq!(name(text).to_string(), text);
        }
        assert_eq!(name("a.b"), name("A.B."));
    }

    #[test]
    fn a_relative_name_gets_the_origin() {
        let origin = name("example.com.");
        assert_eq!(NameBuf::parse(b"www", &origin).unwrap(), name("www.example.com."));
        assert_eq!(NameBuf::parse(b"@", &origin).unwrap(), origin);
        assert_eq!(NameBuf::parse(b"a\\.", &name("x.")).unwrap().to_string(), "a\\..x.");
    }

    #[test]
    fn limits_hold() {
        let label = "a".repeat(63);
        assert!(name(&label).len() == 65);
        assert_eq!(format!("{label}a.").parse::<NameBuf>(), Err(NameError::LabelTooLong));
        let longest = format!("{label}.{label}.{label}.{}.", "a".repeat(61));
        assert_eq!(name(&longest).len(), 255);
        assert_eq!(format!("b.{longest}").parse::<NameBuf>().err(), Some(NameError::TooLong));
        for bad in ["a..b", ".a", "..", "a\\", "a\\25", "a\\256"] {
            assert!(bad.parse::<NameBuf>().is_err(), "{bad}");
        }
    }

    #[test]
    fn pointers_go_backwards_only() {
        let message = b"\x01a\0\x01b\xC0\x00\xC0\x07";
        assert_eq!(NameBuf::expand(message, 3).unwrap(), (name("b.a."), 7));
        assert_eq!(NameBuf::expand(message, 7).unwrap_err(), NameError::PointerLoop);
        assert_eq!(NameBuf::expand(b"\x01a\xC0\x00", 0).unwrap_err(), NameError::PointerLoop);
    }

    #[test]
    fn the_order_is_canonical() {
        // The example of RFC 4034 §6.1.
        let order = [
            "example.",
            "a.example.",
            "yljkjljk.a.example.",
            "Z.a.example.",
            "zABC.a.EXAMPLE.",
            "z.example.",
            "\\001.z.example.",
            "*.z.example.",
            "\\200.z.example.",
        ];
        for pair in order.windows(2) {
            assert!(name(pair[0]) < name(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn a_suffix_is_found_at_labels_only() {
        assert!(name("a.example.").is_within(&name("EXAMPLE.")));
        assert!(name("example.").is_within(&name("example.")));
        assert!(!name("badexample.").is_within(&name("example.")));
        assert!(name("x.").is_within(Name::ROOT));
    }

    #[test]
    fn a_suffix_is_replaced() {
        assert_eq!(name("a.old.").with_suffix(&name("old."), &name("new.org.")).unwrap(), name("a.new.org."));
        assert!(name("a.old.").with_suffix(&name("x."), &name("y.")).is_err());
    }
}
