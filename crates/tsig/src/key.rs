//! Keys by name.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cartonym_wire::{Name, NameBuf};

use crate::algorithm::{Algorithm, State};

/// A secret that two hosts share, its name and its algorithm. It prints without the secret.
#[derive(Clone)]
pub struct Key {
    /// In lower case.
    name: NameBuf,
    algorithm: Algorithm,
    /// The secret, worked into the beginning of every code.
    state: State,
    /// Octets that a code must have here.
    least_mac_len: usize,
}

/// Keys by name, cheap to clone. A name has one key.
#[derive(Clone, Default)]
pub struct Keys {
    keys: Arc<HashMap<NameBuf, Arc<Key>>>,
    takes_sha1: bool,
}

/// Keys that are collected while a program is configured.
#[derive(Debug, Default)]
pub struct Keyring {
    // Taken while configuring only.
    keys: Mutex<Keys>,
}

/// Why something is no key, or not one of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A key without a secret protects nothing.
    #[error("the secret is empty")]
    EmptySecret,
    /// The text is not Base64.
    #[error("the secret is not Base64")]
    NotBase64,
    /// SHA-1 is not taken unless asked for.
    #[error("hmac-sha1 is not taken; hmac-sha256 is what every server has")]
    Sha1,
    /// The name has a key already, and a different one.
    #[error("a different key of this name is there already")]
    Repeated,
}

impl Key {
    /// A key of its raw secret.
    ///
    /// # Errors
    ///
    /// [`KeyError::EmptySecret`].
    pub fn new(name: &Name, algorithm: Algorithm, secret: &[u8]) -> Result<Key, KeyError> {
        let state =
            Some(secret).filter(|secret| !secret.is_empty()).and_then(|secret| algorithm.keyed(secret));
        let state = state.ok_or(KeyError::EmptySecret)?;
        Ok(Key { name: name.to_lowercase(), algorithm, state, least_mac_len: algorithm.mac_len() })
    }

    /// A key of its secret in Base64, as in the configuration of other servers.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn from_base64(name: &Name, algorithm: Algorithm, secret: &str) -> Result<Key, KeyError> {
        let secret =
            data_encoding::BASE64.decode(secret.trim().as_bytes()).map_err(|_| KeyError::NotBase64)?;
        Key::new(name, algorithm, &secret)
    }

    /// Takes codes that are cut to `octets`, or to as few as RFC 8945 §5.2.2.1 allows; whole ones only if not called.
    #[must_use]
    pub fn truncated_to(mut self, octets: usize) -> Key {
        self.least_mac_len = octets.clamp(self.algorithm.least_mac_len(), self.algorithm.mac_len());
        self
    }

    /// Its name, in lower case.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn least_mac_len(&self) -> usize {
        self.least_mac_len
    }

    /// A code to be of this key.
    pub(crate) fn state(&self) -> State {
        self.state.clone()
    }
}

impl Keys {
    /// No keys.
    pub fn new() -> Keys {
        Keys::default()
    }

    /// Takes keys of SHA-1 as well.
    #[must_use]
    pub fn with_sha1(mut self) -> Keys {
        self.takes_sha1 = true;
        self
    }

    /// Adds a key.
    ///
    /// # Errors
    ///
    /// [`KeyError::Sha1`], or [`KeyError::Repeated`] where the name has another key.
    pub fn add(&mut self, key: Key) -> Result<(), KeyError> {
        if key.algorithm == Algorithm::HmacSha1 && !self.takes_sha1 {
            return Err(KeyError::Sha1);
        }
        if let Some(there) = self.keys.get(key.name()) {
            return if there.is(&key) { Ok(()) } else { Err(KeyError::Repeated) };
        }
        Arc::make_mut(&mut self.keys).insert(key.name, Arc::new(key));
        Ok(())
    }

    /// The key of this name.
    pub fn get(&self, name: &Name) -> Option<&Arc<Key>> {
        self.keys.get(name)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }
}

impl Key {
    /// Whether two keys are the same: by what they make, as secrets are not kept.
    fn is(&self, other: &Key) -> bool {
        self.algorithm == other.algorithm && self.state().is(other.state().finish().as_bytes())
    }
}

impl Keyring {
    /// Adds a key.
    ///
    /// # Errors
    ///
    /// As [`Keys::add`].
    pub fn add(&self, key: Key) -> Result<(), KeyError> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).add(key)
    }

    /// The keys so far.
    pub fn keys(&self) -> Keys {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.algorithm)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys.values()).finish()
    }
}
