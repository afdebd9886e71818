//! `etcd [ZONES...] { … }`.

use cartonym_etcd::Options as Etcd;
use cartonym_plugin::corefile::{Directive, Error, Word};
use cartonym_plugin::{Fallthrough, Setup};
use cartonym_wire::NameBuf;

use crate::connection;
use crate::lifetime::{Bounds, LONGEST};

/// What a directive says.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) source: Source,
    pub(crate) fallthrough: Fallthrough,
}

/// What makes one view other than another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Source {
    pub(crate) etcd: Etcd,
    /// What all keys begin with; begins and ends with a slash.
    pub(crate) prefix: Vec<u8>,
    /// In lower case.
    pub(crate) zones: Vec<NameBuf>,
    pub(crate) bounds: Bounds,
}

impl Options {
    /// For zones, from an etcd on this host, with everything else as it is without a word.
    pub fn new(zones: impl IntoIterator<Item = NameBuf>) -> Options {
        let bounds = Bounds { min: 30, max: 24 * 3600 };
        let zones = zones.into_iter().map(|zone| zone.to_lowercase()).collect();
        let source = Source { etcd: Etcd::default(), prefix: prefix("skydns"), zones, bounds };
        Options { source, fallthrough: Fallthrough::default() }
    }

    /// Where etcd is.
    #[must_use]
    pub fn endpoints(mut self, endpoints: impl IntoIterator<Item = String>) -> Options {
        self.source.etcd.endpoints = endpoints.into_iter().collect();
        self
    }

    /// What its keys begin with; without it `/skydns`.
    #[must_use]
    pub fn path(mut self, path: &str) -> Options {
        self.source.prefix = prefix(path);
        self
    }

    pub(crate) fn of(directive: &Directive, setup: &Setup<'_>) -> Result<Options, Error> {
        let mut options = Options::new(setup.zones_or_block(&directive.args)?);
        let mut has_endpoints = false;
        for entry in directive.block_entries() {
            entry.no_block()?;
            if entry.name() == "endpoint" {
                if !std::mem::replace(&mut has_endpoints, true) {
                    options.source.etcd.endpoints.clear();
                }
                let endpoints = entry.arg_count(1..)?.iter().map(|word| word.as_str().to_owned());
                options.source.etcd.endpoints.extend(endpoints);
            } else {
                options.set(entry, setup)?;
            }
        }
        let Bounds { min, max } = options.source.bounds;
        if min > max {
            return Err(directive.error("`min-lease-ttl` is longer than `max-lease-ttl`"));
        }
        connection::check(&options.source.etcd, directive)?;
        Ok(options)
    }

    fn set(&mut self, entry: &Directive, setup: &Setup<'_>) -> Result<(), Error> {
        let Source { etcd, prefix, bounds, .. } = &mut self.source;
        if connection::entry(etcd, entry, |path| setup.path(path))? {
            return Ok(());
        }
        match entry.name() {
            "path" => *prefix = self::prefix(entry.one_arg()?.as_str()),
            "fallthrough" => self.fallthrough = Fallthrough::of(entry)?,
            "min-lease-ttl" => bounds.min = seconds(entry.one_arg()?)?,
            "max-lease-ttl" => bounds.max = seconds(entry.one_arg()?)?,
            // Without effect, as they have been upstream for years.
            "stubzones" | "debug" | "upstream" => {}
            _ => return Err(entry.unexpected_property(&PROPERTIES)),
        }
        Ok(())
    }
}

/// `30s`, or a number of seconds.
fn seconds(word: &Word) -> Result<u32, Error> {
    let duration = word.duration_or_seconds()?;
    u32::try_from(duration.as_secs())
        .ok()
        .filter(|secs| *secs > 0 && *secs <= LONGEST)
        .ok_or_else(|| word.error("a time from 1s to 34 years"))
}

fn prefix(path: &str) -> Vec<u8> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let mut prefix = format!("/{}", segments.join("/"));
    if prefix.len() > 1 {
        prefix.push('/');
    }
    prefix.into_bytes()
}

const PROPERTIES: [&str; 10] = [
    "path",
    "endpoint",
    "credentials",
    "tls",
    "fallthrough",
    "min-lease-ttl",
    "max-lease-ttl",
    "stubzones",
    "debug",
    "upstream",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_slashes_around_each_part() {
        for path in ["skydns", "/skydns", "/skydns/", "//skydns"] {
            assert_eq!(prefix(path), b"/skydns/");
        }
        assert_eq!(prefix("/a/b"), b"/a/b/");
        assert_eq!(prefix("/"), b"/");
    }
}
