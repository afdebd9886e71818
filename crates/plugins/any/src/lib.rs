#![doc = include_str!("../README.md")]

use cartonym_plugin::corefile::Error;
use cartonym_plugin::{Configure, Place, Plugin, Query, Response, Setup, Step};
use cartonym_wire::{Section, Ttl, Type};

/// Answers queries for all types with little.
#[derive(Clone, Copy, Debug, Default)]
pub struct Any;

impl Plugin for Any {
    fn name(&self) -> &'static str {
        "any"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        if query.qtype() != Type::ANY {
            return Step::Next;
        }
        // A pointer and forty octets fit every message.
        let _ = response.record(Section::Answer, query.question().name, Type::HINFO, TTL, HINFO);
        Step::Answered
    }
}

impl Configure for Any {
    const NAME: &'static str = "any";
    const PLACE: Place = Place::Before("cache");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        directive.no_args()?;
        directive.no_block()?;
        setup.plugin(Any);
        Ok(())
    }
}

const HINFO: &[u8] = b"\x0dANY obsoleted\x0cSee RFC 8482";
const TTL: Ttl = Ttl::from_secs(8482);
