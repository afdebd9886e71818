//! What the `registry` directive says of where a registry is kept.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cartonym::backends::embedded::Embedded;
use cartonym::backends::etcd::{Etcd, Options};
use cartonym::backends::file::{self, File};
#[cfg(feature = "remote")]
use cartonym::backends::remote::Remote;
use cartonym::corefile::{Directive, Error};
use cartonym::plugins::etcd::connection;
use cartonym::registry::{Backend, LastSeen, MemoryBackend};

use crate::counted::counted;
use crate::registries::report;
#[cfg(feature = "remote")]
use crate::remote::RemoteSettings;

/// Where a registry is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BackendSettings {
    /// In memory, and gone with the process.
    Memory,
    /// In a folder.
    Embedded(PathBuf),
    /// In a file, which somebody else writes.
    File { path: PathBuf, options: file::Options },
    /// In etcd, below a prefix.
    Etcd {
        options: Box<Options>,
        prefix: String,
        /// Where it is kept in case etcd is away at the next start.
        last_seen: LastSeen,
    },
    /// In another Cloud Map.
    #[cfg(feature = "remote")]
    Remote(RemoteSettings),
}

impl BackendSettings {
    /// The words of the block that say more about a backend.
    pub(crate) const PROPERTIES: [&str; 8] =
        ["prefix", "credentials", "tls", "last_seen", "allow_empty", "namespaces", "poll", "profile"];

    pub(crate) fn parse(entry: &Directive) -> Result<BackendSettings, Error> {
        let args = entry.arg_count(1..=MOST_ENDPOINTS)?;
        let [kind, rest @ ..] = args else { return Err(entry.error("which backend?")) };
        match (kind.as_str(), rest) {
            ("memory", []) => Ok(BackendSettings::Memory),
            ("memory", [extra, ..]) => Err(extra.error("a registry in memory takes no argument")),
            ("embedded", []) => Ok(BackendSettings::default()),
            ("embedded", [folder]) => Ok(BackendSettings::Embedded(folder.as_str().into())),
            ("embedded", [_, extra, ..]) => Err(extra.error("an embedded registry takes one folder")),
            ("file", [path]) => {
                Ok(BackendSettings::File { path: path.as_str().into(), options: file::Options::default() })
            }
            ("file", _) => Err(kind.error("a registry in a file takes the file")),
            ("etcd", endpoints) => {
                let mut options = Box::<Options>::default();
                if !endpoints.is_empty() {
                    options.endpoints = endpoints.iter().map(|word| word.as_str().to_owned()).collect();
                    connection::check(&options, entry)?;
                }
                let (prefix, last_seen) = (DEFAULT_PREFIX.to_owned(), default_last_seen());
                Ok(BackendSettings::Etcd { options, prefix, last_seen })
            }
            #[cfg(feature = "remote")]
            ("remote", rest) => {
                Ok(BackendSettings::Remote(RemoteSettings::parse(rest, default_last_seen())?))
            }
            #[cfg(not(feature = "remote"))]
            ("remote", _) => {
                Err(kind.error("this program was built without it: `cargo build --features remote`"))
            }
            _ => Err(kind
                .one_of(&["embedded", "etcd", "file", "memory", "remote"])
                .err()
                .unwrap_or_else(|| entry.error(""))),
        }
    }

    /// Reads one line that says more; the backend stands before it. Certificates are below `root`.
    pub(crate) fn entry(&mut self, entry: &Directive, root: &Path) -> Result<(), Error> {
        let (options, prefix, last_seen) = match self {
            BackendSettings::Etcd { options, prefix, last_seen } => (options, prefix, last_seen),
            BackendSettings::File { options, .. } if entry.name() == "allow_empty" => {
                entry.no_args()?;
                options.allow_empty = true;
                return Ok(());
            }
            #[cfg(feature = "remote")]
            BackendSettings::Remote(remote) => return remote.entry(entry),
            _ => return Err(entry.error("this is for another backend, which stands before it")),
        };
        match (entry.name(), entry.arg_count(0..=3)?) {
            ("allow_empty", []) => last_seen.allow_empty = true,
            ("last_seen", [path]) => last_seen.path = path.as_str().into(),
            ("prefix", [path]) => *prefix = path.as_str().to_owned(),
            _ if connection::entry(options, entry, |path| root.join(path))? => {
                connection::check(options, entry)?;
            }
            _ => return Err(entry.error(LINES)),
        }
        Ok(())
    }

