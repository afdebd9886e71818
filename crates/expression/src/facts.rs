//! What expressions are about.

use std::sync::Arc;

use cartonym_plugin::{Metadata, Query};

use crate::Formula;

/// What an expression may name beside what every query has.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The block's, whose labels `metadata()` reads.
    pub metadata: &'a Arc<Metadata>,
    /// The names and numbers that `group()` knows; without any there is no `group()`.
    pub groups: Option<&'a [String]>,
    /// Values by name; their places are those of [`Facts::variables`].
    pub variables: &'a [(String, Formula)],
}

/// What is known when an expression is evaluated.
#[derive(Clone, Copy)]
pub struct Facts<'a, 'q> {
    /// Who asks for what.
    pub query: &'a Query<'q>,
    /// What patterns of the caller have found.
    pub groups: &'a dyn Groups,
    /// The values of the variables so far.
    pub variables: &'a [Value],
}

/// What the groups of a pattern have found.
pub trait Groups {
    /// What the one of this name has; an empty text if nothing.
    fn found(&self, group: &str) -> &str;
}

/// What a formula comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Value {
    Truth(bool),
    Number(i64),
    Text(String),
}

impl<'a> Names<'a> {
    /// Nothing but metadata.
    pub fn of(metadata: &'a Arc<Metadata>) -> Names<'a> {
        Names { metadata, groups: None, variables: &[] }
    }
}

impl<'a, 'q> Facts<'a, 'q> {
    /// Nothing but a query.
    pub fn of(query: &'a Query<'q>) -> Facts<'a, 'q> {
        Facts { query, groups: &Nothing, variables: &[] }
    }

    pub(crate) fn variable(&self, place: usize) -> Option<&'a Value> {
        self.variables.get(place)
    }
}

struct Nothing;

impl Groups for Nothing {
    fn found(&self, _: &str) -> &str {
        ""
    }
}
