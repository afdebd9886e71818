//! A directive, and what plugins ask of it to read their configuration.

use std::ops::{Bound, RangeBounds};

use crate::word::{did_you_mean, list};
use crate::{Error, Word};

/// A line of a server block or of another directive's block: `name arg... [{ block }]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// The first word of the line.
    pub name: Word,
    /// The other words of the line.
    pub args: Vec<Word>,
    /// What stands between its braces, if it has them.
    pub block: Option<Vec<Directive>>,
}

impl Directive {
    /// What the first word says.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The lines of its block; none if it has no block.
    pub fn block_entries(&self) -> &[Directive] {
        self.block.as_deref().unwrap_or_default()
    }

    /// An error that points at its name.
    pub fn error(&self, message: impl Into<String>) -> Error {
        self.name.error(message)
    }

    /// Makes sure that it has no arguments.
    ///
    /// # Errors
    ///
    /// At the first argument.
    pub fn no_args(&self) -> Result<(), Error> {
        self.arg_count(0..=0).map(|_| ())
    }

    /// Its arguments, whose number must be in `allowed`.
    ///
    /// # Errors
    ///
    /// At the first that is too many, or at the name if one is missing.
    pub fn arg_count(&self, allowed: impl RangeBounds<usize>) -> Result<&[Word], Error> {
        let has = self.args.len();
        if allowed.contains(&has) {
            return Ok(&self.args);
        }
        let least = match allowed.start_bound() {
            Bound::Included(least) => *least,
            Bound::Excluded(below) => below.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let most = match allowed.end_bound() {
            Bound::Included(most) => Some(*most),
            Bound::Excluded(above) => Some(above.saturating_sub(1)),
            Bound::Unbounded => None,
        };
        let takes = match most {
            None => format!("at least {}", arguments(least)),
            Some(0) => "no argument".to_owned(),
            Some(most) if most == least => arguments(most),
            Some(most) => format!("{least} to {}", arguments(most)),
        };
        let at = most.and_then(|most| self.args.get(most)).unwrap_or(&self.name);
        Err(at.error(format!("`{}` takes {takes}, but has {has}", self.name)))
    }

    /// Its only argument.
    ///
    /// # Errors
    ///
    /// If there is none, or more than one.
    pub fn one_arg(&self) -> Result<&Word, Error> {
        match self.arg_count(1..=1)? {
            [arg, ..] => Ok(arg),
            [] => Err(self.error(format!("`{}` takes 1 argument, but has 0", self.name))),
        }
    }

    /// Its argument, which it may do without.
    ///
    /// # Errors
    ///
    /// At the second argument.
    pub fn optional_arg(&self) -> Result<Option<&Word>, Error> {
        Ok(self.arg_count(0..=1)?.first())
    }

    /// Makes sure that it has no block.
    ///
    /// # Errors
    ///
    /// At its name.
    pub fn no_block(&self) -> Result<(), Error> {
        match self.block {
            None => Ok(()),
            Some(_) => Err(self.error(format!("`{}` has no properties, and takes no `{{`", self.name))),
        }
    }

    /// The error of a directive that nobody knows; the help names the nearest of `known`.
    pub fn unknown_directive(&self, known: &[&str]) -> Error {
        self.error(format!("unknown directive `{}`", self.name)).maybe_help(did_you_mean(self.name(), known))
    }

    /// The error of a line that its parent's block has no use for; the help names the nearest of `known`, or all.
    pub fn unexpected_property(&self, known: &[&str]) -> Error {
        let all = || Some(format!("the properties are {}", list(known, "and")));
        let help = did_you_mean(self.name(), known).or_else(all).filter(|_| !known.is_empty());
        self.error(format!("unknown property `{}`", self.name)).maybe_help(help)
    }

    /// The error of a directive or property that may appear only once, and `first` was it.
    pub fn repeated(&self, first: &Directive) -> Error {
        self.error(format!("`{}` may appear only once", self.name))
            .help(format!("the first is at {}", first.name.position))
    }
}

fn arguments(count: usize) -> String {
    match count {
        1 => "1 argument".to_owned(),
        count => format!("{count} arguments"),
    }
}
