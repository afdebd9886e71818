//! From words to tokens, each with its place in the Corefile.

use cartonym_plugin::corefile::{Error, Position, Word};

/// The tokens of an expression.
pub(crate) struct Tokens {
    pub(crate) tokens: Vec<Spanned>,
    /// Where the expression ends.
    end: Position,
}

/// A token and where it begins.
pub(crate) struct Spanned {
    pub(crate) token: Token,
    pub(crate) position: Position,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    /// In quotes.
    Text(String),
    Number(i64),
    /// A function, an operator that is a word, `true` or `false`.
    Word(String),
    Sign(&'static str),
}

/// Longer ones first.
const SIGNS: [&str; 22] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "(", ")", "[", "]", ",", "?", ":", "+", "-", "*", "/",
    "%", "#",
];

/// Reads words with a blank between each two.
pub(crate) fn read(first: &Word, more: &[Word]) -> Result<Tokens, Error> {
    let text = Source::of(first, more);
    let mut tokens = Vec::new();
    let mut at = 0usize;
    while let Some(first) = text.rest(at).chars().next() {
        let (start, rest) = (at, text.rest(at));
        let (token, len) = match first {
            blank if blank.is_whitespace() => {
                at = at.saturating_add(blank.len_utf8());
                continue;
            }
            '\'' | '"' | '`' => {
                let quoted = quoted(rest, first);
                let (text, len) = quoted.map_err(|message| text.error(start, message))?;
                (Token::Text(text), len)
            }
            '0'..='9' => {
                let len = run(rest, |c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
                let digits = rest.get(..len).unwrap_or_default();
                let number = digits.replace('_', "").parse();
                let wrong = |_| text.error(start, format!("`{digits}` is not a whole number"));
                (Token::Number(number.map_err(wrong)?), len)
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let len = run(rest, |c| c.is_ascii_alphanumeric() || c == '_');
                (Token::Word(rest.get(..len).unwrap_or_default().to_owned()), len)
            }
            _ => match SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
                Some(sign) => (Token::Sign(sign), sign.len()),
                None => return Err(text.error(start, format!("`{first}` means nothing here"))),
            },
        };
        tokens.push(Spanned { token, position: text.position(start) });
        at = at.saturating_add(len);
    }
    Ok(Tokens { tokens, end: text.position(at) })
}

/// The octets at the start that are of a kind.
fn run(text: &str, is_kind: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is_kind(c)).unwrap_or(text.len())
}

/// A text in quotes, and how long it is with them. In backticks a backslash is one.
fn quoted(text: &str, quote: char) -> Result<(String, usize), String> {
    let mut out = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            _ if character == quote => return Ok((out, at.saturating_add(quote.len_utf8()))),
            '\\' if quote != '`' => match characters.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 't')) => out.push('\t'),
                Some((_, escaped @ ('\\' | '\'' | '"' | '`'))) => out.push(escaped),
                Some((_, other)) => return Err(format!("`\\{other}` is no escape; a backslash is `\\\\`")),
                None => break,
            },
            _ => out.push(character),
        }
    }
    Err(format!("the text has no {quote} at its end"))
}

impl Tokens {
    /// An error at the token of this number, or at the end.
    pub(crate) fn error(&self, at: usize, message: impl Into<String>) -> Error {
        Error::new(self.tokens.get(at).map_or(&self.end, |token| &token.position), message)
    }
}

/// The words as one text.
struct Source<'w> {
    text: String,
    /// Where each word begins in it; the first word does at 0.
    words: Vec<(usize, &'w Word)>,
    first: &'w Word,
}

impl<'w> Source<'w> {
    fn of(first: &'w Word, more: &'w [Word]) -> Source<'w> {
        let mut source = Source { text: first.text.clone(), words: Vec::new(), first };
        for word in more {
            source.text.push(' ');
            source.words.push((source.text.len(), word));
            source.text.push_str(word.as_str());
        }
        source
    }

    fn rest(&self, at: usize) -> &str {
        self.text.get(at..).unwrap_or_default()
    }

    /// The place in the Corefile; near it, in a word with quotes of its own or with a variable.
    fn position(&self, at: usize) -> Position {
        let behind = self.words.partition_point(|(start, _)| *start <= at);
        let word = behind.checked_sub(1).and_then(|last| self.words.get(last));
        let (start, word) = word.copied().unwrap_or((0, self.first));
        let within = self.text.get(start..at).map_or(0, |before| before.chars().count());
        let mut position = word.position.clone();
        let before = u32::try_from(within).unwrap_or(0).saturating_add(u32::from(word.quoted));
        position.column = position.column.saturating_add(before);
        position
    }

    fn error(&self, at: usize, message: impl Into<String>) -> Error {
        Error::new(&self.position(at), message)
    }
}
