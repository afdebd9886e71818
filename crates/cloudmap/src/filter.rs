//! Filters of listings: which conditions go with which name, and what they accept.

use crate::fault::{Code, Fault};
use crate::types::operation::Condition;

/// A filter's condition with its values.
#[derive(Debug, PartialEq)]
pub(crate) enum Test<'a> {
    Is(&'a str),
    OneOf(&'a [String]),
    BeginsWith(&'a str),
    Between(&'a str, &'a str),
}

impl<'a> Test<'a> {
    /// The test that a filter states, which must be among those `allowed` for its name; EQ if it states none.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a condition that does not go with the name, or the wrong number of values.
    pub(crate) fn new(
        name: &str,
        condition: Option<Condition>,
        values: &'a [String],
        allowed: &[Condition],
    ) -> Result<Test<'a>, Fault> {
        let condition = condition.unwrap_or(Condition::Eq);
        let word = condition.word();
        if !allowed.contains(&condition) {
            return Err(refused(format!("The condition {word} is not valid for the filter {name}.")));
        }
        match (condition, values) {
            (Condition::Eq, [value]) => Ok(Test::Is(value)),
            (Condition::BeginsWith, [value]) => Ok(Test::BeginsWith(value)),
            (Condition::Between, [first, last]) => Ok(Test::Between(first, last)),
            (Condition::In, [_, ..]) => Ok(Test::OneOf(values)),
            _ => Err(refused(format!(
                "The filter {name} with the condition {word} does not take {} values.",
                values.len()
            ))),
        }
    }

    /// Whether `text` passes; a range of dates is not a matter of text.
    pub(crate) fn accepts(&self, text: &str) -> bool {
        match self {
            Test::Is(value) => text == *value,
            Test::OneOf(values) => values.iter().any(|value| value == text),
            Test::BeginsWith(start) => text.starts_with(start),
            Test::Between(..) => false,
        }
    }
}

/// Whether a filter on RESOURCE_OWNER shows this account's resources, which are all there are.
///
/// # Errors
///
/// `InvalidInput` for a word that is neither `SELF` nor `OTHER_ACCOUNTS`.
pub(crate) fn shows_own(test: &Test<'_>) -> Result<bool, Fault> {
    match test {
        Test::Is("SELF") => Ok(true),
        Test::Is("OTHER_ACCOUNTS") => Ok(false),
        _ => Err(refused("The filter RESOURCE_OWNER takes SELF or OTHER_ACCOUNTS.")),
    }
}

pub(crate) fn refused(message: impl Into<String>) -> Fault {
    Fault::new(Code::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test<'a>(condition: Option<Condition>, values: &'a [String]) -> Result<Test<'a>, Code> {
        let allowed = [Condition::Eq, Condition::In, Condition::Between];
        Test::new("NAME", condition, values, &allowed).map_err(|fault| fault.code())
    }

    #[test]
    fn the_condition_says_how_many_values_there_are() {
        let [none, one, two] = [&[][..], &["a".to_owned()], &["a".to_owned(), "b".to_owned()]];
        assert_eq!(test(None, one), Ok(Test::Is("a")));
        assert_eq!(test(Some(Condition::In), two), Ok(Test::OneOf(two)));
        assert_eq!(test(Some(Condition::Between), two), Ok(Test::Between("a", "b")));
        for (condition, values) in [
            (None, none),
            (Some(Condition::Eq), two),
            (Some(Condition::In), none),
            (Some(Condition::Between), one),
            (Some(Condition::BeginsWith), one),
        ] {
            assert_eq!(test(condition, values), Err(Code::InvalidInput), "{condition:?} {values:?}");
        }
    }
}
