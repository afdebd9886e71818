//! An instance's attributes, packed: a million instances have five million of them.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Keys that decide what DNS answers, and the rest that a known client sends.
pub mod key {
    /// The IPv4 address of the instance.
    pub const IPV4: &str = "AWS_INSTANCE_IPV4";
    /// The IPv6 address of the instance.
    pub const IPV6: &str = "AWS_INSTANCE_IPV6";
    /// The port the instance listens on.
    pub const PORT: &str = "AWS_INSTANCE_PORT";
    /// The name that a CNAME record points to.
    pub const CNAME: &str = "AWS_INSTANCE_CNAME";
    /// The name whose addresses are answered as this service's own.
    pub const ALIAS: &str = "AWS_ALIAS_DNS_NAME";
    /// The machine that the instance is.
    pub const EC2_INSTANCE: &str = "AWS_EC2_INSTANCE_ID";
    /// The custom health with which the instance begins.
    pub const INIT_HEALTH: &str = "AWS_INIT_HEALTH_STATUS";
    /// The instance's share in a WEIGHTED service, 1 to 255; 1 where not given. An extension of Cloud Map.
    pub const WEIGHT: &str = "AWS_INSTANCE_WEIGHT";
    /// How many seconds the instance lasts without being spoken for; for ever where not given. An extension of Cloud Map.
    pub const TTL: &str = "CARTONYM_TTL";
    /// That the instance drains when it is deregistered, and for how many seconds at least. An extension of Cloud Map.
    pub const DRAIN: &str = "CARTONYM_DRAIN";
}

/// Attributes by key, keys in ascending order; immutable.
///
/// One allocation, however many there are: `key NUL value NUL`, once for each, where a known key is a
/// single control character. Neither can be in what a client sends, so no length is stored.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attributes(Box<str>);

/// Why attributes are refused, whatever the service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAttributes {
    /// A key that is empty, longer than 255 characters, or not printable ASCII.
    #[error("attribute key {0:?} is not one to 255 printable characters without a space")]
    Key(String),
    /// A value longer than 1024 characters, not printable, or with a space first.
    #[error(
        "the value of attribute {0:?} is not at most 1024 printable characters that begin without a space"
    )]
    Value(String),
    /// A key given twice.
    #[error("attribute {0:?} is given twice")]
    Duplicate(String),
    /// More than 30 attributes whose key does not begin with `AWS_`.
    #[error("{0} custom attributes; the most is 30")]
    TooMany(usize),
    /// Keys and values of more than 5000 characters together.
    #[error("{0} characters of attributes; the most is 5000")]
    TooLong(usize),
}

impl Attributes {
    /// The most attributes whose key does not begin with `AWS_`.
    pub const MAX_CUSTOM: usize = 30;
    /// The most characters of all keys and values.
    pub const MAX_CHARS: usize = 5000;

    const MAX_KEY_CHARS: usize = 255;
    const MAX_VALUE_CHARS: usize = 1024;

