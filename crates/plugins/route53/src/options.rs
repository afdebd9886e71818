//! Who is asked, and how often.

use std::path::PathBuf;
use std::time::Duration;

use cartonym_aws::AccessKey;

/// Who is asked, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where Route 53 is, such as `http://192.0.2.1:4566`; AWS itself where it is not given.
    pub endpoint: Option<String>,
    /// Who asks; where neither this nor `profile` is given, whoever the environment or the machine is.
    pub key: Option<AccessKey>,
    /// Where it is written who asks.
    pub profile: Option<Profile>,
    /// The time between two readings of a hosted zone.
    pub refresh: Duration,
}

/// A profile of AWS's configuration files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// The file of credentials it stands in; the usual ones if none.
    pub file: Option<PathBuf>,
}

impl Options {
    /// Whether the same is asked by the same, however often.
    pub(crate) fn is_same_source(&self, other: &Options) -> bool {
        let source = |options: &Options| Options { refresh: REFRESH, ..options.clone() };
        source(self) == source(other)
    }
}

impl Default for Options {
    fn default() -> Options {
        Options { endpoint: None, key: None, profile: None, refresh: REFRESH }
    }
}

/// As often as CoreDNS does.
const REFRESH: Duration = Duration::from_secs(60);
