//! The tree that a Corefile becomes.

use crate::parser::Parser;
use crate::{Directive, Error, Key, Source, Warning};

/// A Corefile, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corefile {
    /// The server blocks, in the order of the file. None if the file is empty or holds only snippets.
    pub servers: Vec<ServerBlock>,
    /// What the file says but hardly means, in the order of the file.
    pub warnings: Vec<Warning>,
}

/// Some zones, and the directives that serve them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerBlock {
    /// What it serves, and where; at least one. A CIDR key has become several.
    pub keys: Vec<Key>,
    /// Its directives, in the order of the file.
    pub directives: Vec<Directive>,
    /// How far it goes.
    pub extent: Extent,
}

/// How far a server block goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// From its `{` to the `}` that belongs to it.
    Braces,
    /// To the end of the file: its zones have no `{` after them.
    File,
}

impl Corefile {
    /// Reads `text`; `name` is its file's name, for errors and as the place from which relative imports start.
    ///
    /// Which directives exist, what they take, and whether two blocks serve the same zone is left to the caller.
    ///
    /// # Errors
    ///
    /// The first mistake. Never panics, and ends on any input: imports, their nesting and what variables expand to
    /// are bounded.
    pub fn parse(name: &str, text: &str, source: &dyn Source) -> Result<Self, Error> {
        Parser::new(name, text, source).corefile()
    }
}

impl Extent {
    /// Adds to the help of an error how the file was read, where a `{` that is missing may be the mistake.
    pub fn explain(self, error: Error) -> Error {
        match self {
            Extent::Braces => error,
            Extent::File => error.also_help(
                "no `{` follows the zones, so the rest of the file is read as one server block: a line of zones, then lines of \
                 directives",
            ),
        }
    }
}

impl ServerBlock {
    /// The zones of its keys: what a plugin serves that is given no zones of its own.
    pub fn zones(&self) -> Vec<String> {
        self.keys.iter().map(|key| key.zone.clone()).collect()
    }

    /// Its directives of one name.
    pub fn named<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s Directive> {
        self.directives.iter().filter(move |directive| directive.name() == name)
    }
}
