//! Directives that set up a block's listeners instead of adding a plugin.

use std::net::IpAddr;
use std::path::PathBuf;

use cartonym::corefile::{Error, ServerBlock};
use cartonym::plugin::{Configure, Place, Setup};

/// `bind ADDRESS...`: the addresses to listen on.
pub(crate) struct Bind;

/// `root PATH`: where relative paths begin.
pub(crate) struct Root;

impl Configure for Bind {
    const NAME: &'static str = "bind";
    const PLACE: Place = Place::Last;

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        for directive in setup.directives() {
            for word in directive.arg_count(1..)? {
                let address: IpAddr = word.parse("an IP address")?;
                if !setup.settings.bind.contains(&address) {
                    setup.settings.bind.push(address);
                }
            }
            directive.no_block()?;
        }
        Ok(())
    }
}

impl Root {
    /// The root of a block, for who reads it without its set-up. What is wrong with it is said there.
    pub(crate) fn of(server: &ServerBlock) -> PathBuf {
        let word = server.named(Root::NAME).next().and_then(|directive| directive.args.first());
        word.map_or_else(PathBuf::new, |word| word.as_str().into())
    }
}

impl Configure for Root {
    const NAME: &'static str = "root";
    const PLACE: Place = Place::Last;

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let word = setup.only()?.one_arg()?;
        setup.settings.root = word.as_str().into();
        Ok(())
    }
}
