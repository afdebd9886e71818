//! The end that asks: a request is signed, and its responses are verified.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cartonym_wire::{MAX_MESSAGE_LEN, Message, ParseError, Rcode, Type};

use crate::algorithm::{Algorithm, State};
use crate::key::Key;
use crate::record::{ADDITIONAL_AT, Tsig, Variables, append, read_word, record_len};

/// A signed request, and what verifies its responses, one after the other.
pub struct Exchange {
    key: Arc<Key>,
    /// The next code: the one before it, and the messages since.
    state: State,
    is_first: bool,
    /// Messages since the last that was signed.
    unsigned: u8,
}

/// Why a response is not the one that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The message or its record is malformed.
    #[error("the response or its signature is malformed")]
    Malformed,
    /// It ought to be signed, and is not.
    #[error("the response is not signed")]
    Unsigned,
    /// It is signed with another key.
    #[error("the response is signed with another key")]
    OtherKey,
    /// The code is wrong.
    #[error("the response's signature is wrong")]
    BadSignature,
    /// It was signed too long ago, or by a clock that is ahead.
    #[error("the response's time of signature is too far from the time here")]
    BadTime,
    /// The server does not take the signature of the request: BADKEY, 16 for BADSIG, BADTIME or BADTRUNC.
    #[error("the server refuses the signature: {}", reason(*.0))]
    Refused(Rcode),
}

/// Messages of a response that may follow each other without a signature (RFC 8945 §5.3.1).
const MAX_UNSIGNED: u8 = 99;

impl Key {
    /// Signs a request, which must not be signed yet; none if it is no message, or too long to be signed.
    pub fn sign(self: &Arc<Key>, message: &mut Vec<u8>, now: Duration) -> Option<Exchange> {
        let algorithm = self.algorithm();
        let variables = Variables::at(now);
        let mut state = self.state();
        state.message(message);
        state.variables(self.name(), algorithm.as_wire(), &variables);
        let mac = state.finish();
        let len = message.len();
        let room = record_len(self.name(), algorithm.as_wire(), algorithm.mac_len(), 0);
        message.resize(len.saturating_add(room), 0);
        append(message, len, self.name(), algorithm.as_wire(), &variables, mac.as_bytes())
            .filter(|end| *end <= MAX_MESSAGE_LEN)?;
        Some(Exchange::after(Arc::clone(self), mac.as_bytes()))
    }
}

impl Exchange {
    fn after(key: Arc<Key>, mac: &[u8]) -> Exchange {
        let mut state = key.state();
        state.prior(mac);
        Exchange { key, state, is_first: true, unsigned: 0 }
    }

    /// Verifies the next message of the response, and takes its TSIG record off.
    ///
    /// A message in the middle of many need not be signed; it is verified with the next that is, so that nothing may
    /// be believed before [`Exchange::finish`].
    ///
    /// # Errors
    ///
    /// [`VerifyError`]; the exchange is over then.
    pub fn verify(&mut self, message: &mut Vec<u8>, now: Duration) -> Result<(), VerifyError> {
        let Some(tsig) = find(message)? else {
            return self.take_unsigned(message);
        };
        let start = tsig.start;
        self.verify_signed(message, &tsig, now)?;
        message.truncate(start);
        let count = read_word(message, ADDITIONAL_AT).unwrap_or_default().saturating_sub(1);
        if let Some(to) = message.get_mut(ADDITIONAL_AT..ADDITIONAL_AT + 2) {
            to.copy_from_slice(&count.to_be_bytes());
        }
        Ok(())
    }

    /// Says that there are no more messages.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Unsigned`] if the last was not signed.
    pub fn finish(self) -> Result<(), VerifyError> {
        if self.is_first || self.unsigned > 0 { Err(VerifyError::Unsigned) } else { Ok(()) }
    }

    fn take_unsigned(&mut self, message: &[u8]) -> Result<(), VerifyError> {
        if self.is_first || self.unsigned >= MAX_UNSIGNED {
            return Err(VerifyError::Unsigned);
        }
        self.unsigned = self.unsigned.saturating_add(1);
        self.state.message(message);
        Ok(())
    }

    fn verify_signed(&mut self, message: &[u8], tsig: &Tsig<'_>, now: Duration) -> Result<(), VerifyError> {
        let algorithm = self.key.algorithm();
        if tsig.key != *self.key.name() || Algorithm::of(tsig.algorithm) != Some(algorithm) {
            return Err(VerifyError::OtherKey);
        }
        if tsig.mac.is_empty() && tsig.error() != Rcode::NOERROR {
            return Err(VerifyError::Refused(tsig.error()));
        }
        if !(self.key.least_mac_len()..=algorithm.mac_len()).contains(&tsig.mac.len()) {
            return Err(VerifyError::Malformed);
        }
        let mut state = self.state.clone();
        state.message_without_tsig(message, tsig.start, tsig.original_id);
        match self.is_first {
            true => state.variables(self.key.name(), algorithm.as_wire(), &tsig.variables),
            false => state.timers(&tsig.variables),
        }
        if !state.is(tsig.mac) {
            return Err(VerifyError::BadSignature);
        }
        if !tsig.is_timely(now) {
            return Err(VerifyError::BadTime);
        }
        if tsig.error() != Rcode::NOERROR {
            return Err(VerifyError::Refused(tsig.error()));
        }
        self.state = self.key.state();
        self.state.prior(tsig.mac);
        self.is_first = false;
        self.unsigned = 0;
        Ok(())
    }
}

/// The TSIG record of a message, if it has one; it must be the last, and the only one.
fn find(message: &[u8]) -> Result<Option<Tsig<'_>>, VerifyError> {
    let mut found = None;
    for record in Message::new(message).map_err(malformed)?.records() {
        let record = record.map_err(malformed)?;
        if found.is_some() {
            return Err(VerifyError::Malformed);
        }
        if record.rtype == Type::TSIG {
            let tsig = Tsig::read(message, record.start).filter(|_| record.section == 2);
            found = Some(tsig.ok_or(VerifyError::Malformed)?);
        }
    }
    Ok(found)
}

fn malformed(_: ParseError) -> VerifyError {
    VerifyError::Malformed
}

fn reason(error: Rcode) -> String {
    match error {
        // The number is BADVERS in a header, and BADSIG here.
        Rcode(16) => "BADSIG".to_owned(),
        error => error.to_string(),
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("key", &self.key).finish_non_exhaustive()
    }
}
