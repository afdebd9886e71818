//! Values of templates.

use std::fmt;

/// A value.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Value {
    /// What is not there.
    Nothing,
    Text(String),
    Number(i64),
    Truth(bool),
    List(Vec<Value>),
    /// By name; what a `Group` has not is nothing, and what a record has not is a mistake.
    Map {
        entries: Vec<(String, Value)>,
        is_open: bool,
    },
}

/// Why a template cannot be filled in.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failure(pub(crate) String);

impl Value {
    pub(crate) fn text(text: impl ToString) -> Value {
        Value::Text(text.to_string())
    }

    /// As Go has it: what is empty or zero is false.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Value::Nothing => false,
            Value::Text(text) => !text.is_empty(),
            Value::Number(number) => *number != 0,
            Value::Truth(truth) => *truth,
            Value::List(values) => !values.is_empty(),
            Value::Map { entries, .. } => !entries.is_empty(),
        }
    }

    /// The value of a name.
    pub(crate) fn field(&self, name: &str) -> Result<Value, Failure> {
        let Value::Map { entries, is_open } = self else { return Err(Failure(format!("no field {name}"))) };
        match entries.iter().find(|(entry, _)| entry == name) {
            Some((_, value)) => Ok(value.clone()),
            None if *is_open => Ok(Value::Nothing),
            None => Err(Failure(format!("no field {name}"))),
        }
    }

    pub(crate) fn number(&self) -> Result<i64, Failure> {
        match self {
            Value::Number(number) => Ok(*number),
            other => Err(Failure(format!("{other} is not a number"))),
        }
    }
}

impl From<cartonym_expression::Value> for Value {
    fn from(value: cartonym_expression::Value) -> Value {
        match value {
            cartonym_expression::Value::Truth(truth) => Value::Truth(truth),
            cartonym_expression::Value::Number(number) => Value::Number(number),
            cartonym_expression::Value::Text(text) => Value::Text(text),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nothing => f.write_str("<no value>"),
            Value::Text(text) => f.write_str(text),
            Value::Number(number) => write!(f, "{number}"),
            Value::Truth(truth) => write!(f, "{truth}"),
            Value::List(values) => {
                let words: Vec<_> = values.iter().map(Value::to_string).collect();
                write!(f, "[{}]", words.join(" "))
            }
            Value::Map { .. } => f.write_str("map"),
        }
    }
}
