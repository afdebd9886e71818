//! The algorithms by name, and their codes in the making.

use std::fmt;
use std::str::FromStr;

use cartonym_wire::Name;
use hmac::{Hmac, Mac as _};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

/// A message authentication code of RFC 8945 §6. MD5 is not among them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Algorithm {
    /// For peers that have nothing better; taken only where asked for.
    HmacSha1,
    /// HMAC of SHA-224.
    HmacSha224,
    /// HMAC of SHA-256, which every implementation has.
    HmacSha256,
    /// HMAC of SHA-384.
    HmacSha384,
    /// HMAC of SHA-512.
    HmacSha512,
}

/// The text names no algorithm that there is here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "no algorithm of this name; there are hmac-sha224, hmac-sha256, hmac-sha384, hmac-sha512 and hmac-sha1"
)]
pub struct UnknownAlgorithm;

/// A code, at most as long as the longest there is.
#[derive(Clone, Copy)]
pub(crate) struct Mac {
    len: u8,
    octets: [u8; MAX_MAC_LEN],
}

/// A code in the making, its key worked in already.
#[derive(Clone)]
pub(crate) enum State {
    Sha1(Hmac<Sha1>),
    Sha224(Hmac<Sha224>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
}

/// Octets of the longest code.
const MAX_MAC_LEN: usize = 64;

impl Algorithm {
    /// All there are.
    pub const ALL: [Algorithm; 5] = [
        Algorithm::HmacSha1,
        Algorithm::HmacSha224,
        Algorithm::HmacSha256,
        Algorithm::HmacSha384,
        Algorithm::HmacSha512,
    ];

    /// The algorithm of this name.
    pub fn of(name: &Name) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| name.as_wire().eq_ignore_ascii_case(algorithm.as_wire()))
    }

    /// Its name, as on the wire.
    pub const fn as_wire(self) -> &'static [u8] {
        match self {
            Algorithm::HmacSha1 => b"\x09hmac-sha1\0",
            Algorithm::HmacSha224 => b"\x0bhmac-sha224\0",
            Algorithm::HmacSha256 => b"\x0bhmac-sha256\0",
            Algorithm::HmacSha384 => b"\x0bhmac-sha384\0",
            Algorithm::HmacSha512 => b"\x0bhmac-sha512\0",
        }
    }

    /// Octets of a whole code.
    pub const fn mac_len(self) -> usize {
        match self {
            Algorithm::HmacSha1 => 20,
            Algorithm::HmacSha224 => 28,
            Algorithm::HmacSha256 => 32,
            Algorithm::HmacSha384 => 48,
            Algorithm::HmacSha512 => 64,
        }
    }

    /// Octets below which a shortened code is malformed: ten, or half of the whole (RFC 8945 §5.2.2.1).
    pub const fn least_mac_len(self) -> usize {
        let half = self.mac_len().div_ceil(2);
        if half < 10 { 10 } else { half }
    }

    /// A code in the making. A key of any length will do.
    pub(crate) fn keyed(self, secret: &[u8]) -> Option<State> {
        Some(match self {
            Algorithm::HmacSha1 => State::Sha1(Hmac::new_from_slice(secret).ok()?),
            Algorithm::HmacSha224 => State::Sha224(Hmac::new_from_slice(secret).ok()?),
            Algorithm::HmacSha256 => State::Sha256(Hmac::new_from_slice(secret).ok()?),
            Algorithm::HmacSha384 => State::Sha384(Hmac::new_from_slice(secret).ok()?),
            Algorithm::HmacSha512 => State::Sha512(Hmac::new_from_slice(secret).ok()?),
        })
    }
}

impl State {
    pub(crate) fn update(&mut self, octets: &[u8]) {
        match self {
            State::Sha1(hmac) => hmac.update(octets),
            State::Sha224(hmac) => hmac.update(octets),
            State::Sha256(hmac) => hmac.update(octets),
            State::Sha384(hmac) => hmac.update(octets),
            State::Sha512(hmac) => hmac.update(octets),
        }
    }

    pub(crate) fn finish(self) -> Mac {
        match self {
            State::Sha1(hmac) => Mac::new(&hmac.finalize().into_bytes()),
            State::Sha224(hmac) => Mac::new(&hmac.finalize().into_bytes()),
            State::Sha256(hmac) => Mac::new(&hmac.finalize().into_bytes()),
            State::Sha384(hmac) => Mac::new(&hmac.finalize().into_bytes()),
            State::Sha512(hmac) => Mac::new(&hmac.finalize().into_bytes()),
        }
    }

    /// Whether `mac` is this code, or its beginning; takes as long whatever differs.
    pub(crate) fn is(self, mac: &[u8]) -> bool {
        let verified = match self {
            State::Sha1(hmac) => hmac.verify_truncated_left(mac),
            State::Sha224(hmac) => hmac.verify_truncated_left(mac),
            State::Sha256(hmac) => hmac.verify_truncated_left(mac),
            State::Sha384(hmac) => hmac.verify_truncated_left(mac),
            State::Sha512(hmac) => hmac.verify_truncated_left(mac),
        };
        verified.is_ok()
    }
}

impl Mac {
    /// The code that `octets` are; none is longer than the room for it.
    pub(crate) fn new(octets: &[u8]) -> Mac {
        let mut mac = Mac { len: octets.len().min(MAX_MAC_LEN) as u8, octets: [0; MAX_MAC_LEN] };
        mac.octets.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
        mac
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Algorithm::HmacSha1 => "hmac-sha1",
            Algorithm::HmacSha224 => "hmac-sha224",
            Algorithm::HmacSha256 => "hmac-sha256",
            Algorithm::HmacSha384 => "hmac-sha384",
            Algorithm::HmacSha512 => "hmac-sha512",
        })
    }
}

/// Reads `hmac-sha256`, in any case, with or without a dot at its end.
impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Algorithm, UnknownAlgorithm> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let named = |algorithm: &Algorithm| algorithm.to_string().eq_ignore_ascii_case(text);
        Algorithm::ALL.into_iter().find(named).ok_or(UnknownAlgorithm)
    }
}
