//! Whose key signs.

use std::fmt;

use aws_credential_types::Credentials;

/// A pair of keys.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// The id of the key.
    pub id: String,
    /// What requests are signed with.
    pub secret: String,
}

impl From<&AccessKey> for Credentials {
    fn from(key: &AccessKey) -> Credentials {
        Credentials::new(&key.id, &key.secret, None, None, "given")
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let key = AccessKey { id: "AKID".into(), secret: "hush".into() };
        assert!(!format!("{key:?}").contains("hush"));
    }
}
