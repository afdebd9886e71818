#![doc = include_str!("../README.md")]

mod class;
mod entry;
mod format;

use std::sync::Arc;

use cartonym_plugin::corefile::{Directive, Error};
use cartonym_plugin::{
    Configure, Journal, Level, Metadata, Place, Plugin, Query, Response, Setup, Step, Told, names,
};
use cartonym_wire::{Name, NameBuf};

use class::Classes;
use entry::Entry;
use format::Format;

/// Writes a line for each query.
#[derive(Clone, Debug)]
pub struct Log {
    rules: Vec<Rule>,
    journal: Arc<Journal>,
}

/// Which queries are logged, and how.
#[derive(Clone, Debug)]
struct Rule {
    zone: NameBuf,
    classes: Classes,
    format: Arc<Format>,
    /// The labels of the format.
    told: Arc<[Told]>,
}

impl Log {
    /// Logs every query in the common format.
    pub fn to(journal: Arc<Journal>) -> Log {
        let format = Arc::new(Format::common());
        let rule = Rule { zone: NameBuf::ROOT, classes: Classes::ALL, format, told: Arc::new([]) };
        Log { rules: vec![rule], journal }
    }

    /// Logs as `directives` say, with what `metadata` has.
    ///
    /// # Errors
    ///
    /// At the word that is wrong.
    pub fn from_directives<'d>(
        directives: impl IntoIterator<Item = &'d Directive>,
        journal: Arc<Journal>,
        metadata: &Arc<Metadata>,
    ) -> Result<Log, Error> {
        let mut rules = Vec::new();
        for directive in directives {
            rules.extend(Rule::of(directive, metadata)?);
        }
        Ok(Log { rules, journal })
    }

    fn rule(&self, name: &Name) -> Option<&Rule> {
        self.rules.iter().find(|rule| name.is_within(&rule.zone))
    }
}

impl Rule {
    fn of(directive: &Directive, metadata: &Arc<Metadata>) -> Result<Vec<Rule>, Error> {
        let (zones, format) = match directive.args.split_last() {
            Some((last, zones)) if last.as_str().contains('{') => (zones, Format::parse(last.as_str())),
            _ => (&*directive.args, Format::common()),
        };
        let told: Arc<[Told]> = format.labels().map(|label| Arc::clone(metadata).read(label)).collect();
        let format = Arc::new(format);
        let classes = Classes::of(directive)?;
        let zones = if zones.is_empty() { vec![NameBuf::ROOT] } else { names(zones)? };
        let rule = |zone| Rule { zone, classes, format: format.clone(), told: told.clone() };
        Ok(zones.into_iter().map(rule).collect())
    }
}

impl Plugin for Log {
    fn name(&self) -> &'static str {
        "log"
    }

    fn answer(&self, _: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        Step::Next
    }

    fn on_response(&self, query: &Query<'_>, response: &mut Response<'_>) {
        // Not the name as rewritten: that is this server's business.
        let Some(rule) = self.rule(query.question().name) else { return };
        if !rule.classes.include(response) {
            return;
        }
        let entry = Entry::new(query, response, rule.format.has_duration(), &rule.told);
        let format = rule.format.clone();
        self.journal.write(Level::Info, move |line| format.write(&entry, line));
    }
}

impl Configure for Log {
    const NAME: &'static str = "log";
    const PLACE: Place = Place::After("errors");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let log = Log::from_directives(setup.directives(), setup.shared.get(), &setup.in_block())?;
        setup.plugin(log);
        Ok(())
    }
}
