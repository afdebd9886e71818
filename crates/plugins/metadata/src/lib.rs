#![doc = include_str!("../README.md")]

use cartonym_plugin::corefile::Error;
use cartonym_plugin::{Configure, Place, Setup};

/// `metadata [ZONES...]`, which is no plugin of a chain: it turns on what others tell.
#[derive(Clone, Copy, Debug)]
pub struct Metadata;

impl Configure for Metadata {
    const NAME: &'static str = "metadata";
    const PLACE: Place = Place::Before("errors");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        directive.no_block()?;
        let zones = setup.zones_or_block(&directive.args)?;
        setup.in_block::<cartonym_plugin::Metadata>().turn_on(zones);
        Ok(())
    }
}
