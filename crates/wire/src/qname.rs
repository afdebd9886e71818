//! The name of a query, prepared for lookups: in lower case, its labels found, its hash a walk from the root.

use std::fmt;

use crate::name::octets_of;
use crate::{MAX_NAME_LEN, Name, NameError};

/// A name in lower case with the place of each label, so that every ancestor is a slice of it.
///
/// Depth counts labels from the root: the root is at depth 0, `example.com.` at 2.
#[derive(Clone)]
pub struct Qname {
    /// bytes[..len] is a name; eight octets more, so that a hash reads words without asking.
    bytes: [u8; MAX_NAME_LEN + 9],
    len: u8,
    /// starts[i] is where label i from the left begins; starts[depth] is the root's octet.
    starts: [u8; 128],
    depth: u8,
}

/// Hashes names, a label at a time from the root down, so that one walk gives every ancestor's hash.
///
/// Seeded, as names are the stranger's choice.
#[derive(Clone, Copy, Debug)]
pub struct Hasher(u64);

impl Default for Qname {
    fn default() -> Qname {
        Qname { bytes: [0; MAX_NAME_LEN + 9], len: 1, starts: [0; 128], depth: 0 }
    }
}

impl Qname {
    /// Prepares `name`.
    pub fn new(name: &Name) -> Qname {
        let mut qname = Qname::default();
        // A `Name` is complete, so this reads it whole.
        let _ = qname.read(name.as_wire());
        qname
    }

    /// Takes the name that `bytes` begins with, and says how long it is; compression is refused.
    ///
    /// # Errors
    ///
    /// As [`NameError`] says; the name is then the root.
    pub fn read(&mut self, bytes: &[u8]) -> Result<usize, NameError> {
        let mut at = 0usize;
        for (depth, start) in self.starts.iter_mut().enumerate() {
            let Some(&len) = bytes.get(at) else { return self.refuse(NameError::Incomplete) };
            *start = at as u8;
            if len == 0 {
                return Ok(self.keep(bytes.get(..=at).unwrap_or_default(), depth));
            }
            if len > 63 {
                return self.refuse(NameError::NotALabel);
            }
            at = at.saturating_add(octets_of(len));
            if at >= MAX_NAME_LEN {
                break;
            }
        }
        self.refuse(NameError::TooLong)
    }

    /// Copies a name of so many labels, whose places are known.
    #[inline]
    fn keep(&mut self, name: &[u8], depth: usize) -> usize {
        if let Some(to) = self.bytes.get_mut(..name.len()) {
            to.copy_from_slice(name);
            // A length octet is at most 63, below 'A'.
            to.make_ascii_lowercase();
        }
        self.len = name.len() as u8;
        self.depth = depth as u8;
        name.len()
    }

    #[cold]
    fn refuse(&mut self, error: NameError) -> Result<usize, NameError> {
        *self = Qname::default();
        Err(error)
    }

    /// The whole name.
    pub fn name(&self) -> &Name {
        Name::of(self.bytes.get(..usize::from(self.len)).unwrap_or(&[0]))
    }

    /// How many labels, without the root's: 0 to 127.
    pub fn depth(&self) -> usize {
        usize::from(self.depth)
    }

    /// The last `depth` labels; the whole name where it has no more.
    pub fn suffix(&self, depth: usize) -> &Name {
        Name::of(self.bytes.get(self.start(depth)..usize::from(self.len)).unwrap_or(&[0]))
    }

    /// How many octets stand before the last `depth` labels.
    pub fn start(&self, depth: usize) -> usize {
        let label = self.depth().saturating_sub(depth);
        self.starts.get(label).copied().map_or(0, usize::from)
    }

    /// The hash of the last `to` labels, from that of the last `from`.
    pub fn extend_hash(&self, hash: u64, from: usize, to: usize) -> u64 {
        let labels = self.depth().saturating_sub(to)..self.depth().saturating_sub(from);
        let starts = self.starts.get(labels).unwrap_or_default();
        starts.iter().rev().fold(hash, |hash, start| self.hash_label(hash, usize::from(*start)))
    }

