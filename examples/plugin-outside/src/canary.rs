//! A part of the clients gets other addresses.

use std::net::IpAddr;

use cartonym_plugin::corefile::{Directive, Error};
use cartonym_plugin::metrics::Counter;
use cartonym_plugin::wire::{Class, NameBuf, Section, Ttl, Type};
use cartonym_plugin::{Configure, Place, Plugin, Query, Response, Setup, Step};

use crate::network::Network;

/// Answers a name with other addresses for the clients that are chosen.
#[derive(Debug)]
pub struct Canary {
    /// In lower case.
    name: NameBuf,
    addresses: Vec<IpAddr>,
    /// So many of a hundred clients.
    share: u8,
    networks: Vec<Network>,
    ttl: Ttl,
    answers: Counter,
}

impl Canary {
    fn read(directive: &Directive, setup: &Setup<'_>) -> Result<Canary, Error> {
        let [name, addresses @ ..] = directive.arg_count(2..)? else {
            return Err(directive.error("`canary` takes a name and addresses"));
        };
        let answers =
            setup.metrics().counter("canary_answers_total", "Other answers.", &["server", "zone"], &[]);
        let mut canary = Canary {
            name: name.parse::<NameBuf>("a name")?.to_lowercase(),
            addresses: addresses.iter().map(|word| word.parse("an address")).collect::<Result<_, _>>()?,
            share: 0,
            networks: Vec::new(),
            ttl: Ttl::from_secs(30),
            answers,
        };
        for entry in directive.block_entries() {
            match entry.name() {
                "share" => canary.share = share(entry)?,
                "from" => {
                    for word in entry.arg_count(1..)? {
                        let network = word.as_str().parse();
                        canary.networks.push(network.map_err(|()| word.error("not a network"))?);
                    }
                }
                "ttl" => canary.ttl = Ttl::from_secs(entry.one_arg()?.parse("a number of seconds")?),
                _ => return Err(entry.unexpected_property(&["share", "from", "ttl"])),
            }
            entry.no_block()?;
        }
        Ok(canary)
    }

    fn chooses(&self, client: IpAddr) -> bool {
        self.networks.iter().any(|network| network.holds(client)) || place(client) < self.share
    }
}

impl Plugin for Canary {
    fn name(&self) -> &'static str {
        "canary"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        let is_address = matches!(query.qtype(), Type::A | Type::AAAA);
        if query.qclass() != Class::IN || !is_address || query.name() != &*self.name {
            return Step::Next;
        }
        if !self.chooses(query.client().address.ip()) {
            return Step::Next;
        }
        response.set_authoritative(true);
        for address in &self.addresses {
            // What does not fit sets TC, and the client comes again over TCP.
            let _ = match (address, query.qtype()) {
                (IpAddr::V4(ip), Type::A) => {
                    response.record(Section::Answer, query.owner(), Type::A, self.ttl, &ip.octets())
                }
                (IpAddr::V6(ip), Type::AAAA) => {
                    response.record(Section::Answer, query.owner(), Type::AAAA, self.ttl, &ip.octets())
                }
                _ => continue,
            };
        }
        self.answers.add_for(query.route());
        Step::Answered
    }
}

impl Configure for Canary {
    const NAME: &'static str = "canary";
    // What only some clients are told must not be kept for all.
    const PLACE: Place = Place::Before("registry");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        for directive in setup.directives() {
            let canary = Canary::read(directive, setup)?;
            setup.plugin(canary);
        }
        Ok(())
    }
}

/// `5%`, or `5`.
fn share(entry: &Directive) -> Result<u8, Error> {
    let word = entry.one_arg()?;
    let text = word.as_str();
    let share: Option<u8> = text.strip_suffix('%').unwrap_or(text).parse().ok();
    share.filter(|share| *share <= 100).ok_or_else(|| word.error("not a share, such as `5%`"))
}

/// A client's place among a hundred, always the same (FNV-1a).
fn place(client: IpAddr) -> u8 {
    let hash = |octets: &[u8]| {
        octets.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, octet| {
            (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01B3)
        })
    };
    let hash = match client.to_canonical() {
        IpAddr::V4(ip) => hash(&ip.octets()),
        IpAddr::V6(ip) => hash(&ip.octets()),
    };
    // The lowest bits depend on the last octet alone.
    ((hash >> 32) % 100) as u8
}
