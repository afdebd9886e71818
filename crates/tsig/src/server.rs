//! The end that answers: a request is verified, and its responses are signed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cartonym_wire::{NameBuf, Rcode};

use crate::algorithm::{Algorithm, Mac};
use crate::key::{Key, Keys};
use crate::record::{Tsig, Variables, append, record_len, time_octets};

/// A verified request, and what signs its responses, one after the other.
#[derive(Clone)]
pub struct Session {
    key: Arc<Key>,
    /// Of the request, and later of the response before.
    prior: Mac,
    is_first: bool,
}

/// Why a request is not taken.
#[derive(Debug)]
pub enum Rejection {
    /// The record is malformed, or its code too short or too long: FORMERR, without a record.
    Malformed,
    /// The response is NOTAUTH, with a record that says why.
    Refused(Box<ErrorReply>),
}

/// The record of a response to a request that is not taken (RFC 8945 §5.3.2).
pub struct ErrorReply {
    key: NameBuf,
    /// As on the wire: the request's, known or not.
    algorithm: Box<[u8]>,
    error: Rcode,
    /// What signs it; none where key or code were wrong, lest it be signed for anybody.
    session: Option<Late>,
}

/// A request whose code is right and still is not taken.
struct Late {
    session: Session,
    time: u64,
    fudge: u16,
}

impl Keys {
    /// Verifies a request whose TSIG record, its last, begins at `at`.
    ///
    /// # Errors
    ///
    /// [`Rejection`], in the order of RFC 8945 §5.2: the key, the code, the time, the code's length.
    pub fn verify(&self, message: &[u8], at: usize, now: Duration) -> Result<Session, Rejection> {
        let tsig = Tsig::read(message, at).ok_or(Rejection::Malformed)?;
        let algorithm = Algorithm::of(tsig.algorithm);
        let Some(key) = self.get(&tsig.key).filter(|key| Some(key.algorithm()) == algorithm) else {
            return Err(Rejection::unsigned(&tsig, Rcode::BADKEY));
        };
        let algorithm = key.algorithm();
        if !(algorithm.least_mac_len()..=algorithm.mac_len()).contains(&tsig.mac.len()) {
            return Err(Rejection::Malformed);
        }
        let mut state = key.state();
        state.message_without_tsig(message, tsig.start, tsig.original_id);
        state.variables(key.name(), algorithm.as_wire(), &tsig.variables);
        if !state.is(tsig.mac) {
            return Err(Rejection::unsigned(&tsig, BADSIG));
        }
        let session = Session { key: Arc::clone(key), prior: Mac::new(tsig.mac), is_first: true };
        if !tsig.is_timely(now) {
            return Err(Rejection::signed(&tsig, session, Rcode::BADTIME));
        }
        if tsig.mac.len() < key.least_mac_len() {
            return Err(Rejection::signed(&tsig, session, Rcode::BADTRUNC));
        }
        Ok(session)
    }
}

impl Session {
    /// The key of the request.
    pub fn key(&self) -> &Arc<Key> {
        &self.key
    }

    /// Octets that a signature takes: the room to keep at a response's end.
    pub fn room(&self) -> usize {
        let algorithm = self.key.algorithm();
        record_len(self.key.name(), algorithm.as_wire(), algorithm.mac_len(), 0)
    }

    /// Signs the response that the first `len` octets of `out` are, and gives its new length; none if `out` has no
    /// room for it. The responses of one request are signed in their order.
    pub fn sign(&mut self, out: &mut [u8], len: usize, now: Duration) -> Option<usize> {
        self.sign_with(out, len, &Variables::at(now))
    }

    /// As [`Session::sign`], for a message that grows.
    pub fn sign_vec(&mut self, message: &mut Vec<u8>, now: Duration) -> Option<()> {
        let len = message.len();
        message.resize(len.saturating_add(self.room()), 0);
        let end = self.sign(message, len, now).filter(|end| *end <= cartonym_wire::MAX_MESSAGE_LEN)?;
        message.truncate(end);
        Some(())
    }

    fn sign_with(&mut self, out: &mut [u8], len: usize, variables: &Variables<'_>) -> Option<usize> {
        let algorithm = self.key.algorithm().as_wire();
        let mut state = self.key.state();
        state.prior(self.prior.as_bytes());
        state.message(out.get(..len)?);
        match self.is_first {
            true => state.variables(self.key.name(), algorithm, variables),
            false => state.timers(variables),
        }
        let mac = state.finish();
        let end = append(out, len, self.key.name(), algorithm, variables, mac.as_bytes())?;
        self.prior = mac;
        self.is_first = false;
        Some(end)
    }
}

impl Rejection {
    fn unsigned(tsig: &Tsig<'_>, error: Rcode) -> Rejection {
        Rejection::refused(tsig, error, None)
    }

    fn signed(tsig: &Tsig<'_>, session: Session, error: Rcode) -> Rejection {
        let Variables { time, fudge, .. } = tsig.variables;
        Rejection::refused(tsig, error, Some(Late { session, time, fudge }))
    }

    fn refused(tsig: &Tsig<'_>, error: Rcode, session: Option<Late>) -> Rejection {
        let algorithm = tsig.algorithm.as_wire().into();
        Rejection::Refused(Box::new(ErrorReply { key: tsig.key, algorithm, error, session }))
    }
}

impl ErrorReply {
    /// What is wrong: BADKEY, BADSIG (16), BADTIME or BADTRUNC.
    pub fn error(&self) -> Rcode {
        self.error
    }

    /// Octets that the record takes at most.
    pub fn room(&self) -> usize {
        let mac_len = self.session.as_ref().map_or(0, |late| late.session.key.algorithm().mac_len());
        record_len(&self.key, &self.algorithm, mac_len, 6)
    }

    /// Puts the record behind the response that the first `len` octets of `out` are, signed where it may be; gives
    /// the new length, or none if there is no room.
    pub fn append(mut self, out: &mut [u8], len: usize, now: Duration) -> Option<usize> {
        let server_time = time_octets(now.as_secs());
        let other = if self.error == Rcode::BADTIME { &server_time[..] } else { &[] };
        let Some(Late { session, time, fudge }) = &mut self.session else {
            let variables = Variables { error: self.error, ..Variables::at(now) };
            return append(out, len, &self.key, &self.algorithm, &variables, &[]);
        };
        // The client's own time, so that it can verify this with a clock that is wrong (RFC 8945 §5.2.3).
        let variables = Variables { time: *time, fudge: *fudge, error: self.error, other };
        session.sign_with(out, len, &variables)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("key", &self.key).finish_non_exhaustive()
    }
}

impl fmt::Debug for ErrorReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for key {}", self.error, self.key)
    }
}

/// The code is wrong; as an rcode of a message the number is BADVERS (RFC 8945 §3).
const BADSIG: Rcode = Rcode(16);
