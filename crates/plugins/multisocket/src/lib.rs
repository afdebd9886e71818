#![doc = include_str!("../README.md")]

use cartonym_plugin::corefile::Error;
use cartonym_plugin::{Configure, Place, Setup};

/// The directive, which adds no plugin.
#[derive(Debug)]
pub struct Multisocket;

impl Configure for Multisocket {
    const NAME: &'static str = "multisocket";
    const PLACE: Place = Place::Last;

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        directive.no_block()?;
        // What a server does by itself is what no number asks for.
        setup.settings.sockets = None;
        if let Some(word) = directive.optional_arg()? {
            let sockets = word.parse("a number from 1 to 1024")?;
            if !(1..=1024).contains(&sockets) {
                return Err(word.error("a number from 1 to 1024 is meant"));
            }
            setup.settings.sockets = Some(sockets);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use cartonym_plugin::{Settings, Shared};
    use cartonym_testing::configure_in;

    use super::*;

    fn sockets(line: &str) -> Result<Option<usize>, String> {
        let mut settings = Settings::default();
        configure_in::<Multisocket>(".", line, &mut settings, &Shared::default())?;
        Ok(settings.sockets)
    }

    #[test]
    fn a_number_of_sockets_is_read_within_its_bounds() {
        assert_eq!(sockets("multisocket"), Ok(None));
        assert_eq!(sockets("multisocket 7"), Ok(Some(7)));
        for line in
            ["multisocket 0", "multisocket 1025", "multisocket x", "multisocket 1 2", "multisocket {\n}"]
        {
            assert!(sockets(line).is_err(), "{line}");
        }
    }
}
