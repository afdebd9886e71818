//! What the `registry` directive says of another Cloud Map that is followed.

use std::fmt;
use std::time::Duration;

use cartonym::backends::remote::{AccessKey, Options};
use cartonym::corefile::{Directive, Error, Word};
use cartonym::registry::LastSeen;

/// Whom a registry follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RemoteSettings {
    pub(crate) options: Options,
    /// Where it is kept in case the other side is away at the next start.
    pub(crate) last_seen: LastSeen,
}

impl RemoteSettings {
    /// Reads what stands behind `backend remote`.
    pub(crate) fn parse(words: &[Word], last_seen: LastSeen) -> Result<Self, Error> {
        let mut options = Options::default();
        match words {
            [] => {}
            [endpoint] => {
                let schemes = ["http://", "https://"];
                let host = schemes.iter().find_map(|scheme| endpoint.as_str().strip_prefix(scheme));
                if host.is_none_or(str::is_empty) {
                    return Err(endpoint.error("an endpoint is `http://HOST:PORT` or `https://HOST:PORT`"));
                }
                options.endpoint = Some(endpoint.as_str().to_owned());
            }
            [_, extra, ..] => return Err(extra.error("one endpoint is followed")),
        }
        Ok(Self { options, last_seen })
    }

    /// Reads one line that says more.
    pub(crate) fn entry(&mut self, entry: &Directive) -> Result<(), Error> {
        match entry.name() {
            "namespaces" => {
                let names = entry.arg_count(1..=MOST_NAMESPACES)?;
                self.options.namespaces = names.iter().map(|name| name.as_str().to_owned()).collect();
            }
            "poll" => {
                let word = entry.one_arg()?;
                let poll = word.duration()?;
                if poll < SHORTEST_POLL {
                    return Err(word.error("the shortest time between two looks is 100ms"));
                }
                self.options.poll = Some(poll);
            }
            "profile" => self.options.profile = Some(entry.one_arg()?.as_str().to_owned()),
            "credentials" => {
                let [id, secret] = entry.arg_count(2..=2)? else {
                    return Err(entry.error("`credentials KEY SECRET`"));
                };
                let (id, secret) = (id.as_str().to_owned(), secret.as_str().to_owned());
                self.options.key = Some(AccessKey { id, secret });
            }
            "last_seen" => self.last_seen.path = entry.one_arg()?.as_str().into(),
            "allow_empty" => {
                entry.no_args()?;
                self.options.allow_empty = true;
                self.last_seen.allow_empty = true;
            }
            _ => return Err(entry.error(LINES)),
        }
        Ok(())
    }

    /// Where it is kept, and whose it is then: everything that decides which namespaces there are, in whatever order it is
    /// written, but for keys, which are changed more often than accounts.
    pub(crate) fn last_seen(&self) -> LastSeen {
        let Options { endpoint, region, profile, namespaces, .. } = &self.options;
        let mut namespaces: Vec<_> = namespaces.iter().map(|name| name.to_ascii_lowercase()).collect();
        namespaces.sort_unstable();
        let [endpoint, region, profile] =
            [endpoint, region, profile].map(|word| word.as_deref().unwrap_or("-"));
        let source = format!("remote {endpoint} {region} {profile} {}", namespaces.join(" "));
        LastSeen { source, ..self.last_seen.clone() }
    }
}

impl fmt::Display for RemoteSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.options.endpoint.as_deref().unwrap_or("AWS Cloud Map"))
    }
}

/// The names on a line.
const MOST_NAMESPACES: usize = 100;
/// More often is not asked.
const SHORTEST_POLL: Duration = Duration::from_millis(100);
/// What may stand on a line that says more.
const LINES: &str = "`namespaces NAME...`, `poll DURATION`, `profile NAME`, `credentials KEY SECRET`, `last_seen FILE` or \
                     `allow_empty` is meant";
