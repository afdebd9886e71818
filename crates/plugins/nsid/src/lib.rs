#![doc = include_str!("../README.md")]

use cartonym_plugin::corefile::Error;
use cartonym_plugin::{Configure, Place, Plugin, Query, Response, Setup, Step};
use cartonym_wire::OptionCode;

/// Tells which server it was.
#[derive(Clone, Debug)]
pub struct Nsid {
    identifier: Vec<u8>,
}

impl Nsid {
    /// With this identifier.
    pub fn new(identifier: impl Into<Vec<u8>>) -> Nsid {
        Nsid { identifier: identifier.into() }
    }
}

impl Plugin for Nsid {
    fn name(&self) -> &'static str {
        "nsid"
    }

    fn answer(&self, _: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        Step::Next
    }

    fn on_response(&self, query: &Query<'_>, response: &mut Response<'_>) {
        if query.edns().is_some_and(|edns| edns.options.find(OptionCode::NSID).is_some()) {
            response.option(OptionCode::NSID, &self.identifier);
        }
    }
}

impl Configure for Nsid {
    const NAME: &'static str = "nsid";
    const PLACE: Place = Place::Before("errors");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        directive.no_block()?;
        let identifier = match directive.args.as_slice() {
            [] => setup.host_name(),
            words => words.iter().map(|word| word.as_str()).collect::<Vec<_>>().join(" "),
        };
        if identifier.len() > MAX_LEN {
            return Err(directive.error(format!("an identifier has at most {MAX_LEN} octets")));
        }
        setup.plugin(Nsid::new(identifier));
        Ok(())
    }
}

/// What leaves room for other options in a response.
const MAX_LEN: usize = 255;
