//! `file DBFILE [ZONES...] { update KEY... }`.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::corefile::{Directive, Error, Word};
use cartonym_plugin::{Configure, Fallthrough, Place, Setup};
use cartonym_tsig::Keyring;
use cartonym_wire::NameBuf;
use cartonym_zone::{RecordTable, Tables};

use crate::files::{Files, Stanza};
use crate::master::Master;

/// Reads `file` directives.
#[derive(Debug)]
pub struct FileDirective;

impl Configure for FileDirective {
    const NAME: &'static str = "file";
    const PLACE: Place = Place::After("hosts");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        // Names of zone files are the operator's, but which of them are asked for is not: the order is per process.
        let mut files = Files::new(Arc::new(RecordTable::new(RandomState::new().hash_one(0))));
        for directive in setup.directives() {
            let stanza = parse(directive, setup, files.table())?;
            let loaded = setup.take_time(|| stanza.load());
            loaded.transpose().map_err(|error| directive.error(error.to_string()))?;
            files.add(stanza);
        }
        setup.in_block::<Tables>().add(Arc::clone(files.table()));
        setup.plugin(files);
        Ok(())
    }
}

fn parse(directive: &Directive, setup: &Setup<'_>, table: &Arc<RecordTable>) -> Result<Stanza, Error> {
    let args = directive.arg_count(1..)?;
    let Some((path, zones)) = args.split_first() else { return Err(directive.error("which file?")) };
    let path = setup.path(path.as_str());
    let zones = setup.zones_or_block(zones)?;
    let (mut fallthrough, mut reload, mut by_mtime) = (None, RELOAD, None);
    let mut updaters = Vec::new();
    for entry in directive.block_entries() {
        match entry.name() {
            "reload" => reload = entry.one_arg()?.duration_or_seconds()?,
            "reload_by_mtime" => {
                entry.no_args()?;
                by_mtime = Some(entry);
            }
            "fallthrough" => fallthrough = Some(Fallthrough::of(entry)?),
            "update" => updaters.extend(read_keys(entry, setup)?),
            // Accepted and without effect, as it has been upstream for years.
            "upstream" => {}
            _ => {
                return Err(entry.unexpected_property(&[
                    "reload",
                    "reload_by_mtime",
                    "fallthrough",
                    "update",
                ]));
            }
        }
    }
    if let Some(entry) = by_mtime.filter(|_| !updaters.is_empty()) {
        return Err(
            entry.error("with `update`, only serials tell the master file's versions from the updates'")
        );
    }
    let master = |origin| {
        let master = Master::new(path.clone(), origin, Arc::clone(table), by_mtime.is_some());
        if updaters.is_empty() { master } else { master.updated_by(updaters.clone()) }
    };
    Ok(Stanza { masters: zones.into_iter().map(master).map(Arc::new).collect(), fallthrough, reload })
}

/// The names of keys that `tsig` has.
fn read_keys(entry: &Directive, setup: &Setup<'_>) -> Result<Vec<NameBuf>, Error> {
    let keys = setup.shared.get::<Keyring>().keys();
    let name = |word: &Word| {
        let name: NameBuf = word.parse("the name of a key")?;
        match keys.get(&name) {
            Some(key) => Ok(key.name().to_buf()),
            None => Err(word.error("no key that `tsig` has")),
        }
    };
    entry.arg_count(1..)?.iter().map(name).collect()
}

const RELOAD: Duration = Duration::from_secs(60);
