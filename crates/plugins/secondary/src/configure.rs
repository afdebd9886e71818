//! `secondary [ZONES...] { transfer from ADDRESS... }`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use cartonym_plugin::corefile::{Directive, Error, Word};
use cartonym_plugin::{Configure, Fallthrough, Place, Setup};
use cartonym_tsig::{Keyring, Keys};
use cartonym_wire::NameBuf;
use cartonym_zone::Tables;

use crate::{Primaries, Secondary};

impl Configure for Secondary {
    const NAME: &'static str = "secondary";
    const PLACE: Place = Place::After("file");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let keys = setup.shared.get::<Keyring>().keys();
        let mut secondary = Secondary::new();
        for directive in setup.directives() {
            let (primaries, fallthrough) = read(directive, &keys)?;
            for zone in setup.zones_or_block(&directive.args)? {
                secondary = secondary.zone(&zone, primaries.clone(), fallthrough.clone());
            }
        }
        setup.in_block::<Tables>().add(Arc::clone(secondary.table()));
        setup.plugin(secondary);
        Ok(())
    }
}

fn read(directive: &Directive, keys: &Keys) -> Result<(Primaries, Fallthrough), Error> {
    let (mut addresses, mut key, mut fallthrough) = (Vec::new(), None, Fallthrough::default());
    for entry in directive.block_entries() {
        match entry.name() {
            "transfer" => match entry.arg_count(2..)? {
                [from, words @ ..] if from.as_str() == "from" => {
                    for word in words {
                        addresses.push(address(word)?);
                    }
                }
                _ => {
                    return Err(
                        entry.error("`transfer from` is meant; others are told by the plugin `transfer`")
                    );
                }
            },
            "key" => {
                let word = entry.one_arg()?;
                let name: NameBuf = word.parse("the name of a key")?;
                let found = keys.get(&name).cloned();
                key = Some(found.ok_or_else(|| word.error("no key that `tsig` has"))?);
            }
            "fallthrough" => fallthrough = Fallthrough::of(entry)?,
            _ => return Err(entry.unexpected_property(&["transfer", "key", "fallthrough"])),
        }
    }
    if addresses.is_empty() {
        return Err(directive.error("from where? `transfer from` is missing"));
    }
    let primaries = Primaries::new(addresses);
    Ok((key.into_iter().fold(primaries, Primaries::with_key), fallthrough))
}

/// An address, with the port of DNS if it has none.
fn address(word: &Word) -> Result<SocketAddr, Error> {
    let ip: Option<IpAddr> = word.as_str().parse().ok();
    ip.map_or_else(|| word.parse("an IP address, perhaps with a port"), |ip| Ok(SocketAddr::new(ip, 53)))
}
