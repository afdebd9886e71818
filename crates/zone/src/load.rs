//! From a master file to a zone that may be served.

use std::fs;
use std::io;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use cartonym_wire::{Hasher, Name};

use crate::build::{Built, ZoneBuilder};
use crate::check::{Entry, Finding, Listing, Report, Severity, check, sets_of};
use crate::master::{Files, MasterError, Parser};
use crate::node::SetTooLarge;
use crate::zone::{EditError, Zone};

/// Why a master file is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// An entry is not one.
    #[error(transparent)]
    Master(#[from] MasterError),
    /// A record is well formed, and does not go into this zone.
    #[error("{file}:{line}: {owner} {source}")]
    Record {
        /// The file it stands in.
        file: String,
        /// Its line, from 1.
        line: u32,
        /// Its owner.
        owner: String,
        /// Why not.
        source: EditError,
    },
    /// The records of one name are well formed, and too many together.
    #[error("{path}: {owner} {source}")]
    TooLarge {
        /// The file.
        path: String,
        /// Their owner.
        owner: String,
        /// Why they do not go into a zone.
        source: SetTooLarge,
    },
    /// The records do not make a zone together.
    #[error("{path}: {}", first(report))]
    Refused {
        /// The file.
        path: String,
        /// What is wrong.
        report: Report,
    },
}

/// Reads a master file; what the checks warn of comes back beside the zone.
///
/// # Errors
///
/// [`LoadError`]: a zone with an error is not served at all.
pub fn load(path: &Path, origin: &Name, hasher: Hasher) -> Result<(Zone, Report), LoadError> {
    let name = path.display().to_string();
    let text = fs::read(path).map_err(|source| LoadError::Read { path: name.clone(), source })?;
    let mut zone = build(&mut Parser::new(&text, &name, origin, &Files), origin, hasher)?;
    zone.close();
    let mut report = check(origin, || zone.nodes().flat_map(sets_of));
    let Built { zone, scattered, too_large } = zone.finish();
    if let Some(owner) = too_large.first() {
        return Err(LoadError::TooLarge { path: name, owner: owner.to_string(), source: SetTooLarge });
    }
    if scattered > 0 && report.findings.is_empty() {
        // Two records may be one too many only beside each other, which they were not until now.
        report = inspect(&zone);
    }
    if !report.findings.is_empty() {
        // The zone does not know its lines; a second reading does, and is paid for only where something is wrong.
        report = with_lines(&text, &name, origin).unwrap_or(report);
    }
    if report.is_refused() {
        return Err(LoadError::Refused { path: name, report });
    }
    Ok((zone, report))
}

/// Reads all records of a file, and puts them into a zone.
fn build(parser: &mut Parser<'_>, origin: &Name, hasher: Hasher) -> Result<ZoneBuilder, LoadError> {
    let mut zone = ZoneBuilder::new(origin, hasher);
    let (first, more) = Listing::read_some(parser, BATCH);
    add(&mut zone, &first)?;
    if !more? {
        return Ok(zone);
    }
    // A long file: another thread puts in what was read, while this one reads on.
    let (sender, receiver) = sync_channel::<Listing>(AHEAD);
    thread::scope(|scope| {
        let adding = scope
            .spawn(move || receiver.iter().try_for_each(|listing| add(&mut zone, &listing)).map(|()| zone));
        let read = read_on(parser, sender);
        // A mistake there is one of an earlier line.
        let zone = adding.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        read?;
        Ok(zone)
    })
}

fn read_on(parser: &mut Parser<'_>, sender: SyncSender<Listing>) -> Result<(), MasterError> {
    loop {
        let (listing, more) = Listing::read_some(parser, BATCH);
        // Who takes them ends at a mistake, and tells of it.
        if sender.send(listing).is_err() || !more? {
            return Ok(());
        }
    }
}

fn add(zone: &mut ZoneBuilder, listing: &Listing) -> Result<(), LoadError> {
    for Entry { owner, rtype, ttl, rdata, place } in listing.entries() {
        zone.add(owner, rtype, ttl, rdata).map_err(|source| {
            let (file, line) = place.unwrap_or_default();
            LoadError::Record { file: file.to_owned(), line, owner: owner.to_string(), source }
        })?;
    }
    Ok(())
}

fn with_lines(text: &[u8], name: &str, origin: &Name) -> Option<Report> {
    let listing = Listing::read(&mut Parser::new(text, name, origin, &Files), 1).ok()?;
    Some(check(origin, || listing.sets()))
}

/// The first error, for a line that has no room for all.
fn first(report: &Report) -> String {
    let mut errors = report.findings.iter().filter(|finding| finding.problem.severity() == Severity::Refuse);
    errors.next().map(Finding::to_string).unwrap_or_default()
}

/// What is wrong with a zone as a whole.
pub fn inspect(zone: &Zone) -> Report {
    check(zone.origin(), || zone.nodes.nodes().flat_map(sets_of))
}

/// Records that change threads together, and how many times as many wait to be put in.
const BATCH: usize = 4096;
const AHEAD: usize = 4;
