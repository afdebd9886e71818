//! What is wrong in a master file, where, and what would be right.

use cartonym_wire::{NameError, Type};

use super::fields::{Row, TABLE};
use super::lexer::Place;
use super::write::RdataError;

/// A mistake and where it stands; shown as `FILE:LINE:COLUMN: what is wrong`.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}:{column}: {mistake}")]
pub struct MasterError {
    /// The name the file was opened by.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// In octets, from 1.
    pub column: u32,
    /// What is wrong.
    #[source]
    pub mistake: Mistake,
}

/// What is wrong, and what would be right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Mistake {
    /// A quoted string that its line does not close.
    #[error("the quoted string is not closed on its line; end it with \"")]
    UnclosedQuote,
    /// A quote within a word.
    #[error("a quote in the middle of a word; quote the whole, or write \\\"")]
    QuoteInWord,
    /// An opening parenthesis without its closing one.
    #[error("the parenthesis opened here is never closed")]
    UnclosedParenthesis,
    /// A closing parenthesis without its opening one.
    #[error("a closing parenthesis without an opening one")]
    UnopenedParenthesis,
    /// A record that takes its owner from the one before, where there is none.
    #[error("the first record needs an owner name at the start of its line")]
    NoOwner,
    /// A word that should be a name.
    #[error("`{word}` is not a name: {why}")]
    Name {
        /// As written.
        word: String,
        /// Why not.
        why: NameError,
    },
    /// A record without a type.
    #[error("the type and the data are missing; a record is: name, TTL, class, type, data")]
    NoType,
    /// A word where a TTL, a class or a type should be.
    #[error("`{word}` is not a TTL, a class or a type{}", nearest.map(|it| format!("; is {it} meant?")).unwrap_or_default())]
    UnknownType {
        /// As written.
        word: String,
        /// The known type it looks most like.
        nearest: Option<Type>,
    },
    /// A type of queries, not of data.
    #[error("{0} can be asked for, but never stored")]
    QueryOnly(Type),
    /// A type without a text form here.
    #[error("{0} has no text form here; write its data as \\# LENGTH HEX (RFC 3597 §5)")]
    NoTextForm(Type),
    /// A class other than IN.
    #[error("class {0} is not served; only IN is")]
    Class(String),
    /// A TTL or a class given twice.
    #[error("the {0} is given twice")]
    Twice(&'static str),
    /// A word that should be a TTL.
    #[error("`{0}` is not a TTL; write seconds from 0 to 2147483647, or units as in 1h30m")]
    Ttl(String),
    /// No TTL, and none to take over.
    #[error("no TTL; write one in the record, or $TTL before it")]
    NoTtl,
    /// Data that ends early.
    #[error("{rtype} needs {needs}")]
    TooFew {
        /// Whose data.
        rtype: Type,
        /// Its fields.
        needs: String,
    },
    /// Data that goes on.
    #[error("`{word}` is too much; {rtype} needs {needs}")]
    TooMany {
        /// Whose data.
        rtype: Type,
        /// The first word that is too much.
        word: String,
        /// Its fields.
        needs: String,
    },
    /// A field that is not what it should be.
    #[error("{rtype} {field}: `{word}` is not {expected}")]
    Field {
        /// Whose data.
        rtype: Type,
        /// Which field.
        field: &'static str,
        /// As written.
        word: String,
        /// What would be right.
        expected: &'static str,
    },
    /// A rule between the parts of a field.
    #[error("{rtype} {field}: {why}")]
    Rule {
        /// Whose data.
        rtype: Type,
        /// Which field.
        field: &'static str,
        /// The rule that is broken.
        why: String,
    },
    /// `\#` with a wrong number of octets.
    #[error("\\# announces {announced} octets, and {present} follow")]
    GenericLength {
        /// The number after `\#`.
        announced: u16,
        /// The octets there are.
        present: usize,
    },
    /// `\#` with octets that are not data of the type.
    #[error("the octets after \\# are not valid: {0}")]
    Generic(#[source] RdataError),
    /// Data that no record has room for.
    #[error("the data has {0} octets; 65535 is the most")]
    TooLong(usize),
    /// A word that begins with a dollar sign.
    #[error("`{0}` is not a directive; $ORIGIN, $TTL, $INCLUDE and $GENERATE are, at the start of a line")]
    Directive(String),
    /// A directive with too few words, too many, or wrong ones.
    #[error("write {usage}")]
    Usage {
        /// How it is written.
        usage: &'static str,
    },
    /// An included file that cannot be read.
    #[error("`{path}` cannot be included: {why}")]
    Include {
        /// As written.
        path: String,
        /// Why not.
        #[source]
        why: std::io::Error,
    },
    /// Files that include files that include files.
    #[error("files are included {0} deep, which is the most; is there a loop?")]
    IncludeDepth(usize),
    /// A range or a modifier of `$GENERATE`.
    #[error("$GENERATE: `{word}` is not {expected}")]
    Generate {
        /// As written.
        word: String,
        /// What would be right.
        expected: &'static str,
    },
    /// A mistake in a line that `$GENERATE` made.
    #[error("in `{text}`, made by $GENERATE: {mistake}")]
    Generated {
        /// The line.
        text: String,
        /// What is wrong in it.
        #[source]
        mistake: Box<Mistake>,
    },
}

/// A mistake within one text, before the file's name is known.
pub(super) struct Fault {
    pub(super) place: Place,
    pub(super) mistake: Mistake,
}

/// Boxed: a fault is rare, and the way of those that are none stays narrow.
pub(super) type Parsed<T> = Result<T, Box<Fault>>;

impl Fault {
    #[cold]
    pub(super) fn new(place: Place, mistake: Mistake) -> Box<Fault> {
        Box::new(Fault { place, mistake })
    }

    /// The fault with the file's name and the column.
    pub(super) fn of_file(self, file: &str, text: &[u8]) -> MasterError {
        let before = text.get(..self.place.at).unwrap_or(text);
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count().saturating_add(1);
        MasterError {
            file: file.to_owned(),
            line: self.place.line,
            column: u32::try_from(column).unwrap_or(u32::MAX),
            mistake: self.mistake,
        }
    }
}

impl Mistake {
    #[cold]
    pub(super) fn unknown_type(word: &[u8]) -> Mistake {
        let word = show(word);
        if word.starts_with('$') {
            return Mistake::Directive(word);
        }
        Mistake::UnknownType { nearest: nearest(&word), word }
    }

    #[cold]
    pub(super) fn too_few(row: &Row) -> Mistake {
        Mistake::TooFew { rtype: row.rtype, needs: row.needs() }
    }

    #[cold]
    pub(super) fn too_many(row: &Row, word: &[u8]) -> Mistake {
        Mistake::TooMany { rtype: row.rtype, word: show(word), needs: row.needs() }
    }
}

/// A word for people: bounded, and without control characters.
pub(super) fn show(word: &[u8]) -> String {
    let shown = word.get(..MAX_SHOWN).unwrap_or(word);
    let mut text = String::from_utf8_lossy(shown).replace(char::is_control, "?");
    if shown.len() < word.len() {
        text.push('…');
    }
    text
}

/// The type of the table whose mnemonic differs least, if by at most half of the word and two letters.
fn nearest(word: &str) -> Option<Type> {
    let word = word.to_ascii_uppercase();
    let most = (word.len() / 2).clamp(1, 2);
    TABLE
        .iter()
        .map(|row| (distance(word.as_bytes(), row.rtype.to_string().as_bytes()), row.rtype))
        .filter(|(distance, _)| *distance <= most && *distance < word.len())
        .min()
        .map(|(_, rtype)| rtype)
}

/// How many letters to insert, remove or replace (Levenshtein).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in (1..).zip(a) {
        let Some((first, others)) = row.split_first_mut() else { break };
        let (mut diagonal, mut left) = (std::mem::replace(first, i), i);
        for (above, y) in others.iter_mut().zip(b) {
            let replaced = diagonal.saturating_add(usize::from(x != y));
            left = replaced.min(left.min(*above).saturating_add(1));
            diagonal = std::mem::replace(above, left);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Octets of a word that an error shows.
const MAX_SHOWN: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_type_finds_its_neighbour() {
        for (word, rtype) in
            [("AAAAA", Type::AAAA), ("CNAM", Type::CNAME), ("cnmae", Type::CNAME), ("HTTP", Type::HTTPS)]
        {
            assert_eq!(nearest(word), Some(rtype), "{word}");
        }
        assert_eq!(nearest("BOGUSTYPE"), None);
        assert_eq!(nearest("x"), None);
    }

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, expected) in [("", "", 0), ("A", "", 1), ("kitten", "sitting", 3), ("SRV", "SVR", 2)] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
        }
    }
}
