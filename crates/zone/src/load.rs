//! From a master file to a zone that may be served.

use std::fs;
use std::io;
use std::path::Path;

use cartonym_wire::{Hasher, Name};

use crate::check::{Entry, Finding, Listing, Report, Severity, check};
use crate::master::{Files, MasterError, Parser};
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
    let mut edit = Zone::new(origin, hasher).edit(hasher);
    let mut parser = Parser::new(&text, &name, origin, &Files);
    while let Some(record) = parser.next_record() {
        let record = record?;
        edit.add(record.owner, record.rtype, record.ttl, record.rdata).map_err(|source| {
            LoadError::Record {
                file: record.file.to_owned(),
                line: record.line,
                owner: record.owner.to_string(),
                source,
            }
        })?;
    }
    let zone = edit.finish();
    let mut report = inspect(&zone);
    if !report.findings.is_empty() {
        // The zone does not know its lines; a second reading does, and is paid for only where something is wrong.
        report = with_lines(&text, &name, origin).unwrap_or(report);
    }
    if report.is_refused() {
        return Err(LoadError::Refused { path: name, report });
    }
    Ok((zone, report))
}

fn with_lines(text: &[u8], name: &str, origin: &Name) -> Option<Report> {
    let listing = Listing::read(&mut Parser::new(text, name, origin, &Files), 1).ok()?;
    Some(check(origin, || listing.entries()))
}

/// The first error, for a line that has no room for all.
fn first(report: &Report) -> String {
    let mut errors = report.findings.iter().filter(|finding| finding.problem.severity() == Severity::Refuse);
    errors.next().map(Finding::to_string).unwrap_or_default()
}

/// What is wrong with a zone as a whole.
pub fn inspect(zone: &Zone) -> Report {
    check(zone.origin(), || {
        zone.records().map(|(owner, rtype, ttl, rdata)| Entry { owner, rtype, ttl, rdata, place: None })
    })
}
