//! Text to tokens: words with their places. Knows nothing of directives.

use std::iter::Peekable;
use std::str::Chars;
use std::sync::Arc;

use crate::{Position, Word};

/// A word as it was written, and what it is to the grammar.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) word: Word,
    pub(crate) kind: Kind,
    /// Whether no other token stands before it on its line.
    pub(crate) starts_line: bool,
}

/// What a token is to the grammar, before environment variables: their values are words and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Word,
    /// A lone `{` without quotes.
    Open,
    /// A lone `}` without quotes.
    Close,
    /// `import` without quotes; it is the directive only at the start of a line.
    Import,
    /// A quoted word that the end of the file cut off.
    Unclosed,
}

/// Splits a file into tokens. Every text is some tokens: there is no error.
pub(crate) fn lex(file: &Arc<str>, text: &str) -> Vec<Token> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lexer = Lexer { file, chars: text.chars().peekable(), line: 1, column: 1, last_line: 0 };
    std::iter::from_fn(|| lexer.token()).collect()
}

struct Lexer<'t> {
    file: &'t Arc<str>,
    chars: Peekable<Chars<'t>>,
    line: u32,
    column: u32,
    /// Where the last token ended; 0 before the first.
    last_line: u32,
}

impl Lexer<'_> {
    fn token(&mut self) -> Option<Token> {
        self.skip_blank();
        let quoted = self.peek()? == '"';
        let starts_line = self.line != self.last_line;
        let position = Position { file: Arc::clone(self.file), line: self.line, column: self.column };
        let (text, kind) = if quoted { self.quoted() } else { self.bare() };
        self.last_line = self.line;
        Some(Token { word: Word { text, position, quoted }, kind, starts_line })
    }

    /// Skips whitespace and comments.
    fn skip_blank(&mut self) {
        let mut comment = false;
        while let Some(c) = self.peek() {
            comment = (comment || c == '#') && c != '\n';
            if !comment && !c.is_whitespace() {
                return;
            }
            self.bump();
        }
    }

    fn bare(&mut self) -> (String, Kind) {
        let mut text = String::new();
        // From a `#` on nothing is kept, but the next blank still ends the token: the comment is one word long.
        let mut comment = false;
        while let Some(c) = self.peek()
            && !c.is_whitespace()
        {
            comment |= c == '#';
            if !comment {
                text.push(c);
            }
            self.bump();
        }
        let kind = match text.as_str() {
            "{" => Kind::Open,
            "}" => Kind::Close,
            "import" => Kind::Import,
            _ => Kind::Word,
        };
        (text, kind)
    }

    /// The closing quote ends the token at once, whatever follows it.
    fn quoted(&mut self) -> (String, Kind) {
        let mut text = String::new();
        self.bump();
        while let Some(c) = self.bump() {
            match c {
                '"' => return (text, Kind::Word),
                '\\' => match self.bump() {
                    Some('"') => text.push('"'),
                    Some(other) => text.extend(['\\', other]),
                    None => break,
                },
                c => text.push(c),
            }
        }
        (text, Kind::Unclosed)
    }

    /// The next character; a carriage return is none, wherever it stands.
    fn peek(&mut self) -> Option<char> {
        while self.chars.next_if_eq(&'\r').is_some() {}
        self.chars.peek().copied()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.chars.next();
        match c {
            '\n' => (self.line, self.column) = (self.line.saturating_add(1), 1),
            _ => self.column = self.column.saturating_add(1),
        }
        Some(c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens as `text@line:column`, those on a line joined by a space, lines by ` / `.
    fn check(text: &str, expected: &str) {
        let mut shown = String::new();
        for token in lex(&Arc::from("t"), text) {
            if !shown.is_empty() {
                shown.push_str(if token.starts_line { " / " } else { " " });
            }
            let position = &token.word.position;
            shown.push_str(&format!("{}@{}:{}", token.word.text, position.line, position.column));
        }
        assert_eq!(shown, expected, "{text:?}");
    }

    #[test]
    fn blanks_separate_and_newlines_end() {
        check("", "");
        check(" \t\n \u{a0}\n", "");
        check("a b\tc\nd e", "a@1:1 b@1:3 c@1:5 / d@2:1 e@2:3");
        check("\u{feff}a\r\nb\r\n", "a@1:1 / b@2:1");
        check("a\rb \"c\r\nd\"\r", "ab@1:1 c\nd@1:4");
        check("a\u{2003}b", "a@1:1 b@1:3");
        check("é ü", "é@1:1 ü@1:3");
    }

    #[test]
    fn quotes_hold_blanks_braces_and_newlines() {
        check(r#""a b" c"#, "a b@1:1 c@1:7");
        check(r#""a"b"#, "a@1:1 b@1:4");
        check(r#""" x"#, "@1:1 x@1:4");
        check(r##""a # { }" b"##, "a # { }@1:1 b@1:11");
        check("\"a\nb\" c\nd", "a\nb@1:1 c@2:4 / d@3:1");
        check("x \"a\nb\"\ny", "x@1:1 a\nb@1:3 / y@3:1");
    }

    #[test]
    fn only_a_quote_is_escaped_and_only_in_quotes() {
        check(r#""a\"b""#, "a\"b@1:1");
        check(r#""a\nb\\" c"#, "a\\nb\\\\@1:1 c@1:10");
        check(r"a\ b\", r"a\@1:1 b\@1:4");
    }

    #[test]
    fn a_quote_inside_a_word_is_a_character() {
        check(r#"a"b c"d"#, "a\"b@1:1 c\"d@1:5");
    }

    #[test]
    fn an_unclosed_quote_takes_the_rest() {
        check("a \"b c\n}", "a@1:1 b c\n}@1:3");
        check("\"", "@1:1");
        check("\"a\\", "a@1:1");
        assert_eq!(lex(&Arc::from("t"), "\"a").last().unwrap().kind, Kind::Unclosed);
    }

    #[test]
    fn a_comment_runs_to_the_end_of_the_line_or_inside_a_word_to_its_end() {
        check("# a b\nc", "c@2:1");
        check("a # b \" c\nd", "a@1:1 / d@2:1");
        check("c#d e", "c@1:1 e@1:5");
        check(".:1053#x {", ".:1053@1:1 {@1:10");
        check("a #\nb", "a@1:1 / b@2:1");
    }

    #[test]
    fn there_is_no_line_continuation() {
        check("a \\\nb", "a@1:1 \\@1:3 / b@2:1");
    }

    #[test]
    fn braces_are_marks_only_alone_and_bare() {
        let kinds = |text| lex(&Arc::from("t"), text).iter().map(|t| t.kind).collect::<Vec<_>>();
        assert_eq!(kinds("{ } import a{"), [Kind::Open, Kind::Close, Kind::Import, Kind::Word]);
        assert_eq!(kinds(r#""{" "}" "import""#), [Kind::Word; 3]);
    }
}
