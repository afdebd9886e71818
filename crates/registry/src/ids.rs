//! The identifiers of Cloud Map: fixed text for what the registry names, free text for instances.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::Timestamp;

/// Text that is not an identifier of the kind it was read as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {expected}")]
pub struct InvalidId {
    expected: &'static str,
}

/// A namespace's identifier: `ns-` and 16 of `[a-z0-9]`. One that another Cloud Map gave has 1 to 29 of them.
///
/// Derived from what makes the namespace unique, so that one made again has the id it had.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceId([u8; 32]);

/// A service's identifier: `srv-` and 16 of `[a-z0-9]`. One that another Cloud Map gave has 1 to 28 of them.
///
/// Derived from the namespace's id and the name, so that one made again has the id it had.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId([u8; 32]);

/// An operation's identifier: 32 of `[a-z0-9]`, a hyphen, 8 more.
///
/// It begins with the time, so that the order of ids is the order of operations.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId([u8; 41]);

/// An instance's identifier, unique in its service: 1 to 64 of `[0-9a-zA-Z_/:.@-]`, case kept.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(Box<str>);

impl NamespaceId {
    const EXPECTED: &str = "a namespace id";

    /// The id of the namespace that `parts` make unique.
    pub(crate) fn derive(parts: &[&str]) -> Self {
        Self(in_place(&[b"ns-", &derive(parts)]).expect("shorter than the longest"))
    }

    fn is_valid(text: &str) -> bool {
        text.strip_prefix("ns-").is_some_and(is_lower_alphanumeric)
    }
}

impl ServiceId {
    const EXPECTED: &str = "a service id";

    /// The id of the service that `parts` make unique.
    pub(crate) fn derive(parts: &[&str]) -> Self {
        Self(in_place(&[b"srv-", &derive(parts)]).expect("shorter than the longest"))
    }

    fn is_valid(text: &str) -> bool {
        text.strip_prefix("srv-").is_some_and(is_lower_alphanumeric)
    }
}

impl OperationId {
    const EXPECTED: &str = "an operation id";

    /// A new id: nine digits of time, the rest by chance.
    pub(crate) fn new(now: Timestamp, mut random: impl FnMut() -> u64) -> Self {
        let mut text = [0; 41];
        let (mut time, mut chance, mut left) = (now.as_millis(), 0, 0);
        for digit in text[..9].iter_mut().rev() {
            *digit = base36(time);
            time /= 36;
        }
        for digit in &mut text[9..] {
            // Twelve digits of base 36 are the most that 64 bits give without a bias worth the name.
            if left == 0 {
                (chance, left) = (random(), 12);
            }
            *digit = base36(chance);
            chance /= 36;
            left -= 1;
        }
        text[32] = b'-';
        Self(text)
    }

    fn is_valid(text: &str) -> bool {
        text.split_once('-').is_some_and(|(head, tail)| {
            (head.len(), tail.len()) == (32, 8) && is_lower_alphanumeric(head) && is_lower_alphanumeric(tail)
        })
    }
}

impl InstanceId {
    /// The longest id, in characters.
    pub const MAX_CHARS: usize = 64;

    const EXPECTED: &str = "an instance id";

    /// The id as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_valid(text: &str) -> bool {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"_/:.@-".contains(&c);
        (1..=Self::MAX_CHARS).contains(&text.len()) && text.bytes().all(allowed)
    }
}

impl FromStr for InstanceId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if !Self::is_valid(text) {
            return Err(InvalidId { expected: Self::EXPECTED });
        }
        Ok(Self(text.into()))
    }
}

impl std::borrow::Borrow<str> for InstanceId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// What is kept in place, with zeros after it: those sort first, and are in no id.
macro_rules! text_in_place {
    ($($id:ident)*) => {$(
        impl $id {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                let len = self.0.iter().position(|octet| *octet == 0).unwrap_or(self.0.len());
                std::str::from_utf8(&self.0[..len]).expect("an id is ASCII by construction")
            }
        }

        impl FromStr for $id {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = InvalidId { expected: Self::EXPECTED };
                if !Self::is_valid(text) {
                    return Err(invalid);
                }
                in_place(&[text.as_bytes()]).map(Self).ok_or(invalid)
            }
        }
    )*};
}

macro_rules! text {
    ($($id:ident)*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl AsRef<str> for $id {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

text_in_place!(NamespaceId ServiceId OperationId);
text!(NamespaceId ServiceId OperationId InstanceId);

/// Sixteen of `[a-z2-7]` that stand for `parts`; 80 bits of SHA-256, so nobody finds two names of one id.
fn derive(parts: &[&str]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    std::array::from_fn(|i| b"abcdefghijklmnopqrstuvwxyz234567"[usize::from(digest[i] & 31)])
}

/// The parts one after the other, and zeros; `None` if they are too long.
fn in_place<const N: usize>(parts: &[&[u8]]) -> Option<[u8; N]> {
    let (mut text, mut len) = ([0; N], 0);
    for part in parts {
        text.get_mut(len..len + part.len())?.copy_from_slice(part);
        len += part.len();
    }
    Some(text)
}

fn base36(value: u64) -> u8 {
    b"0123456789abcdefghijklmnopqrstuvwxyz"[(value % 36) as usize]
}

fn is_lower_alphanumeric(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_derived_twice_is_the_same() {
        assert_eq!(NamespaceId::derive(&["a", "b"]), NamespaceId::derive(&["a", "b"]));
        assert_ne!(NamespaceId::derive(&["a", "b"]), NamespaceId::derive(&["ab", ""]));
    }

    #[test]
    fn ids_read_back_what_they_write() {
        let namespace = NamespaceId::derive(&["x"]);
        let service = ServiceId::derive(&["x"]);
        let operation = OperationId::new(Timestamp::from_millis(1_700_000_000_000), || 42);
        assert_eq!(namespace.to_string().parse(), Ok(namespace));
        assert_eq!(service.to_string().parse(), Ok(service));
        assert_eq!(operation.to_string().parse(), Ok(operation));
    }

    #[test]
    fn a_later_operation_has_a_greater_id() {
        let at = |millis| OperationId::new(Timestamp::from_millis(millis), || u64::MAX - millis);
        assert!(at(1_700_000_000_000) < at(1_700_000_000_001));
    }

    #[test]
    fn ids_that_others_gave_are_longer_or_shorter_and_in_the_order_of_their_texts() {
        let texts = ["srv-7", "srv-70", "srv-aaaaaaaaaaaaaaaa", "srv-aaaaaaaaaaaaaaaaaaaaaaaaaaaa"];
        let ids = texts.map(|text| text.parse::<ServiceId>().unwrap());
        assert_eq!(ids.map(|id| id.to_string()), texts);
        assert!(ids.is_sorted());
    }

    #[test]
    fn foreign_text_is_no_id() {
        let too_long = format!("ns-{}", "a".repeat(30));
        for text in [
            "",
            "ns-",
            "ns-aaaaaaaaaaaaaaaA",
            "srv-aaaaaaaaaaaaaaa",
            "ns-aaaaaaaaaaaaaaé",
            "ns-a\0",
            &too_long,
        ] {
            assert!(text.parse::<NamespaceId>().is_err(), "{text}");
        }
        for text in ["", "a b", "a,b", &"a".repeat(65), "é"] {
            assert!(text.parse::<InstanceId>().is_err(), "{text}");
        }
        assert!("A_b/c:d.e@f-9".parse::<InstanceId>().is_ok());
    }
}
