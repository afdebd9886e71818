//! One word of a Corefile, and what it may be read as.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::{Error, Position, nearest, parse_duration};

/// A word, with its environment variables replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// What it says; without its quotes, if it had any. It may be empty, and may contain anything.
    pub text: String,
    /// Where it begins.
    pub position: Position,
    /// Whether it was written in quotes.
    pub quoted: bool,
}

impl Word {
    /// What it says.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// An error that points at this word.
    pub fn error(&self, message: impl Into<String>) -> Error {
        Error::new(&self.position, message)
    }

    /// Reads it as a `T`; `what` names that with its article, as in `"a port"`.
    ///
    /// # Errors
    ///
    /// "`x` is not a port", at this word.
    pub fn parse<T: FromStr>(&self, what: &str) -> Result<T, Error> {
        self.text.parse().map_err(|_| self.error(format!("`{self}` is not {what}")))
    }

    /// Reads it as a duration; see [`parse_duration`].
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn duration(&self) -> Result<Duration, Error> {
        parse_duration(&self.text).ok_or_else(|| self.not_a_duration())
    }

    /// Reads it as a duration, or as a number of seconds if it has no unit.
    ///
    /// # Errors
    ///
    /// If it is neither.
    pub fn duration_or_seconds(&self) -> Result<Duration, Error> {
        let seconds = || self.text.parse::<u32>().ok().map(|s| Duration::from_secs(s.into()));
        parse_duration(&self.text).or_else(seconds).ok_or_else(|| self.not_a_duration())
    }

    /// Reads it as one of a few words.
    ///
    /// # Errors
    ///
    /// If it is another; the help names the nearest, or all.
    pub fn one_of<'c>(&self, choices: &[&'c str]) -> Result<&'c str, Error> {
        match choices.iter().find(|choice| **choice == self.text) {
            Some(choice) => Ok(choice),
            None => Err(self
                .error(format!("`{self}` is not one of {}", list(choices, "or")))
                .maybe_help(did_you_mean(&self.text, choices))),
        }
    }

    fn not_a_duration(&self) -> Error {
        self.error(format!("`{self}` is not a duration"))
            .help("a duration is written as `300ms`, `5s` or `1h30m`")
    }
}

/// What it says as a message may show it: on one line, and cut after 64 characters.
impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Brief(&self.text).fmt(f)
    }
}

/// A text as a message may show it.
pub(crate) struct Brief<'t>(pub(crate) &'t str);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, c) in self.0.chars().enumerate() {
            match c {
                _ if at == MAX_SHOWN_CHARS => return f.write_str("..."),
                c if c.is_control() => write!(f, "{}", c.escape_default())?,
                c => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}

impl PartialEq<str> for Word {
    fn eq(&self, other: &str) -> bool {
        self.text == other
    }
}

impl PartialEq<&str> for Word {
    fn eq(&self, other: &&str) -> bool {
        self.text == *other
    }
}

/// Enough to find the word again.
const MAX_SHOWN_CHARS: usize = 64;

pub(crate) fn did_you_mean(word: &str, candidates: &[&str]) -> Option<String> {
    nearest(word, candidates.iter().copied()).map(|nearest| format!("did you mean `{nearest}`?"))
}

/// `` `a`, `b` or `c` ``
pub(crate) fn list(words: &[&str], conjunction: &str) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} {conjunction} {last}", others.join(", ")),
    }
}
