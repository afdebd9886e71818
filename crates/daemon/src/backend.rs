//! What the `registry` directive says of where a registry is kept.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cartonym::backends::embedded::Embedded;
use cartonym::backends::etcd::{Credentials, Etcd, Options, Tls};
use cartonym::corefile::{Directive, Error, Word};
use cartonym::registry::{Backend, LastSeen, MemoryBackend};

use crate::registries::report;

/// Where a registry is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BackendSettings {
    /// In memory, and gone with the process.
    Memory,
    /// In a folder.
    Embedded(PathBuf),
    /// In etcd, below a prefix.
    Etcd {
        options: Options,
        prefix: String,
        /// Where it is kept in case etcd is away at the next start.
        last_seen: LastSeen,
    },
}

impl BackendSettings {
    /// The words of the block that say more about a backend.
    pub(crate) const PROPERTIES: [&str; 5] = ["prefix", "credentials", "tls", "last_seen", "allow_empty"];

    pub(crate) fn parse(entry: &Directive) -> Result<BackendSettings, Error> {
        let args = entry.arg_count(1..=MOST_ENDPOINTS)?;
        let [kind, rest @ ..] = args else { return Err(entry.error("which backend?")) };
        match (kind.as_str(), rest) {
            ("memory", []) => Ok(BackendSettings::Memory),
            ("memory", [extra, ..]) => Err(extra.error("a registry in memory takes no argument")),
            ("embedded", []) => Ok(BackendSettings::default()),
            ("embedded", [folder]) => Ok(BackendSettings::Embedded(folder.as_str().into())),
            ("embedded", [_, extra, ..]) => Err(extra.error("an embedded registry takes one folder")),
            ("etcd", endpoints) => {
                let mut options = Options::default();
                if !endpoints.is_empty() {
                    options.endpoints = endpoints.iter().map(endpoint).collect::<Result<_, _>>()?;
                }
                let path = Path::new(DEFAULT_FOLDER).join("last-seen.jsonl");
                let last_seen = LastSeen { path, allow_empty: false };
                Ok(BackendSettings::Etcd { options, prefix: DEFAULT_PREFIX.to_owned(), last_seen })
            }
            _ => Err(kind.one_of(&["embedded", "etcd", "memory"]).err().unwrap_or_else(|| entry.error(""))),
        }
    }

    /// Reads one line that says more; the backend stands before it.
    pub(crate) fn entry(&mut self, entry: &Directive) -> Result<(), Error> {
        let BackendSettings::Etcd { options, prefix, last_seen } = self else {
            return Err(entry.error("this is for `backend etcd`, which stands before it"));
        };
        match (entry.name(), entry.arg_count(0..=3)?) {
            ("allow_empty", []) => last_seen.allow_empty = true,
            ("last_seen", [path]) => last_seen.path = path.as_str().into(),
            ("prefix", [path]) => *prefix = path.as_str().to_owned(),
            ("credentials", [user, password]) => {
                let (user, password) = (user.as_str().to_owned(), password.as_str().to_owned());
                options.credentials = Some(Credentials { user, password });
            }
            ("tls", [authority]) => options.tls = Some(tls(Some(authority), None)),
            ("tls", [certificate, key]) => options.tls = Some(tls(None, Some((certificate, key)))),
            ("tls", [certificate, key, authority]) => {
                options.tls = Some(tls(Some(authority), Some((certificate, key))));
            }
            _ => return Err(entry.error(LINES)),
        }
        Ok(())
    }

    /// Where it is kept in case it is away at the next start.
    pub(crate) fn last_seen(&self) -> Option<&LastSeen> {
        match self {
            BackendSettings::Etcd { last_seen, .. } => Some(last_seen),
            _ => None,
        }
    }

    /// Opens it; for etcd, nobody is called yet.
    ///
    /// # Errors
    ///
    /// Says why not, on one line.
    pub(crate) fn open(&self) -> Result<Arc<dyn Backend>, String> {
        Ok(match self {
            BackendSettings::Memory => Arc::new(MemoryBackend::new()),
            BackendSettings::Embedded(folder) => {
                Arc::new(Embedded::open(folder).map_err(|error| report(&error))?)
            }
            BackendSettings::Etcd { options, prefix, last_seen } => {
                let folder = last_seen.path.parent().filter(|folder| !folder.as_os_str().is_empty());
                let made = folder.map_or(Ok(()), std::fs::create_dir_all);
                made.map_err(|error| format!("{}: {error}", last_seen.path.display()))?;
                Arc::new(Etcd::new(options, prefix).map_err(|error| report(&error))?)
            }
        })
    }
}

impl Default for BackendSettings {
    fn default() -> Self {
        BackendSettings::Embedded(DEFAULT_FOLDER.into())
    }
}

impl fmt::Display for BackendSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackendSettings::Memory => f.write_str("in memory"),
            BackendSettings::Embedded(folder) => fmt::Display::fmt(&folder.display(), f),
            BackendSettings::Etcd { options, prefix, .. } => {
                write!(f, "etcd {} {prefix}", options.endpoints.join(" "))
            }
        }
    }
}

fn endpoint(word: &Word) -> Result<String, Error> {
    let text = word.as_str();
    let rest = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    let port = rest.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    match port {
        Some(_) => Ok(text.to_owned()),
        None => Err(word.error("an endpoint such as http://127.0.0.1:2379 is meant")),
    }
}

fn tls(authority: Option<&Word>, identity: Option<(&Word, &Word)>) -> Tls {
    let path = |word: &Word| PathBuf::from(word.as_str());
    Tls { authority: authority.map(path), identity: identity.map(|(cert, key)| (path(cert), path(key))) }
}

/// Where the registry is if nothing says otherwise.
pub(crate) const DEFAULT_FOLDER: &str = "./cartonym-data";
/// Where the registry is in etcd if nothing says otherwise.
const DEFAULT_PREFIX: &str = "/cartonym";
/// What may stand on a line that says more.
const LINES: &str = "`prefix PATH`, `credentials USER PASSWORD`, `tls [CERT KEY] [CA]`, `last_seen FILE` or `allow_empty` \
                     is meant";
/// The kind and its endpoints.
const MOST_ENDPOINTS: usize = 16;
