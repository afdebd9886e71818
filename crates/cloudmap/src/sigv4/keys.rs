//! The access keys a server knows.

use std::collections::HashMap;
use std::fmt;

/// Access keys by their id; with none, every request is accepted, signed or not.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AccessKeys(HashMap<String, String>);

impl AccessKeys {
    /// Knows no key, and so accepts every request.
    pub fn none() -> AccessKeys {
        AccessKeys::default()
    }

    /// Adds a key; an id that is known gets the new secret.
    #[must_use]
    pub fn with(mut self, id: impl Into<String>, secret: impl Into<String>) -> AccessKeys {
        self.0.insert(id.into(), secret.into());
        self
    }

    /// Whether there is a key of this id.
    pub fn contains(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// Whether every request is accepted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn secret(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }
}

/// Shows the ids; a secret is never printed.
impl fmt::Debug for AccessKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
