//! What a code is made of (RFC 8945 §4.3).

use cartonym_wire::{HEADER_LEN, Name};

use crate::algorithm::State;
use crate::record::{ADDITIONAL_AT, Variables, read_word, time_octets};

impl State {
    /// The code before: a response is bound to its request, and a message of many to the one before.
    pub(crate) fn prior(&mut self, mac: &[u8]) {
        self.update(&(mac.len() as u16).to_be_bytes());
        self.update(mac);
    }

    /// A message that has no TSIG record.
    pub(crate) fn message(&mut self, message: &[u8]) {
        self.update(message);
    }

    /// A message as it was before its TSIG record, which begins at `start`, was put there.
    pub(crate) fn message_without_tsig(&mut self, message: &[u8], start: usize, original_id: u16) {
        let count = read_word(message, ADDITIONAL_AT).unwrap_or_default().saturating_sub(1);
        self.update(&original_id.to_be_bytes());
        self.update(message.get(2..ADDITIONAL_AT).unwrap_or_default());
        self.update(&count.to_be_bytes());
        self.update(message.get(HEADER_LEN..start).unwrap_or_default());
    }

    /// All that a record says; `key` is in lower case, as is `algorithm`.
    pub(crate) fn variables(&mut self, key: &Name, algorithm: &[u8], variables: &Variables<'_>) {
        self.update(key.as_wire());
        // Class ANY, TTL 0.
        self.update(&[0, 255, 0, 0, 0, 0]);
        self.update(algorithm);
        self.timers(variables);
        self.update(&variables.error.0.to_be_bytes());
        self.update(&(variables.other.len() as u16).to_be_bytes());
        self.update(variables.other);
    }

    /// Only time and fudge: from the second message of a response on (RFC 8945 §5.3.1).
    pub(crate) fn timers(&mut self, variables: &Variables<'_>) {
        self.update(&time_octets(variables.time));
        self.update(&variables.fudge.to_be_bytes());
    }
}
