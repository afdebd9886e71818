//! Moments as each protocol writes them.

use cartonym_registry::Timestamp;
use ciborium::tag::Required;
use serde::{Serialize, Serializer};

/// A moment in a response: epoch seconds with milliseconds as their fraction, in CBOR under tag 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Epoch(pub(crate) Timestamp);

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seconds = self.0.as_seconds();
        if serializer.is_human_readable() {
            return seconds.serialize(serializer);
        }
        Required::<f64, CBOR_EPOCH>(seconds).serialize(serializer)
    }
}

/// Epoch-based date and time (RFC 8949 §3.4.2).
const CBOR_EPOCH: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_at_most_milliseconds() {
        let json = |millis| serde_json::to_string(&Epoch(Timestamp::from_millis(millis))).unwrap();
        assert_eq!(json(1_516_925_490_087), "1516925490.087");
        assert_eq!(json(1_516_925_490_100), "1516925490.1");
        assert_eq!(json(0), "0.0");
    }

    #[test]
    fn cbor_is_tag_one_over_a_number() {
        let mut octets = Vec::new();
        ciborium::into_writer(&Epoch(Timestamp::from_millis(1_500)), &mut octets).unwrap();
        let value: ciborium::Value = ciborium::from_reader(octets.as_slice()).unwrap();
        assert_eq!(value, ciborium::Value::Tag(1, Box::new(ciborium::Value::Float(1.5))));
    }
}