    /// Takes note of the region that the directive names; who is not followed has none.
    pub(crate) fn set_region(&mut self, region: &str) {
        match self {
            #[cfg(feature = "remote")]
            BackendSettings::Remote(remote) => remote.options.region = Some(region.to_owned()),
            _ => _ = region,
        }
    }

    /// Where it is kept in case it is away at the next start, and whose it is then.
    pub(crate) fn last_seen(&self) -> Option<LastSeen> {
        match self {
            BackendSettings::Etcd { options, prefix, last_seen } => {
                // In whatever order they are written.
                let mut endpoints = options.endpoints.clone();
                endpoints.sort_unstable();
                let source = format!("etcd {} {prefix}", endpoints.join(" "));
                Some(LastSeen { source, ..last_seen.clone() })
            }
            #[cfg(feature = "remote")]
            BackendSettings::Remote(remote) => Some(remote.last_seen()),
            _ => None,
        }
    }

    /// Looks whether what is to be read can be: what it holds, in words, where that can be said.
    ///
    /// # Errors
    ///
    /// Says what is wrong and where, on one line.
    pub(crate) fn check(&self) -> Result<Option<String>, String> {
        let BackendSettings::File { path, .. } = self else { return Ok(None) };
        let [namespaces, services, instances] = File::check(path).map_err(|error| report(&error))?;
        let shown = path.display();
        Ok(Some(format!(
            "{shown}: {}, {}, {}",
            counted(namespaces, "namespace"),
            counted(services, "service"),
            counted(instances, "instance")
        )))
    }

    /// Opens it; nobody else is waited for.
    ///
    /// # Errors
    ///
    /// Says why not, on one line.
    pub(crate) fn open(&self) -> Result<Arc<dyn Backend>, String> {
        let kept = self.last_seen().map(|last_seen| last_seen.path).unwrap_or_default();
        if let Some(folder) = kept.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", kept.display()))?;
        }
        Ok(match self {
            BackendSettings::Memory => Arc::new(MemoryBackend::new()),
            BackendSettings::Embedded(folder) => {
                Arc::new(Embedded::open(folder).map_err(|error| report(&error))?)
            }
            BackendSettings::File { path, options } => {
                Arc::new(File::open(path, *options).map_err(|error| report(&error))?)
            }
            BackendSettings::Etcd { options, prefix, .. } => {
                Arc::new(Etcd::new(options, prefix).map_err(|error| report(&error))?)
            }
            #[cfg(feature = "remote")]
            BackendSettings::Remote(remote) => Arc::new(Remote::open(remote.options.clone())),
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
            BackendSettings::Memory => f.write_str("memory"),
            BackendSettings::Embedded(folder) => fmt::Display::fmt(&folder.display(), f),
            BackendSettings::File { path, .. } => fmt::Display::fmt(&path.display(), f),
            BackendSettings::Etcd { options, prefix, .. } => {
                write!(f, "etcd {} {prefix}", options.endpoints.join(" "))
            }
            #[cfg(feature = "remote")]
            BackendSettings::Remote(remote) => fmt::Display::fmt(remote, f),
        }
    }
}

fn default_last_seen() -> LastSeen {
    let path = Path::new(DEFAULT_FOLDER).join("last-seen.jsonl");
    LastSeen { path, source: String::new(), allow_empty: false }
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
