//! `cartonym check-zone`: what is wrong with a master file, before it is served.

use std::fmt::Display;
use std::io::{StdoutLock, Write, stdout};
use std::path::Path;

use cartonym::wire::{Hasher, Name, NameBuf, Type};
use cartonym::zone::check::{Listing, check};
use cartonym::zone::load;
use cartonym::zone::master::{Files, Parser};

use crate::Result;
use crate::cli::CheckZoneOptions;
use crate::counted::counted;
use crate::failure::Failure;

/// Mistakes that are told at most; one is often the cause of many.
const MOST: usize = 100;

/// Reads a master file as `file` does, and prints all that is wrong with it: a line each, errors and warnings.
pub(crate) fn run(options: &CheckZoneOptions) -> Result<()> {
    let name = options.file.display().to_string();
    let text = std::fs::read(&options.file).map_err(|error| Failure::File { path: name.clone(), error })?;
    let origin = match &options.origin {
        Some(origin) => origin.to_lowercase(),
        None => soa_owner(&text, &name).ok_or_else(|| Failure::Origin(name.clone()))?,
    };
    let mut findings = Findings { out: stdout().lock(), errors: 0, warnings: 0 };
    match Listing::read(&mut Parser::new(&text, &name, &origin, &Files), MOST) {
        Err(mistakes) => mistakes.iter().try_for_each(|mistake| findings.error(mistake))?,
        Ok(listing) => {
            let report = check(&origin, || listing.sets());
            report.findings.iter().try_for_each(|finding| findings.tell(finding))?;
            (findings.errors, findings.warnings) = (report.refusals, report.warnings);
        }
    }
    if findings.errors == 0 {
        findings.load(&options.file, &origin)?;
    }
    findings.conclude(&origin, options.strict)
}

/// The owner of the first SOA, if the file says it in full: by a dot at its end, or by `$ORIGIN`.
fn soa_owner(text: &[u8], name: &str) -> Option<NameBuf> {
    let mut parser = Parser::new(text, name, Name::ROOT, &Files);
    while let Some(record) = parser.next_record() {
        match record {
            Ok(record) if record.rtype == Type::SOA => {
                let owner = record.owner.to_lowercase();
                return (*owner != *Name::ROOT).then_some(owner);
            }
            _ => {}
        }
    }
    None
}

/// What has been found and told.
struct Findings {
    out: StdoutLock<'static>,
    errors: usize,
    warnings: usize,
}

impl Findings {
    fn tell(&mut self, finding: &dyn Display) -> Result<()> {
        writeln!(self.out, "{finding}")?;
        Ok(())
    }

    fn error(&mut self, mistake: &dyn Display) -> Result<()> {
        self.errors += 1;
        self.tell(mistake)
    }

    /// Loads the zone, for what only that shows, such as sets that are too large.
    fn load(&mut self, path: &Path, origin: &Name) -> Result<()> {
        match load(path, origin, Hasher::new(0)) {
            Ok((zone, _)) => {
                let serial = zone.soa().map(|(_, serial)| serial).unwrap_or_default();
                let records = counted(zone.records().count(), "record");
                let names = counted(zone.len(), "name");
                self.tell(&format_args!("{origin}: serial {serial}, {records}, {names}"))
            }
            Err(error) => self.error(&error),
        }
    }

    fn conclude(self, origin: &Name, strict: bool) -> Result<()> {
        if self.errors > 0 || strict && self.warnings > 0 {
            let Findings { errors, warnings, .. } = self;
            return Err(Failure::Zone { origin: origin.to_string(), errors, warnings });
        }
        Ok(())
    }
}
