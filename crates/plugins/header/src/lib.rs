#![doc = include_str!("../README.md")]

use cartonym_plugin::corefile::{Directive, Error};
use cartonym_plugin::{Configure, Place, Plugin, Query, Response, Setup, Step};
use cartonym_wire::Flags;

/// Sets and clears flags of queries and responses.
#[derive(Clone, Debug, Default)]
pub struct Header {
    query: Vec<Rule>,
    response: Vec<Rule>,
}

/// A flag, and whether it is set.
type Rule = (Flags, bool);

impl Header {
    fn add(&mut self, entry: &Directive) -> Result<(), Error> {
        entry.no_block()?;
        let rules = match entry.name.one_of(&["query", "response"])? {
            "query" => &mut self.query,
            _ => &mut self.response,
        };
        let [action, flags @ ..] = entry.arg_count(2..)? else {
            return Err(entry.error("no action"));
        };
        let on = action.one_of(&["set", "clear"])? == "set";
        for flag in flags {
            let flag = match flag.one_of(&["aa", "ra", "rd"])? {
                "aa" => Flags::AA,
                "ra" => Flags::RA,
                _ => Flags::RD,
            };
            rules.push((flag, on));
        }
        Ok(())
    }
}

impl Plugin for Header {
    fn name(&self) -> &'static str {
        "header"
    }

    fn answer(&self, query: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        self.query.iter().for_each(|(flag, on)| query.set_flag(*flag, *on));
        Step::Next
    }

    fn on_response(&self, _: &Query<'_>, response: &mut Response<'_>) {
        self.response.iter().for_each(|(flag, on)| response.set_flag(*flag, *on));
    }
}

impl Configure for Header {
    const NAME: &'static str = "header";
    const PLACE: Place = Place::After("cache");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let mut header = Header::default();
        for directive in setup.directives() {
            directive.no_args()?;
            directive.block_entries().iter().try_for_each(|entry| header.add(entry))?;
        }
        setup.plugin(header);
        Ok(())
    }
}
