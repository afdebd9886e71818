//! Regular expressions as whole automata: to run one takes neither memory nor a lock, on any thread.

use regex_automata::Input;
use regex_automata::dfa::dense::{Builder, Config, DFA};
use regex_automata::dfa::{Automaton, StartKind};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;

/// What a text may match, anywhere in it.
///
/// Classes as `\w` and the case of letters are those of ASCII, as they are in Go; so automata stay small.
#[derive(Debug)]
// Boxed: it is large beside all else that a tree is of, which the stack of who reads one would feel.
pub(crate) struct Pattern(Box<DFA<Vec<u32>>>);

/// Why a text is no pattern.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoPattern {
    #[error("this is no regular expression")]
    Malformed,
    #[error("this regular expression takes too much memory")]
    TooLarge,
}

impl Pattern {
    pub(crate) fn new(pattern: &str) -> Result<Pattern, NoPattern> {
        let config = Config::new()
            .start_kind(StartKind::Unanchored)
            .dfa_size_limit(Some(MOST_OCTETS))
            .determinize_size_limit(Some(MOST_OCTETS));
        Builder::new()
            .configure(config)
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(MOST_OCTETS)))
            .build(pattern)
            .map(|dfa| Pattern(Box::new(dfa)))
            .map_err(|error| match error.is_size_limit_exceeded() {
                true => NoPattern::TooLarge,
                false => NoPattern::Malformed,
            })
    }

    pub(crate) fn is_match(&self, text: &str) -> bool {
        // It can fail only at octets that are not to be read, of which there are none.
        self.0.try_search_fwd(&Input::new(text).earliest(true)).is_ok_and(|found| found.is_some())
    }
}

/// Octets of an automaton. Hundreds of alternatives have room; `.{1000}` twice over has not.
const MOST_OCTETS: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_found_anywhere_in_a_text() {
        let table = [
            (r"^w+\.example\.$", "www.example.", true),
            (r"^w+\.example\.$", "a.example.", false),
            ("x.*y", "axby", true),
            (r"\d{2}\b", "a12.", true),
            (r"(?i)EXAMPLE", "www.example.", true),
            ("é", "caf\u{e9}", true),
            ("", "", true),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(Pattern::new(pattern).unwrap().is_match(text), expected, "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert!(matches!(Pattern::new("("), Err(NoPattern::Malformed)));
        assert!(matches!(Pattern::new("[ab]*a[ab]{30}"), Err(NoPattern::TooLarge)));
    }

    #[test]
    fn hundreds_of_names_are_one_pattern() {
        let names: Vec<String> = (0..500).map(|n| format!(r"host-{n}\.example\.")).collect();
        assert!(Pattern::new(&format!("^({})$", names.join("|"))).unwrap().is_match("host-77.example."));
    }
}
