#![doc = include_str!("../README.md")]

use cartonym_plugin::corefile::Error;
use cartonym_plugin::{Configure, Place, Setup};

/// The directive, which adds no plugin.
#[derive(Debug)]
pub struct Debug;

impl Configure for Debug {
    const NAME: &'static str = "debug";
    const PLACE: Place = Place::Last;

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        for directive in setup.directives() {
            directive.no_args()?;
            directive.no_block()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_no_argument() {
        assert!(cartonym_testing::configure::<Debug>("debug").is_ok());
        assert!(cartonym_testing::configure::<Debug>("debug all").is_err());
    }
}
