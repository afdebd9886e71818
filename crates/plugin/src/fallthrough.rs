//! Which names a plugin leaves to the next where it has nothing for them.

use cartonym_corefile::{Directive, Error};
use cartonym_wire::{Name, NameBuf};

use crate::names;

/// What a line `fallthrough [ZONES...]` says.
#[derive(Clone, Debug, Default)]
pub struct Fallthrough {
    zones: Vec<NameBuf>,
}

impl Fallthrough {
    /// Reads the line; without zones it is for all names. A plugin without the line has the default: no names.
    ///
    /// # Errors
    ///
    /// At the word that is no name.
    pub fn of(entry: &Directive) -> Result<Fallthrough, Error> {
        entry.no_block()?;
        let zones = if entry.args.is_empty() { vec![NameBuf::ROOT] } else { names(&entry.args)? };
        Ok(Fallthrough { zones })
    }

    /// Whether `name` is left to the next plugin.
    pub fn takes(&self, name: &Name) -> bool {
        self.zones.iter().any(|zone| name.is_within(zone))
    }
}
