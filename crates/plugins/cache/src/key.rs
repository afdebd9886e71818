//! What a response is an answer to.

use std::hash::{BuildHasher, RandomState};

use cartonym_plugin::Query;
use cartonym_wire::{Class, Flags, Hasher, Name, Type};

/// A question, as far as its answer depends on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key<'a> {
    /// Of all that follows.
    pub(crate) hash: u64,
    /// In lower case.
    pub(crate) name: &'a Name,
    pub(crate) qtype: Type,
    pub(crate) qclass: Class,
    pub(crate) bits: Bits,
}

/// The client's bits that an answer depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bits {
    pub(crate) dnssec_ok: bool,
    pub(crate) checking_disabled: bool,
}

/// Makes keys.
#[derive(Debug)]
pub(crate) struct Keys(Hasher);

impl Default for Keys {
    /// With a seed of its own: names are the stranger's choice.
    fn default() -> Keys {
        Keys(Hasher::new(RandomState::new().hash_one(())))
    }
}

impl Keys {
    pub(crate) fn of<'q>(&self, query: &'q Query<'_>) -> Key<'q> {
        let bits = Bits {
            dnssec_ok: query.edns().is_some_and(|edns| edns.dnssec_ok),
            checking_disabled: query.flags().has(Flags::CD),
        };
        let qname = query.qname();
        let name_hash = qname.extend_hash(self.0.root(), 0, qname.depth());
        let rest = u64::from(query.qtype().0) << 32
            | u64::from(query.qclass().0) << 16
            | u64::from(bits.dnssec_ok) << 1
            | u64::from(bits.checking_disabled);
        Key {
            hash: mix(name_hash ^ mix(rest)),
            name: query.name(),
            qtype: query.qtype(),
            qclass: query.qclass(),
            bits,
        }
    }
}

/// Spreads every bit over all (splitmix64).
fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}
