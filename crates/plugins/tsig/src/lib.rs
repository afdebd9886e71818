#![doc = include_str!("../README.md")]

mod configure;
mod named;

use cartonym_plugin::{Plugin, Query, Response, Step, Transport};
use cartonym_wire::{Ede, NameBuf, Rcode, Type};

/// Refuses queries that ought to be signed, and are not.
#[derive(Debug, Default)]
pub struct Tsig {
    rules: Vec<Rule>,
}

/// What must be signed in some zones.
#[derive(Debug)]
struct Rule {
    zones: Vec<NameBuf>,
    required: Required,
}

/// Types of queries that must be signed.
#[derive(Debug)]
enum Required {
    All,
    These(Vec<Type>),
}

impl Rule {
    fn requires(&self, query: &Query<'_>) -> bool {
        let is_of_type = match &self.required {
            Required::All => true,
            Required::These(types) => types.contains(&query.qtype()),
        };
        is_of_type && self.zones.iter().any(|zone| query.name().is_within(zone))
    }
}

impl Plugin for Tsig {
    fn name(&self) -> &'static str {
        "tsig"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        let is_ours = query.key().is_some() || query.client().transport == Transport::Internal;
        if is_ours || !self.rules.iter().any(|rule| rule.requires(query)) {
            return Step::Next;
        }
        response.set_rcode(Rcode::REFUSED);
        response.set_ede(Ede::PROHIBITED);
        Step::Answered
    }
}
