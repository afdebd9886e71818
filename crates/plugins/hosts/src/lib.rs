#![doc = include_str!("../README.md")]

mod follow;
mod table;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use cartonym_plugin::corefile::{Directive, Error};
use cartonym_plugin::metrics::Kind;
use cartonym_plugin::{
    BoxFuture, Configure, Fallthrough, Metrics, Place, Plugin, Query, Response, Setup, Step,
};
use cartonym_wire::{Class, NameBuf, Rcode, Section, Ttl, Type};

use follow::Stamp;
use table::Table;

/// Answers from a hosts file.
#[derive(Debug)]
pub struct Hosts {
    options: Options,
    table: ArcSwap<Table>,
}

/// What a directive says.
#[derive(Debug)]
struct Options {
    path: PathBuf,
    zones: Vec<NameBuf>,
    inline: String,
    ttl: Ttl,
    reverse: bool,
    reload: Duration,
    fallthrough: Fallthrough,
    pass_unsupported: bool,
}

impl Hosts {
    fn new(options: Options) -> Hosts {
        let (table, _) = options.read();
        Hosts { options, table: ArcSwap::from_pointee(table) }
    }

    /// Has `metrics` tell how much there is, and of when.
    fn show(self: &Arc<Self>, metrics: &Metrics) {
        type Read = fn(&Hosts) -> f64;
        let families: [(_, _, Read); 2] = [
            ("coredns_hosts_entries", "Names that have addresses.", |hosts| hosts.len() as f64),
            (
                "coredns_hosts_reload_timestamp_seconds",
                "When the file was changed that is served.",
                |hosts| hosts.modified().as_secs_f64(),
            ),
        ];
        for (name, help, read) in families {
            let hosts = self.clone();
            metrics.read(name, help, Kind::Gauge, move |samples| {
                let file = hosts.options.path.display().to_string();
                samples.add(&[("hostsfile", file)], read(&hosts));
            });
        }
    }

    /// How many names have addresses.
    pub fn len(&self) -> usize {
        self.table.load().len()
    }

    /// Whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Time since the Unix epoch when the file was last changed, as it was when it was last read; zero without a file.
    pub fn modified(&self) -> Duration {
        self.table.load().modified
    }
}

impl Options {
    fn of(setup: &Setup<'_>) -> Result<Options, Error> {
        let directive = setup.only()?;
        let (path, zones) = match &*directive.args {
            [] => ("/etc/hosts", &[][..]),
            [path, zones @ ..] => (path.as_str(), zones),
        };
        let mut options = Options {
            path: setup.path(path),
            zones: setup.zones_or_block(zones)?,
            inline: String::new(),
            ttl: Ttl::from_secs(3600),
            reverse: true,
            reload: Duration::from_secs(5),
            fallthrough: Fallthrough::default(),
            pass_unsupported: false,
        };
        directive.block_entries().iter().try_for_each(|entry| options.set(entry))?;
        Ok(options)
    }

    fn set(&mut self, entry: &Directive) -> Result<(), Error> {
        entry.no_block()?;
        match entry.name() {
            "ttl" => {
                let secs = entry.one_arg()?.parse::<u16>("a TTL from 1 to 65535")?;
                if secs == 0 {
                    return Err(entry.error("a TTL of 0 seconds keeps nobody from asking again"));
                }
                self.ttl = Ttl::from_secs(secs.into());
            }
            "no_reverse" => {
                entry.no_args()?;
                self.reverse = false;
            }
            "reload" => self.reload = entry.one_arg()?.duration()?,
            "fallthrough" => self.fallthrough = Fallthrough::of(entry)?,
            "fallthrough_unsupported" => {
                entry.no_args()?;
                self.pass_unsupported = true;
            }
            address if table::address(address).is_some() => {
                self.inline.push_str(address);
                for name in entry.arg_count(1..)? {
                    name.parse::<NameBuf>("a domain name")?;
                    self.inline.push(' ');
                    self.inline.push_str(name.as_str());
                }
                self.inline.push('\n');
            }
            _ => return Err(entry.unexpected_property(&PROPERTIES)),
        }
        Ok(())
    }

    /// The table of the file as it is now, and what tells whether it will have changed.
    fn read(&self) -> (Table, Stamp) {
        let stamp = Stamp::of(&self.path);
        // A file that cannot be read is as good as none: what the directive itself says holds all the same.
        let file = std::fs::read(&self.path).unwrap_or_default();
        let mut table = Table::new(stamp.modified);
        for text in [&*String::from_utf8_lossy(&file), &*self.inline] {
            table.add(text, &self.zones, self.reverse);
        }
        (table, stamp)
    }
}

impl Plugin for Hosts {
    fn name(&self) -> &'static str {
        "hosts"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        if query.qclass() != Class::IN {
            return Step::Next;
        }
        match query.qtype() {
            Type::PTR => self.answer_address(query, response),
            _ if self.options.zones.iter().any(|zone| query.name().is_within(zone)) => {
                self.answer_name(query, response)
            }
            _ => Step::Next,
        }
    }

    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        (!self.options.reload.is_zero()).then(|| Box::pin(follow::follow(self)) as BoxFuture<'static, ()>)
    }
}

impl Hosts {
    fn answer_name(&self, query: &Query<'_>, response: &mut Response<'_>) -> Step {
        let (name, qtype) = (query.name(), query.qtype());
        let passes = || self.options.fallthrough.takes(name);
        if self.options.pass_unsupported && !matches!(qtype, Type::A | Type::AAAA) && passes() {
            return Step::Next;
        }
        let table = self.table.load();
        let Some(addresses) = table.addresses(name) else {
            if passes() {
                return Step::Next;
            }
            response.set_rcode(Rcode::SERVFAIL);
            return Step::Answered;
        };
        response.set_authoritative(true);
        let records = addresses.of(qtype);
        write(query, response, self.options.ttl, qtype, records)
    }

    fn answer_address(&self, query: &Query<'_>, response: &mut Response<'_>) -> Step {
        let table = self.table.load();
        let Some(names) = table.names(query.name()) else { return Step::Next };
        response.set_authoritative(true);
        write(query, response, self.options.ttl, Type::PTR, names.iter().map(|name| &**name))
    }
}

fn write<'r>(
    query: &Query<'_>,
    response: &mut Response<'_>,
    ttl: Ttl,
    rtype: Type,
    records: impl IntoIterator<Item = &'r [u8]>,
) -> Step {
    for rdata in records {
        if response.record(Section::Answer, query.owner(), rtype, ttl, rdata).is_err() {
            break;
        }
    }
    Step::Answered
}

impl Configure for Hosts {
    const NAME: &'static str = "hosts";
    const PLACE: Place = Place::Before("file");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let options = Options::of(setup)?;
        let hosts = Arc::new(Hosts::new(options));
        hosts.show(&setup.metrics());
        setup.shared_plugin(hosts);
        Ok(())
    }
}

const PROPERTIES: [&str; 5] = ["ttl", "no_reverse", "reload", "fallthrough", "fallthrough_unsupported"];
