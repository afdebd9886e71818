#![doc = include_str!("../README.md")]

use cartonym_plugin::corefile::Error;
use cartonym_plugin::metrics::Counter;
use cartonym_plugin::{Configure, Place, Plugin, Query, Response, Setup, Step};
use cartonym_wire::{Class, Name, Rcode, Section, Ttl, Type};

/// Answers for localhost and its addresses.
#[derive(Debug)]
pub struct Local {
    prefix: bool,
    prefixed: Counter,
}

/// What a name is.
enum Kind {
    /// A name of this host.
    Host,
    /// The apex of a zone whose records are few.
    Apex,
    /// The name of 127.0.0.1.
    Loopback,
    /// A name that does not exist, below the apex of a reverse zone.
    Missing,
}

impl Local {
    /// With or without names whose first label is `localhost`.
    pub fn new(prefix: bool) -> Local {
        Local { prefix, prefixed: Counter::default() }
    }

    /// Queries for names whose first label is `localhost`, and not the only one.
    pub fn prefixed(&self) -> u64 {
        self.prefixed.sum()
    }

    /// What `name`, in lower case, is; none if it is not this plugin's business.
    fn kind(&self, name: &Name) -> Option<Kind> {
        let wire = name.as_wire();
        if wire.ends_with(LOCALHOST) && name.labels().last() == Some(b"localhost") {
            return Some(Kind::Host);
        }
        if self.prefix && wire.starts_with(PREFIX) {
            self.prefixed.add_one();
            return Some(Kind::Host);
        }
        let apex =
            REVERSE.iter().find(|apex| Name::from_wire(apex).is_ok_and(|apex| name.is_within(apex)))?;
        Some(match wire {
            _ if wire == *apex => Kind::Apex,
            b"\x011\x010\x010\x03127\x07in-addr\x04arpa\0" => Kind::Loopback,
            _ => Kind::Missing,
        })
    }
}

impl Plugin for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        if query.qclass() != Class::IN {
            return Step::Next;
        }
        let Some(kind) = self.kind(query.name()) else { return Step::Next };
        let (mut section, mut owner) = (Section::Answer, query.question().name);
        let is_apex = matches!(kind, Kind::Apex) || query.name().as_wire() == LOCALHOST;
        let (rtype, rdata) = match (kind, query.qtype()) {
            (Kind::Host, Type::A) => (Type::A, &[127, 0, 0, 1][..]),
            (Kind::Host, Type::AAAA) => (Type::AAAA, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..]),
            (Kind::Loopback, Type::PTR) => (Type::PTR, LOCALHOST),
            (_, Type::NS) if is_apex => (Type::NS, LOCALHOST),
            (_, Type::SOA) if is_apex => (Type::SOA, SOA),
            (kind, _) => {
                section = Section::Authority;
                if matches!(kind, Kind::Missing | Kind::Loopback) {
                    owner = query.qname().suffix(REVERSE_DEPTH);
                }
                if let Kind::Missing = kind {
                    response.set_rcode(Rcode::NXDOMAIN);
                }
                (Type::SOA, SOA)
            }
        };
        // One record fits every message.
        let _ = response.record(section, owner, rtype, TTL, rdata);
        Step::Answered
    }
}

impl Configure for Local {
    const NAME: &'static str = "local";
    const PLACE: Place = Place::Before("cache");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        directive.no_args()?;
        let mut prefix = true;
        for entry in directive.block_entries() {
            match entry.name() {
                "localhost_prefix" => prefix = entry.one_arg()?.one_of(&["on", "off"])? == "on",
                _ => return Err(entry.unexpected_property(&["localhost_prefix"])),
            }
        }
        let prefixed = setup.metrics().counter(
            "coredns_local_localhost_requests_total",
            "Queries for names whose first label is localhost.",
            &[],
            &[],
        );
        setup.plugin(Local { prefix, prefixed });
        Ok(())
    }
}

const PREFIX: &[u8] = b"\x09localhost";
const LOCALHOST: &[u8] = b"\x09localhost\0";
const REVERSE: [&[u8]; 3] =
    [b"\x03127\x07in-addr\x04arpa\0", b"\x010\x07in-addr\x04arpa\0", b"\x03255\x07in-addr\x04arpa\0"];
/// Labels of each of them.
const REVERSE_DEPTH: usize = 3;
/// `localhost. root.localhost. 1 0 0 0 604800`
const SOA: &[u8] = b"\x09localhost\0\x04root\x09localhost\0\
    \0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\x09\x3a\x80";
/// A week.
const TTL: Ttl = Ttl::from_secs(604_800);
