//! `transfer [ZONES...] { to WHO... }`.

use std::net::{IpAddr, SocketAddr};

use cartonym_plugin::corefile::{Directive, Error, Word};
use cartonym_plugin::{Configure, Place, Setup};
use cartonym_tsig::{Keyring, Keys};
use cartonym_wire::NameBuf;

use crate::{Transfer, Who};

impl Configure for Transfer {
    const NAME: &'static str = "transfer";
    const PLACE: Place = Place::Before("hosts");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let keys = setup.shared.get::<Keyring>().keys();
        let mut transfer = Transfer::new(setup.in_block());
        for directive in setup.directives() {
            let who = read(directive, &keys)?;
            for zone in setup.zones_or_block(&directive.args)? {
                transfer = transfer.zone(&zone, who.clone());
            }
        }
        setup.plugin(transfer);
        Ok(())
    }
}

fn read(directive: &Directive, keys: &Keys) -> Result<Who, Error> {
    let mut who = Who::nobody();
    let mut is_empty = true;
    for entry in directive.block_entries() {
        let words = entry.arg_count(1..)?;
        match entry.name() {
            "to" => {
                is_empty = false;
                for word in words {
                    who = read_to(who, word, keys)?;
                }
            }
            "source" => {
                for word in words {
                    who = who.from_source(word.parse("an IP address")?);
                }
            }
            _ => return Err(entry.unexpected_property(&["to", "source"])),
        }
    }
    if is_empty { Err(directive.error("to whom? `to` is missing")) } else { Ok(who) }
}

fn read_to(who: Who, word: &Word, keys: &Keys) -> Result<Who, Error> {
    if word.as_str() == "*" {
        return Ok(who.or_everybody());
    }
    if let Some(address) = address(word.as_str()) {
        return Ok(who.or_address(address));
    }
    let name: Option<NameBuf> = word.as_str().parse().ok();
    match name.filter(|name| keys.get(name).is_some()) {
        Some(name) => Ok(who.or_key(&name)),
        None => Err(word.error("neither an IP address nor `*`, nor the name of a key that `tsig` has")),
    }
}

/// An address, with the port of DNS if it has none.
fn address(text: &str) -> Option<SocketAddr> {
    let ip: Option<IpAddr> = text.parse().ok();
    ip.map(|ip| SocketAddr::new(ip, 53)).or_else(|| text.parse().ok())
}
