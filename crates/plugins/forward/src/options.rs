//! What a directive says.

use std::net::IpAddr;
use std::time::Duration;

use cartonym_plugin::corefile::{Directive, Error, Word};
use cartonym_plugin::{Setup, names};
use cartonym_wire::{NameBuf, Rcode};

use crate::resolv;
use crate::tls::TlsWords;
use crate::upstream::Target;

/// How queries are passed on.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which names are taken; in lower case.
    pub from: Vec<NameBuf>,
    /// Which of them are not.
    pub except: Vec<NameBuf>,
    /// Which upstream comes first.
    pub policy: Policy,
    /// What queries travel over.
    pub protocol: Protocol,
    /// How long an idle socket is kept.
    pub expire: Duration,
    /// How long a socket is used; for ever if none.
    pub max_age: Option<Duration>,
    /// How many idle sockets are kept for an upstream.
    pub max_idle: usize,
    /// How long an upstream has to answer.
    pub read_timeout: Duration,
    /// How many probes must have failed in a row for an upstream to be left out; 0 for never.
    pub max_fails: u32,
    /// How many upstreams one query tries; twice their number if none.
    pub attempts: Option<usize>,
    /// How many queries may wait.
    pub max_concurrent: usize,
    /// The time between two probes.
    pub probe_interval: Duration,
    /// Whose name servers a probe asks for.
    pub probe_name: NameBuf,
    /// Whether a probe desires recursion.
    pub probe_recursion: bool,
    /// Whether a query fails at once where no upstream is fit.
    pub fail_fast: bool,
    /// Rcodes for which another upstream is tried.
    pub failover_rcodes: Vec<Rcode>,
    /// Rcodes for which the query is left to the next plugin.
    pub next_rcodes: Vec<Rcode>,
    /// Whether that is also done for a response without an answer.
    pub next_on_nodata: bool,
    /// The address that queries leave from.
    pub source: Option<IpAddr>,
}

/// Which upstream comes first; the others follow in the order of the list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// Any.
    Random,
    /// Each in its turn.
    RoundRobin,
    /// The first of the list.
    Sequential,
}

/// What queries travel over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// What the client's came over.
    AsClient,
    /// TCP.
    Tcp,
    /// UDP, and TCP for what does not fit.
    PreferUdp,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            from: vec![NameBuf::ROOT],
            except: Vec::new(),
            policy: Policy::Random,
            protocol: Protocol::AsClient,
            expire: Duration::from_secs(10),
            max_age: None,
            max_idle: usize::MAX,
            read_timeout: Duration::from_secs(2),
            max_fails: 2,
            attempts: None,
            max_concurrent: usize::MAX,
            probe_interval: Duration::from_millis(500),
            probe_name: NameBuf::ROOT,
            probe_recursion: true,
            fail_fast: false,
            failover_rcodes: Vec::new(),
            next_rcodes: Vec::new(),
            next_on_nodata: false,
            source: None,
        }
    }
}

/// Reads `forward FROM TO... { ... }`.
pub(crate) fn read(directive: &Directive, setup: &Setup<'_>) -> Result<(Vec<Target>, Options), Error> {
    let [from, to @ ..] = directive.arg_count(2..)? else {
        return Err(directive.error("no name to forward"));
    };
    let mut upstreams = Vec::new();
    for word in to {
        upstreams.extend(resolv::upstreams(word, setup)?);
    }
    if upstreams.len() > MAX_UPSTREAMS {
        return Err(
            directive.error(format!("{} upstreams, but {MAX_UPSTREAMS} are the most", upstreams.len()))
        );
    }
    let mut options = Options { from: names(std::slice::from_ref(from))?, ..Options::default() };
    let mut tls = TlsWords::default();
    for entry in directive.block_entries() {
        entry.no_block()?;
        match entry.name() {
            "tls" => tls.files(entry)?,
            "tls_servername" => tls.name(entry)?,
            _ => options.set(entry)?,
        }
    }
    Ok((tls.targets(upstreams, directive, setup)?, options))
}

