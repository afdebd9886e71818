//! Where something stands in a Corefile, and what is wrong or doubtful there.

use std::fmt;
use std::sync::Arc;

/// A place in a file; displays as `FILE:LINE:COLUMN`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The file's name, as it was given to the parser or found by an import.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

/// A mistake in a Corefile; displays as `FILE:LINE:COLUMN: message`.
///
/// Plugins make their own with [`Word::error`](crate::Word::error) and [`Directive::error`](crate::Directive::error).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Where the mistake is.
    pub position: Position,
    /// What is wrong, in lower case and without a full stop.
    pub message: String,
    /// What would be right, where that can be told.
    pub help: Option<String>,
}

/// Something a Corefile may say, but hardly means; displays as [`Error`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where it is.
    pub position: Position,
    /// What is doubtful, in lower case and without a full stop.
    pub message: String,
    /// What was probably meant, where that can be told.
    pub help: Option<String>,
}

impl Error {
    /// Says what is wrong at `position`.
    pub fn new(position: &Position, message: impl Into<String>) -> Self {
        Self { position: position.clone(), message: message.into(), help: None }
    }

    /// Adds what would be right.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds to what would be right.
    #[must_use]
    pub fn also_help(mut self, more: &str) -> Self {
        self.help = Some(self.help.map_or_else(|| more.to_owned(), |help| format!("{help}; {more}")));
        self
    }

    /// All of it on one line: `FILE:LINE:COLUMN: message (help)`.
    pub fn in_full(&self) -> String {
        in_full(self, self.help.as_deref())
    }

    /// Adds what would be right, if it is known.
    #[must_use]
    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }
}

impl Warning {
    /// All of it on one line, as [`Error::in_full`].
    pub fn in_full(&self) -> String {
        in_full(self, self.help.as_deref())
    }

    pub(crate) fn new(position: &Position, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { position: position.clone(), message: message.into(), help: Some(help.into()) }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.message)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.message)
    }
}

impl std::error::Error for Error {}

fn in_full(said: &dyn fmt::Display, help: Option<&str>) -> String {
    help.map_or_else(|| said.to_string(), |help| format!("{said} ({help})"))
}
