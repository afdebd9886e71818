//! Conditions about a query, as Corefiles have them: `type() == 'A' && incidr(client_ip(), '192.0.2.0/24')`.
//!
//! The language is the part of expr-lang that asks and makes little: texts, numbers and lists of them, comparisons,
//! `in`, `contains`, `startsWith`, `endsWith`, `matches`, arithmetic, `? :`, `&&`, `||`, `!` with their words, `any` and `replace`. Kinds are
//! checked when an expression is read, so that it always comes to an answer. To evaluate it takes neither memory nor a lock.
//!
//! ```text
//! words of the Corefile → tokens → tree of the three kinds → true or false, for each query
//! ```

#![deny(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod facts;
mod parse;
mod pattern;
mod room;
mod token;
mod tree;

pub use facts::{Facts, Groups, Names, Value};

use cartonym_plugin::corefile::{Error, Word};

use tree::{Kind, Truth};

/// A condition.
#[derive(Debug)]
pub struct Expression(Truth);

/// An expression that is a condition, a number or a text.
#[derive(Debug)]
pub struct Formula(Kind);

impl Expression {
    /// Reads words that are one expression, such as all arguments of `expr`.
    ///
    /// # Errors
    ///
    /// At the place that is wrong, within a word.
    pub fn parse(first: &Word, more: &[Word], names: &Names<'_>) -> Result<Expression, Error> {
        let tokens = token::read(first, more)?;
        match parse::parse(&tokens, names)? {
            Kind::Truth(truth) => Ok(Expression(truth)),
            other => Err(tokens.error(0, format!("a condition is expected, not {}", other.name()))),
        }
    }

    /// Whether it is true.
    pub fn is_true(&self, facts: &Facts<'_, '_>) -> bool {
        self.0.holds(facts)
    }
}

impl Formula {
    /// Reads words that are one expression, as [`Expression::parse`] does.
    ///
    /// # Errors
    ///
    /// At the place that is wrong, within a word; a list is no value.
    pub fn parse(first: &Word, more: &[Word], names: &Names<'_>) -> Result<Formula, Error> {
        let tokens = token::read(first, more)?;
        match parse::parse(&tokens, names)? {
            list @ (Kind::Numbers(_) | Kind::Texts(_)) => {
                Err(tokens.error(0, format!("a value is expected, not {}", list.name())))
            }
            kind => Ok(Formula(kind)),
        }
    }

    /// What it comes to. A text takes memory.
    pub fn value(&self, facts: &Facts<'_, '_>) -> Value {
        self.0.value(facts)
    }
}