    fn hash_label(&self, mut hash: u64, start: usize) -> u64 {
        let mut rest = self.bytes.get(start..).unwrap_or_default();
        // The length octet is hashed with the label, so that ab.c differs from a.bc.
        let mut left = rest.first().map_or(0, |len| octets_of(*len));
        while left > 8
            && let Some((word, after)) = rest.split_first_chunk()
        {
            hash = fold(hash ^ u64::from_le_bytes(*word));
            rest = after;
            left = left.saturating_sub(8);
        }
        // Of the last word what belongs to the label: a shift counts modulo 64, so one by minus n bits leaves n.
        let mask = u64::MAX.wrapping_shr((left as u32).wrapping_mul(8).wrapping_neg());
        fold(hash ^ (rest.first_chunk().map_or(0, |word| u64::from_le_bytes(*word)) & mask))
    }
}

impl fmt::Debug for Qname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.name(), f)
    }
}

impl Hasher {
    /// A hasher of its own order; `seed` should be random for tables that strangers ask.
    pub const fn new(seed: u64) -> Hasher {
        Hasher(seed)
    }

    /// The hash of the root, where every walk begins.
    pub const fn root(self) -> u64 {
        self.0
    }

    /// The hash of a whole name.
    pub fn hash(self, name: &Name) -> u64 {
        let qname = Qname::new(name);
        qname.extend_hash(self.0, 0, qname.depth())
    }

    /// The hash of `label` below a name whose hash is `parent`.
    pub fn child(self, parent: u64, label: &[u8]) -> u64 {
        match crate::NameBuf::child(label, Name::ROOT) {
            Ok(name) => Qname::new(&name).extend_hash(parent, 0, 1),
            Err(_) => parent,
        }
    }
}

/// The two halves of a product, folded: one multiplication mixes all 64 bits.
fn fold(word: u64) -> u64 {
    let (low, high) = word.carrying_mul(MULTIPLIER, 0);
    low ^ high
}

/// Odd, and without a pattern in its bits.
const MULTIPLIER: u64 = 0x9E6C_63D0_676A_9A99;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NameBuf;

    fn qname(text: &str) -> Qname {
        Qname::new(&text.parse::<NameBuf>().unwrap())
    }

    #[test]
    fn ancestors_are_slices_of_it() {
        let name = qname("WWW.Example.Com.");
        assert_eq!(name.depth(), 3);
        assert_eq!(name.name().as_wire(), b"\x03www\x07example\x03com\0");
        assert_eq!(name.suffix(2).to_string(), "example.com.");
        assert_eq!(name.suffix(0), Name::ROOT);
        assert_eq!(name.suffix(9).to_string(), "www.example.com.");
    }

    #[test]
    fn a_hash_can_be_walked_in_steps() {
        let hasher = Hasher::new(7);
        let name = qname("a-rather-long-label.x.example.");
        let whole = hasher.hash(name.name());
        let parent = name.extend_hash(hasher.root(), 0, 2);
        assert_eq!(name.extend_hash(parent, 2, 3), whole);
        assert_eq!(hasher.child(parent, b"a-rather-long-label"), whole);
        assert_eq!(hasher.hash(qname("A-Rather-Long-Label.X.EXAMPLE.").name()), whole);
        assert_ne!(hasher.hash(qname("ab.c.").name()), hasher.hash(qname("a.bc.").name()));
        assert_ne!(Hasher::new(8).hash(name.name()), whole);
    }

    #[test]
    fn the_longest_name_and_the_most_labels_are_read() {
        let most = "a.".repeat(127);
        assert_eq!(qname(&most).depth(), 127);
        assert_eq!(qname(&most).suffix(1).to_string(), "a.");
        let mut too_long = [1u8, b'a'].repeat(128);
        too_long.push(0);
        assert_eq!(Qname::default().read(&too_long), Err(NameError::TooLong));
        assert_eq!(Qname::default().read(&[0xC0, 12]), Err(NameError::NotALabel));
        assert_eq!(Qname::default().read(&[3, b'a']), Err(NameError::Incomplete));
    }
}
