//! `auto [ZONES...] { directory DIR [REGEXP TEMPLATE] }`.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::corefile::{Directive, Error, Word};
use cartonym_plugin::{Configure, Place, Setup};
use cartonym_zone::{RecordTable, Tables};
use regex::Regex;

use crate::Auto;
use crate::folder::{Folder, Naming, Shelf};

impl Configure for Auto {
    const NAME: &'static str = "auto";
    const PLACE: Place = Place::After("file");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        // Which of the operator's names are asked for is a stranger's to choose: the order is per process.
        let table = Arc::new(RecordTable::new(RandomState::new().hash_one(0)));
        let shelf = Arc::new(Shelf::new(Arc::clone(&table)));
        let mut folders = Vec::new();
        for directive in setup.directives() {
            let folder = parse(folders.len(), directive, setup, &shelf)?;
            setup.take_time(|| folder.look());
            folders.push(Arc::new(folder));
        }
        setup.in_block::<Tables>().add(Arc::clone(&table));
        setup.plugin(Auto { table, folders });
        Ok(())
    }
}

fn parse(
    number: usize,
    directive: &Directive,
    setup: &Setup<'_>,
    shelf: &Arc<Shelf>,
) -> Result<Folder, Error> {
    let zones = setup.zones_or_block(&directive.args)?;
    let (mut place, mut reload) = (None, RELOAD);
    for entry in directive.block_entries() {
        entry.no_block()?;
        match entry.name() {
            "directory" => place = Some(directory(entry)?),
            "reload" => reload = entry.one_arg()?.duration_or_seconds()?,
            // Accepted and without effect, as it has been upstream for years.
            "upstream" => {}
            _ => return Err(entry.unexpected_property(&["directory", "reload"])),
        }
    }
    let (path, naming) = place.ok_or_else(|| directive.error("which folder? `directory` is missing"))?;
    Ok(Folder::new(number, setup.path(path.as_str()), naming, zones, reload, Arc::clone(shelf)))
}

/// Reads `directory DIR [REGEXP TEMPLATE]`.
fn directory(entry: &Directive) -> Result<(&Word, Naming), Error> {
    let (path, pattern, template) = match entry.arg_count(1..=3)? {
        [path, pattern, template] => {
            let read = Regex::new(pattern.as_str());
            let regex = read.map_err(|error| pattern.error(format!("no regular expression: {error}")))?;
            (path, regex, Some(template))
        }
        [path] => (path, Regex::new(PATTERN).map_err(|error| entry.error(error.to_string()))?, None),
        _ => return Err(entry.error("a regular expression needs a template behind it, such as `{1}`")),
    };
    let naming = Naming::new(pattern, template.map_or(TEMPLATE, Word::as_str));
    let wrong = |group| {
        let at = template.unwrap_or(&entry.name);
        at.error(format!("the regular expression has no group {group}"))
    };
    Ok((path, naming.map_err(wrong)?))
}

const PATTERN: &str = r"db\.(.*)";
const TEMPLATE: &str = "{1}";
const RELOAD: Duration = Duration::from_secs(60);
