#![doc = include_str!("../README.md")]

mod consolidate;
mod reason;

use std::sync::Arc;

use cartonym_plugin::corefile::Error;
use cartonym_plugin::{BoxFuture, Configure, Journal, Level, Place, Plugin, Query, Response, Setup, Step};
use cartonym_wire::Rcode;

use consolidate::Pattern;
use reason::reason;

/// Writes a line for each query that this server failed to answer.
#[derive(Debug)]
pub struct Errors {
    patterns: Vec<Pattern>,
    journal: Arc<Journal>,
}

impl Errors {
    /// Writes each failure.
    pub fn to(journal: Arc<Journal>) -> Errors {
        Errors { patterns: Vec::new(), journal }
    }

    fn read(setup: &Setup<'_>) -> Result<Errors, Error> {
        let directive = setup.only()?;
        directive.no_args()?;
        let mut errors = Errors::to(setup.shared.get());
        for entry in directive.block_entries() {
            entry.no_block()?;
            match entry.name() {
                "consolidate" => errors.patterns.push(Pattern::of(entry)?),
                "stacktrace" => entry.no_args()?,
                _ => return Err(entry.unexpected_property(&["consolidate", "stacktrace"])),
            }
        }
        Ok(errors)
    }
}

impl Plugin for Errors {
    fn name(&self) -> &'static str {
        "errors"
    }

    fn answer(&self, _: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        Step::Next
    }

    fn on_response(&self, query: &Query<'_>, response: &mut Response<'_>) {
        if response.rcode() != Rcode::SERVFAIL {
            return;
        }
        let reason = reason(response.options());
        // Matched here, on the query's time: a pattern costs little, and failures are rare or the least of worries.
        if self.patterns.iter().find(|pattern| pattern.matches(&reason)).is_some_and(Pattern::swallows) {
            return;
        }
        let (name, qtype) = (query.question().name.to_lowercase(), query.question().qtype);
        self.journal.write(Level::Error, move |line| {
            line.push_str(&format!("plugin/errors: {} {name} {qtype}: {reason}", Rcode::SERVFAIL.0));
        });
    }

    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        (!self.patterns.is_empty()).then(|| Box::pin(consolidate::report(self)) as BoxFuture<'static, ()>)
    }

    fn end(&self) -> bool {
        self.patterns.iter().for_each(|pattern| pattern.report(&self.journal));
        false
    }
}

impl Configure for Errors {
    const NAME: &'static str = "errors";
    const PLACE: Place = Place::Before("log");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let errors = Errors::read(setup)?;
        setup.plugin(errors);
        Ok(())
    }
}