impl Options {
    fn set(&mut self, entry: &Directive) -> Result<(), Error> {
        match entry.name() {
            "except" => self.except.extend(names(entry.arg_count(1..)?)?),
            "policy" => self.policy = policy(entry)?,
            "force_tcp" => self.protocol = flag(entry, Protocol::Tcp)?,
            // Whoever forces TCP does not want UDP.
            "prefer_udp" if self.protocol == Protocol::Tcp => entry.no_args()?,
            "prefer_udp" => self.protocol = flag(entry, Protocol::PreferUdp)?,
            "expire" => self.expire = entry.one_arg()?.duration()?,
            "max_age" => self.max_age = Some(entry.one_arg()?.duration()?).filter(|age| !age.is_zero()),
            "max_idle_conns" => self.max_idle = any_if_zero(entry)?,
            "read_timeout" => self.read_timeout = positive(entry.one_arg()?)?,
            "max_fails" => self.max_fails = entry.one_arg()?.parse("a number")?,
            "max_connect_attempts" => self.attempts = Some(any_if_zero(entry)?),
            "max_concurrent" => self.max_concurrent = any_if_zero(entry)?,
            "health_check" => self.set_probe(entry)?,
            "failfast_all_unhealthy_upstreams" => self.fail_fast = flag(entry, true)?,
            "failover" => self.failover_rcodes.extend(rcodes(entry)?),
            "next" => self.next_rcodes.extend(rcodes(entry)?),
            "next_on_nodata" => self.next_on_nodata = flag(entry, true)?,
            "source_address" => self.source = Some(entry.one_arg()?.parse("an address")?),
            "doh_method" | "resolver" => {
                return Err(entry.error(format!("`{}` is not supported yet", entry.name)));
            }
            _ => return Err(entry.unexpected_property(&PROPERTIES)),
        }
        Ok(())
    }

    /// Reads `health_check DURATION [no_rec] [domain NAME]`.
    fn set_probe(&mut self, entry: &Directive) -> Result<(), Error> {
        let [interval, words @ ..] = entry.arg_count(1..=4)? else {
            return Err(entry.error("`health_check` takes a duration"));
        };
        self.probe_interval = positive(interval)?;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.one_of(&["no_rec", "domain"])? {
                "no_rec" => self.probe_recursion = false,
                _ => {
                    let name = words.next().ok_or_else(|| word.error("`domain` takes a name"))?;
                    self.probe_name = name.parse("a name")?;
                }
            }
        }
        Ok(())
    }
}

fn flag<T>(entry: &Directive, value: T) -> Result<T, Error> {
    entry.no_args().map(|()| value)
}

fn policy(entry: &Directive) -> Result<Policy, Error> {
    Ok(match entry.one_arg()?.one_of(&["random", "round_robin", "sequential"])? {
        "random" => Policy::Random,
        "round_robin" => Policy::RoundRobin,
        _ => Policy::Sequential,
    })
}

fn any_if_zero(entry: &Directive) -> Result<usize, Error> {
    let count = entry.one_arg()?.parse("a number")?;
    Ok(if count == 0 { usize::MAX } else { count })
}

fn positive(word: &Word) -> Result<Duration, Error> {
    let duration = word.duration()?;
    if duration.is_zero() { Err(word.error(format!("`{word}` is no time at all"))) } else { Ok(duration) }
}

fn rcodes(entry: &Directive) -> Result<Vec<Rcode>, Error> {
    entry.arg_count(1..)?.iter().map(|word| word.parse("an rcode")).collect()
}

const PROPERTIES: [&str; 19] = [
    "except",
    "policy",
    "force_tcp",
    "prefer_udp",
    "expire",
    "max_age",
    "max_idle_conns",
    "read_timeout",
    "max_fails",
    "max_connect_attempts",
    "max_concurrent",
    "health_check",
    "failfast_all_unhealthy_upstreams",
    "failover",
    "next",
    "next_on_nodata",
    "source_address",
    "tls",
    "tls_servername",
];

/// As many as CoreDNS takes.
const MAX_UPSTREAMS: usize = 15;
