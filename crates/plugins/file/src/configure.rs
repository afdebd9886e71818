//! `file DBFILE [ZONES...] { ... }`.

use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::corefile::{Directive, Error};
use cartonym_plugin::{Configure, Fallthrough, Place, Setup};
use cartonym_zone::Tables;

use crate::files::{File, Files, Reload};

/// Reads `file` directives.
#[derive(Debug)]
pub struct FileDirective;

impl Configure for FileDirective {
    const NAME: &'static str = "file";
    const PLACE: Place = Place::After("hosts");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        for directive in setup.directives() {
            let files = parse(directive, setup)?;
            if let Err(error) = files.load() {
                return Err(directive.error(error.to_string()));
            }
            setup.in_block::<Tables>().add(Arc::clone(files.table()));
            setup.plugin(files);
        }
        Ok(())
    }
}

fn parse(directive: &Directive, setup: &Setup<'_>) -> Result<Files, Error> {
    let args = directive.arg_count(1..)?;
    let Some((path, zones)) = args.split_first() else { return Err(directive.error("which file?")) };
    let path = setup.path(path.as_str());
    let zones = setup.zones_or_block(zones)?;
    let files = zones.into_iter().map(|origin| File { path: path.clone(), origin }).collect();
    let (mut fallthrough, mut reload) = (Fallthrough::default(), Reload { every: RELOAD, by_mtime: false });
    for entry in directive.block_entries() {
        match entry.name() {
            "reload" => reload.every = entry.one_arg()?.duration_or_seconds()?,
            "reload_by_mtime" => {
                entry.no_args()?;
                reload.by_mtime = true;
            }
            "fallthrough" => fallthrough = Fallthrough::of(entry)?,
            // Accepted and without effect, as it has been upstream for years.
            "upstream" => {}
            _ => return Err(entry.unexpected_property(&["reload", "reload_by_mtime", "fallthrough"])),
        }
    }
    Ok(Files::new(files, fallthrough, reload))
}

const RELOAD: Duration = Duration::from_secs(60);
