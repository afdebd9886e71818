#![doc = include_str!("../README.md")]

use cartonym_plugin::corefile::Error;
use cartonym_plugin::{Configure, Place, Setup};

/// Bounds the size of responses over UDP. A setting of the listener: no query meets it.
#[derive(Clone, Copy, Debug)]
pub struct Bufsize;

impl Configure for Bufsize {
    const NAME: &'static str = "bufsize";
    const PLACE: Place = Place::Before("errors");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        directive.no_block()?;
        let size = match directive.optional_arg()? {
            None => 1232,
            Some(word) => {
                let size = word.parse("a number")?;
                if !(512..=4096).contains(&size) {
                    return Err(word.error(format!("`{word}` is not between 512 and 4096")));
                }
                size
            }
        };
        setup.settings.udp_size = Some(size);
        Ok(())
    }
}
