#![doc = include_str!("../README.md")]

mod canonical;
mod configure;
mod delegation;
mod denial;
mod key;
mod records;
mod signer;
mod signing;
mod store;

use std::sync::Arc;

use cartonym_plugin::{Plugin, Query, Response, Step};
use cartonym_wire::{Class, Ede, Flags, Name, Rcode, Section, Type};

use canonical::RrSet;
use signer::{Moment, Signer};
use signing::{DNSKEY_TTL, Unsigned};

/// Signs the answers of its zones as they are given.
#[derive(Debug)]
pub struct Dnssec {
    signer: Arc<Signer>,
}

impl Dnssec {
    /// The zone's keys, signed for who wants that.
    fn keys(&self, query: &Query<'_>, response: &mut Response<'_>) {
        response.set_authoritative(true);
        let rdatas: Vec<&[u8]> = self.signer.dnskeys().collect();
        for rdata in &rdatas {
            if response.record(Section::Answer, query.owner(), Type::DNSKEY, DNSKEY_TTL, rdata).is_err() {
                return;
            }
        }
        if wants_proof(query) {
            let set = RrSet { owner: query.owner(), rtype: Type::DNSKEY, ttl: DNSKEY_TTL, rdatas };
            let signed = signing::sign_answer(&self.signer, moment(query), &set, response);
            report(signed, response);
        }
    }

    /// The zone whose answer to a query is to be signed.
    fn zone(&self, query: &Query<'_>) -> Option<&Name> {
        let is_plain = query.qclass() == Class::IN && !matches!(query.qtype(), Type::AXFR | Type::IXFR);
        self.signer.zone_for(query.name(), query.qtype()).filter(|_| is_plain)
    }
}

impl Plugin for Dnssec {
    fn name(&self) -> &'static str {
        "dnssec"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        match self.zone(query) {
            Some(zone) if query.qtype() == Type::DNSKEY && *zone == *query.name() => {
                self.keys(query, response);
                Step::Answered
            }
            Some(zone) if query.qtype() == Type::DS && *zone != *query.name() && wants_proof(query) => {
                delegation::answer(query, zone)
            }
            _ => Step::Next,
        }
    }

    fn on_response(&self, query: &Query<'_>, response: &mut Response<'_>) {
        // A question from the cache to itself has no time, and what comes of it is kept unsigned.
        let is_wanted = wants_proof(query) && !query.now().is_zero() && self.zone(query).is_some();
        let is_answer = matches!(response.rcode(), Rcode::NOERROR | Rcode::NXDOMAIN);
        if is_wanted && is_answer && !response.flags().has(Flags::TC) {
            let signed = signing::sign(&self.signer, moment(query), query, response);
            report(signed, response);
        }
    }
}

/// Whether the client wants DNSSEC's records.
fn wants_proof(query: &Query<'_>) -> bool {
    query.edns().is_some_and(|edns| edns.dnssec_ok)
}

fn moment(query: &Query<'_>) -> Moment {
    Moment { now: query.now(), random: query.random(), route: query.route() }
}

/// Says what became of it: TC is set already where there was no room.
fn report(signed: Result<(), Unsigned>, response: &mut Response<'_>) {
    if signed == Err(Unsigned::NoSignature) {
        response.clear_records();
        response.set_rcode(Rcode::SERVFAIL);
        response.set_ede(Ede::OTHER);
    }
}
