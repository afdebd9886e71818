#![doc = include_str!("../README.md")]

use cartonym_plugin::corefile::Error;
use cartonym_plugin::{Configure, Place, Plugin, Query, Response, Setup, Step};
use cartonym_wire::{Rcode, Section};

/// Leaves out what a response need not have.
#[derive(Clone, Copy, Debug, Default)]
pub struct Minimal;

impl Plugin for Minimal {
    fn name(&self) -> &'static str {
        "minimal"
    }

    fn answer(&self, _: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        Step::Next
    }

    fn on_response(&self, _: &Query<'_>, response: &mut Response<'_>) {
        let [answers, authority, additional] = [Section::Answer, Section::Authority, Section::Additional]
            .map(|section| response.count_of(section));
        // Without an answer the authority section is one: a referral, or the SOA of a negative answer.
        let is_needed = answers == 0 && authority > 0;
        if response.rcode() == Rcode::NOERROR && !is_needed && authority + additional > 0 {
            keep_answers(response);
        }
    }
}

/// Takes all records back, and puts those of the answer section where they were, so that pointers stay right.
fn keep_answers(response: &mut Response<'_>) {
    let Some(message) = response.message() else { return };
    let records = message.records().map_while(Result::ok);
    let Ok(question) = message.question() else { return };
    let end = records
        .take_while(|record| record.section == 0)
        .map(|record| record.rdata_start + record.rdata.len());
    let answers = question.end..end.last().unwrap_or(question.end);
    let answers = message.as_bytes().get(answers).unwrap_or_default().to_vec();
    let count = response.count_of(Section::Answer);
    response.clear_records();
    // It has fitted before.
    let _ = response.builder().raw(Section::Answer, count, &answers);
}

impl Configure for Minimal {
    const NAME: &'static str = "minimal";
    const PLACE: Place = Place::After("header");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        directive.no_args()?;
        directive.no_block()?;
        setup.plugin(Minimal);
        Ok(())
    }
}
