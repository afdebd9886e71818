#![doc = include_str!("../README.md")]

use std::net::IpAddr;

use cartonym_plugin::corefile::Error;
use cartonym_plugin::{Client, Configure, Place, Plugin, Query, Response, Setup, Step};
use cartonym_wire::{Full, Name, NameBuf, Section, Ttl, Type};

/// Tells a client its own address and port.
#[derive(Clone, Copy, Debug, Default)]
pub struct Whoami;

impl Plugin for Whoami {
    fn name(&self) -> &'static str {
        "whoami"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        response.set_authoritative(true);
        // What does not fit is left out: it is additional data (RFC 2181 §9).
        let _ = introduce(query.question().name, query.client(), response);
        Step::Answered
    }
}

fn introduce(name: &Name, client: Client, response: &mut Response<'_>) -> Result<(), Full> {
    match client.address.ip().to_canonical() {
        IpAddr::V4(ip) => response.record(Section::Additional, name, Type::A, Ttl::ZERO, &ip.octets())?,
        IpAddr::V6(ip) => response.record(Section::Additional, name, Type::AAAA, Ttl::ZERO, &ip.octets())?,
    }
    let protocol: &[u8] = if client.transport.is_stream() { b"_tcp" } else { b"_udp" };
    // A name with no room for five octets more has no SRV record.
    let service = NameBuf::child(protocol, name).map_err(|_| Full)?;
    let [high, low] = client.address.port().to_be_bytes();
    response.record(Section::Additional, &service, Type::SRV, Ttl::ZERO, &[0, 0, 0, 0, high, low, 0])
}

impl Configure for Whoami {
    const NAME: &'static str = "whoami";
    const PLACE: Place = Place::Last;

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        directive.no_args()?;
        directive.no_block()?;
        setup.plugin(Whoami);
        Ok(())
    }
}
