//! Environment variables inside words: `{%NAME%}`, then `{$NAME}`.

use crate::word::Brief;
use crate::{Error, Source, Word};

/// Replaces the variables in a word; one that is not set reads as nothing.
///
/// A value is read again, so it may name further variables; it never becomes more than this one word.
///
/// # Errors
///
/// If that does not end: a variable that contains itself, or a word that grows without measure.
pub(crate) fn expand(word: &mut Word, source: &dyn Source) -> Result<(), Error> {
    let mut steps = 0..MAX_STEPS;
    for (open, close) in [("{%", "%}"), ("{$", "}")] {
        while let Some((before, name, after)) = reference(&word.text, open, close) {
            let value = source.env(name).unwrap_or_default();
            let text = [before, &value, after].concat();
            if steps.next().is_none() || text.len() > MAX_OCTETS {
                return Err(word
                    .error(format!("the environment variable `{}` expands without end", Brief(name)))
                    .help("its value may not name the variable itself, directly or through others"));
            }
            word.text = text;
        }
    }
    Ok(())
}

/// The first reference in `text`. None as well if that one is without a name, as in `{$}`: nothing after it is replaced.
fn reference<'t>(text: &'t str, open: &str, close: &str) -> Option<(&'t str, &'t str, &'t str)> {
    let (before, rest) = text.split_once(open)?;
    let (name, after) = rest.split_once(close)?;
    (!name.is_empty()).then_some((before, name, after))
}

/// More than anyone means, and soon reached by a variable that names itself.
const MAX_STEPS: usize = 100;

/// As long as one word may become through its variables.
const MAX_OCTETS: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Memory, Position};

    fn expanded(text: &str) -> Result<String, Error> {
        let source = Memory::new()
            .variable("A", "alpha")
            .variable("PORT", "53")
            .variable("SPACE", "x y")
            .variable("NESTED", "<{$A}>")
            .variable("HALF", "$A}")
            .variable("LOOP", "{$LOOP}")
            .variable("TWICE", "{$TWICE}{$TWICE}")
            .variable("PING", "{$PONG}")
            .variable("PONG", "{$PING}")
            .variable("LARGE", "x".repeat(1 << 19))
            .variable("$", "dollar");
        let position = Position { file: Arc::from("t"), line: 1, column: 1 };
        let mut word = Word { text: text.to_owned(), position, quoted: false };
        expand(&mut word, &source).map(|()| word.text)
    }

    #[test]
    fn variables_are_replaced_anywhere_in_a_word() {
        let table = [
            ("plain", "plain"),
            ("{$A}", "alpha"),
            ("{%A%}", "alpha"),
            ("{$A}:{$PORT}", "alpha:53"),
            ("{%A%}:{$PORT}", "alpha:53"),
            ("{$A}:{%PORT%}", "alpha:53"),
            ("x{$A}y{$A}z", "xalphayalphaz"),
            ("{$SPACE}", "x y"),
            ("{$NESTED}", "<alpha>"),
            ("{{$HALF}", "alpha"),
            ("{$NONE}", ""),
            ("{$A:bar}", ""),
            ("{$}", "{$}"),
            ("{$}{$A}", "{$}{$A}"),
            ("{%%}", "{%%}"),
            ("{%}", "{%}"),
            ("{$$}", "dollar"),
            ("{%A}", "{%A}"),
            ("{$A", "{$A"),
            ("{{$x}}", "{}"),
            ("{{ $x }}", "{{ $x }}"),
        ];
        for (text, value) in table {
            assert_eq!(expanded(text).as_deref(), Ok(value), "{text}");
        }
    }

    #[test]
    fn a_variable_that_contains_itself_is_an_error() {
        for text in ["{$LOOP}", "{$TWICE}", "{$PING}", "{$LARGE}{$LARGE}{$LARGE}"] {
            let error = expanded(text).unwrap_err();
            assert!(error.message.ends_with("expands without end"), "{error}");
        }
    }
}