    /// Packs `pairs`, which come in any order.
    ///
    /// # Errors
    ///
    /// Refuses a pair that Cloud Map would, and more of them than it takes.
    pub fn new<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Result<Self, InvalidAttributes>
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let mut pairs: Vec<(K, V)> = pairs.into_iter().collect();
        for (key, value) in &pairs {
            check(key.as_ref(), value.as_ref())?;
        }
        pairs.sort_unstable_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        if let Some(twice) = pairs.windows(2).find(|two| two[0].0.as_ref() == two[1].0.as_ref()) {
            return Err(InvalidAttributes::Duplicate(twice[0].0.as_ref().into()));
        }
        let custom = pairs.iter().filter(|(key, _)| !key.as_ref().starts_with("AWS_")).count();
        if custom > Self::MAX_CUSTOM {
            return Err(InvalidAttributes::TooMany(custom));
        }
        let chars = pairs.iter().map(|(key, value)| key.as_ref().len() + value.as_ref().len()).sum();
        if chars > Self::MAX_CHARS {
            return Err(InvalidAttributes::TooLong(chars));
        }
        Ok(Self::pack(&pairs, chars))
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    /// Keys and values, by ascending key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = &*self.0;
        let mut next = move || {
            // Texts are short: walking finds their end before a vector search has begun.
            let end = rest.bytes().position(|octet| octet == NUL as u8)?;
            let text = &rest[..end];
            rest = &rest[end + 1..];
            Some(text)
        };
        std::iter::from_fn(move || Some((unpack_key(next()?), next()?)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.bytes().filter(|octet| *octet == NUL as u8).count() / 2
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text that they are packed in.
    pub(crate) fn as_packed(&self) -> &str {
        &self.0
    }

    /// What [`Attributes::as_packed`] gave.
    pub(crate) fn from_packed(packed: &str) -> Option<Self> {
        let pairs = packed.bytes().filter(|octet| *octet == NUL as u8).count();
        let whole = packed.is_empty() || packed.ends_with(NUL);
        (packed.is_ascii() && pairs.is_multiple_of(2) && whole).then(|| Self(packed.into()))
    }

    fn pack<K: AsRef<str>, V: AsRef<str>>(pairs: &[(K, V)], chars: usize) -> Self {
        let mut packed = String::with_capacity(chars + 2 * pairs.len());
        for (key, value) in pairs {
            match KNOWN.iter().find(|(_, known)| *known == key.as_ref()) {
                Some((code, _)) => packed.push_str(code),
                None => packed.push_str(key.as_ref()),
            }
            packed.push(NUL);
            packed.push_str(value.as_ref());
            packed.push(NUL);
        }
        Self(packed.into_boxed_str())
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.iter() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Attributes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of attributes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
                let mut pairs = Vec::with_capacity(8);
                while let Some(pair) = map.next_entry::<Text<'de>, Text<'de>>()? {
                    pairs.push(pair);
                }
                Attributes::new(pairs).map_err(serde::de::Error::custom)
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

/// Text borrowed from what it is read from where it holds no escape, so that a load copies it once.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] std::borrow::Cow<'a, str>);

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

const NUL: char = '\0';

/// What a known key is packed as. Stores hold these codes: none may change its meaning.
const KNOWN: [(&str, &str); 15] = [
    ("\x01", key::IPV4),
    ("\x02", key::IPV6),
    ("\x03", key::PORT),
    ("\x04", key::CNAME),
    ("\x05", key::ALIAS),
    ("\x06", key::EC2_INSTANCE),
    ("\x07", key::INIT_HEALTH),
    ("\x08", key::WEIGHT),
    ("\x0a", "AVAILABILITY_ZONE"),
    ("\x0b", "REGION"),
    ("\x0c", "ECS_SERVICE_NAME"),
    ("\x0d", "ECS_CLUSTER_NAME"),
    ("\x0e", "EC2_INSTANCE_ID"),
    ("\x0f", "ECS_TASK_DEFINITION_FAMILY"),
    ("\x10", "ECS_TASK_SET_EXTERNAL_ID"),
];

fn unpack_key(packed: &str) -> &str {
    match packed.as_bytes() {
        [code] if *code < b' ' => {
            KNOWN.iter().find(|(known, _)| *known == packed).map_or(packed, |(_, key)| key)
        }
        _ => packed,
    }
}

fn check(key: &str, value: &str) -> Result<(), InvalidAttributes> {
    let key_fits = (1..=Attributes::MAX_KEY_CHARS).contains(&key.len());
    if !key_fits || !key.bytes().all(|c| c.is_ascii_graphic()) {
        return Err(InvalidAttributes::Key(key.into()));
    }
    let printable = |c: u8| c.is_ascii_graphic() || c == b' ' || c == b'\t';
    let first_fits = value.bytes().next().is_none_or(|c| c.is_ascii_graphic());
    if value.len() > Attributes::MAX_VALUE_CHARS || !first_fits || !value.bytes().all(printable) {
        return Err(InvalidAttributes::Value(key.into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(pairs: &[(&str, &str)]) -> Attributes {
        Attributes::new(pairs.iter().copied()).unwrap()
    }

    #[test]
    fn pairs_come_back_by_ascending_key() {
        let given = attributes(&[("b", "2"), (key::IPV4, "192.0.2.1"), ("a", ""), ("B", "x y\tz")]);
        let pairs: Vec<_> = given.iter().collect();
        assert_eq!(pairs, [(key::IPV4, "192.0.2.1"), ("B", "x y\tz"), ("a", ""), ("b", "2")]);
        assert_eq!(given.get("b"), Some("2"));
        assert_eq!(given.get("c"), None);
        assert_eq!(given.len(), 4);
    }

    #[test]
    fn json_reads_back_what_it_writes() {
        let given = attributes(&[("quote\"", "back\\slash"), (key::PORT, "80"), ("empty", "")]);
        let json = serde_json::to_string(&given).unwrap();
        assert_eq!(serde_json::from_str::<Attributes>(&json).unwrap(), given);
    }

    #[test]
    fn known_keys_take_one_octet() {
        assert_eq!(
            attributes(&[(key::IPV4, "192.0.2.1"), ("REGION", "x")]).0.len(),
            1 + 1 + 9 + 1 + 1 + 1 + 1 + 1
        );
    }

    #[test]
    fn the_codes_of_known_keys_are_the_stores_and_stay() {
        let told: String =
            KNOWN.iter().map(|(code, key)| format!("{:02x} {key}\n", code.as_bytes()[0])).collect();
        let expected = "01 AWS_INSTANCE_IPV4\n02 AWS_INSTANCE_IPV6\n03 AWS_INSTANCE_PORT\n04 AWS_INSTANCE_CNAME\n\
            05 AWS_ALIAS_DNS_NAME\n06 AWS_EC2_INSTANCE_ID\n07 AWS_INIT_HEALTH_STATUS\n08 AWS_INSTANCE_WEIGHT\n\
            0a AVAILABILITY_ZONE\n0b REGION\n0c ECS_SERVICE_NAME\n0d ECS_CLUSTER_NAME\n0e EC2_INSTANCE_ID\n\
            0f ECS_TASK_DEFINITION_FAMILY\n10 ECS_TASK_SET_EXTERNAL_ID\n";
        assert_eq!(told, expected);
    }

    #[test]
    fn text_that_is_not_pairs_is_not_packed_attributes() {
        for text in ["\0", "k\0", "k\0v", "k\0v\0x", "é\0v\0"] {
            assert_eq!(Attributes::from_packed(text), None, "{text:?}");
        }
        let given = attributes(&[("k", "v"), (key::IPV4, "192.0.2.1"), ("empty", "")]);
        assert_eq!(Attributes::from_packed(given.as_packed()), Some(given));
    }

    #[test]
    fn what_cloud_map_refuses_is_refused() {
        let refused = |key: &str, value: &str| Attributes::new([(key, value)]).unwrap_err();
        assert!(matches!(refused("", "v"), InvalidAttributes::Key(_)));
        assert!(matches!(refused("a b", "v"), InvalidAttributes::Key(_)));
        assert!(matches!(refused(&"k".repeat(256), "v"), InvalidAttributes::Key(_)));
        assert!(matches!(refused("k", " v"), InvalidAttributes::Value(_)));
        assert!(matches!(refused("k", "a\nb"), InvalidAttributes::Value(_)));
        assert!(matches!(refused("k", "a\0b"), InvalidAttributes::Value(_)));
        assert!(matches!(refused("k", "café"), InvalidAttributes::Value(_)));
        assert!(matches!(refused("k", &"v".repeat(1025)), InvalidAttributes::Value(_)));
    }

    #[test]
    fn the_limits_count_custom_attributes_and_all_characters() {
        let many = |n: usize| Attributes::new((0..n).map(|i| (format!("k{i}"), "v")));
        assert!(many(30).is_ok());
        assert_eq!(many(31), Err(InvalidAttributes::TooMany(31)));
        let long = |n: usize| Attributes::new((0..n).map(|i| (format!("k{i}"), "v".repeat(998))));
        assert!(long(5).is_ok());
        assert_eq!(long(6), Err(InvalidAttributes::TooLong(6000)));
        assert_eq!(Attributes::new([("k", "1"), ("k", "2")]), Err(InvalidAttributes::Duplicate("k".into())));
    }
}
