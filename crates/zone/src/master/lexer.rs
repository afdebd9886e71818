//! Splits a master file into entries and words (RFC 1035 §5.1).

use super::error::{Fault, Mistake, Parsed};

/// Where something stands in a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// Octets from the start of the text.
    pub(super) at: usize,
    /// From 1.
    pub(super) line: u32,
}

/// A word or a quoted string, escapes as written.
#[derive(Clone, Copy)]
pub(super) struct Token<'t> {
    /// Without the quotes around it.
    pub(super) text: &'t [u8],
    pub(super) place: Place,
    pub(super) quoted: bool,
}

/// How an entry's first line begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Start {
    /// With a blank: the owner is that of the entry before.
    Blank,
    /// With a word: an owner, or a directive.
    Word,
}

/// A place in a text, with the parentheses that are open there.
pub(super) struct Lexer<'t> {
    text: &'t [u8],
    /// What of `text` is still to be read: its end.
    rest: &'t [u8],
    line: u32,
    depth: usize,
    /// Where the outermost open parenthesis stands, if depth > 0.
    opened: Place,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t [u8], here: Place) -> Lexer<'t> {
        let rest = text.get(here.at..).unwrap_or_default();
        Lexer { text, rest, line: here.line, depth: 0, opened: here }
    }

    pub(super) fn place(&self) -> Place {
        self.ahead(0)
    }

    /// Goes to the next line with something on it; none at the end of the text.
    pub(super) fn begin_entry(&mut self) -> Option<Start> {
        loop {
            match *self.rest.first()? {
                b'\n' => self.newline(),
                b'\r' => self.advance(1),
                b';' => self.skip_line(),
                b' ' | b'\t' => return Some(Start::Blank),
                _ => return Some(Start::Word),
            }
        }
    }

    /// The entry's next word; none at its end, however often asked.
    pub(super) fn token(&mut self) -> Parsed<Option<Token<'t>>> {
        self.next(false)
    }

    /// As [`Lexer::token`], but a word may go on within quotes after an equals sign (RFC 9460 §2.1).
    pub(super) fn pair(&mut self) -> Parsed<Option<Token<'t>>> {
        self.next(true)
    }

    /// The text from `start` to here.
    pub(super) fn text_since(&self, start: Place) -> &'t [u8] {
        self.text.get(start.at..self.place().at).unwrap_or_default()
    }

    /// Takes `\#` if that is what comes next.
    pub(super) fn take_generic(&mut self) -> Parsed<bool> {
        if self.is_before_word() {
            return Ok(false);
        }
        if self.skip_blanks()? != Some(b'\\') || !self.rest.starts_with(b"\\#") {
            return Ok(false);
        }
        self.token().map(|_| true)
    }

    /// Goes to the end of the entry in which `fault` is, and gives the fault to report: a parenthesis that is never
    /// closed explains more than what was found behind it.
    #[cold]
    pub(super) fn recover(&mut self, fault: Box<Fault>) -> Box<Fault> {
        loop {
            match self.token() {
                Ok(Some(_)) => {}
                Ok(None) => return fault,
                Err(later) if matches!(later.mistake, Mistake::UnclosedParenthesis) => return later,
                Err(_) => {
                    self.skip_line();
                    self.depth = 0;
                }
            }
        }
    }

    fn next(&mut self, pairs: bool) -> Parsed<Option<Token<'t>>> {
        if self.is_before_word() {
            self.advance(1);
            return self.word(pairs).map(Some);
        }
        match self.skip_blanks()? {
            None => Ok(None),
            Some(b'"') => self.quoted().map(Some),
            Some(_) => self.word(pairs).map(Some),
        }
    }

    /// Whether there is one blank and then a plain word, as there mostly is.
    fn is_before_word(&self) -> bool {
        matches!(self.rest, [b' ', byte, ..] if !is_special(*byte))
    }

    /// Goes to the next word and gives its first octet; none at the end of the entry.
    fn skip_blanks(&mut self) -> Parsed<Option<u8>> {
        loop {
            let Some(&byte) = self.rest.first() else {
                return self.end_of_text();
            };
            match byte {
                b' ' | b'\t' | b'\r' => self.advance(1),
                b'\n' if self.depth == 0 => return Ok(None),
                b'\n' => self.newline(),
                b';' => self.skip_line(),
                b'(' => self.open(),
                b')' => self.close()?,
                _ => return Ok(Some(byte)),
            }
        }
    }

    fn end_of_text(&mut self) -> Parsed<Option<u8>> {
        if self.depth == 0 {
            return Ok(None);
        }
        // Said once: the next question is for the end.
        self.depth = 0;
        Err(Fault::new(self.opened, Mistake::UnclosedParenthesis))
    }

    fn word(&mut self, pairs: bool) -> Parsed<Token<'t>> {
        let len = plain_len(self.rest);
        match self.rest.get(len) {
            Some(b'\\' | b'"') => self.word_from(len, pairs),
            _ => Ok(self.take(len)),
        }
    }

    /// The same, where at `len` is what needs a look.
    #[cold]
    fn word_from(&mut self, mut len: usize, pairs: bool) -> Parsed<Token<'t>> {
        loop {
            let (head, tail) = self.rest.split_at_checked(len).unwrap_or_default();
            let looked_at = match tail {
                [b'\\', b'\n', ..] | [b'\\'] => 1,
                [b'\\', ..] => 2,
                [b'"', ..] if pairs && head.ends_with(b"=") => {
                    string_len(tail).ok_or_else(|| Fault::new(self.ahead(len), Mistake::UnclosedQuote))?
                }
                [b'"', ..] => return Err(Fault::new(self.ahead(len), Mistake::QuoteInWord)),
                _ => return Ok(self.take(len)),
            };
            let plain = plain_len(tail.get(looked_at..).unwrap_or_default());
            len = len.saturating_add(looked_at).saturating_add(plain);
        }
    }

    fn quoted(&mut self) -> Parsed<Token<'t>> {
        let len = string_len(self.rest).ok_or_else(|| Fault::new(self.place(), Mistake::UnclosedQuote))?;
        let whole = self.take(len);
        let [b'"', text @ .., b'"'] = whole.text else { return Ok(whole) };
        Ok(Token { text, quoted: true, ..whole })
    }

    /// The next `len` octets.
    fn take(&mut self, len: usize) -> Token<'t> {
        let place = self.place();
        let (text, rest) = self.rest.split_at_checked(len).unwrap_or_default();
        self.rest = rest;
        Token { text, place, quoted: false }
    }

    fn open(&mut self) {
        if self.depth == 0 {
            self.opened = self.place();
        }
        self.depth = self.depth.saturating_add(1);
        self.advance(1);
    }

    fn close(&mut self) -> Parsed<()> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return Err(Fault::new(self.place(), Mistake::UnopenedParenthesis));
        };
        self.depth = depth;
        self.advance(1);
        Ok(())
    }

    fn newline(&mut self) {
        self.advance(1);
        self.line = self.line.saturating_add(1);
    }

    /// Goes to the line's end, before the newline.
    fn skip_line(&mut self) {
        self.advance(self.rest.iter().position(|byte| *byte == b'\n').unwrap_or(self.rest.len()));
    }

    fn advance(&mut self, octets: usize) {
        self.rest = self.rest.get(octets..).unwrap_or_default();
    }

    fn ahead(&self, octets: usize) -> Place {
        let at = self.text.len().saturating_sub(self.rest.len()).saturating_add(octets);
        Place { at, line: self.line }
    }
}

impl Place {
    /// The start of a text, behind the mark that some editors put there.
    pub(super) fn start_of(text: &[u8]) -> Place {
        Place { at: if text.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 }, line: 1 }
    }
}

/// Octets of the quoted string that `text` begins with, with its quotes; none if the line ends before.
fn string_len(text: &[u8]) -> Option<usize> {
    let mut octets = (1..).zip(text).skip(1);
    loop {
        match octets.next()? {
            (len, b'"') => return Some(len),
            (_, b'\n') => return None,
            (_, b'\\') if octets.next()?.1 == &b'\n' => return None,
            _ => {}
        }
    }
}

/// Octets up to the first at which a word ends, or needs a look.
fn plain_len(text: &[u8]) -> usize {
    text.iter().position(|byte| is_special(*byte)).unwrap_or(text.len())
}

/// Whether a word ends here, or needs a look.
fn is_special(byte: u8) -> bool {
    // One load an octet, where comparisons would take ten instructions; much of reading a zone is this.
    SPECIAL.get(usize::from(byte)).copied().unwrap_or_default()
}

static SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest: &[u8] = b" \t\r\n;()\"\\";
    while let [byte, tail @ ..] = rest {
        // Constant evaluation would report an index out of range.
        #[allow(clippy::indexing_slicing)]
        (table[*byte as usize] = true);
        rest = tail;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Each entry's words with `_` between them, `<` where it begins blank; a mistake as its text.
    fn lex(text: &str) -> Vec<String> {
        let mut lexer = Lexer::new(text.as_bytes(), Place::start_of(text.as_bytes()));
        let mut entries = Vec::new();
        while let Some(start) = lexer.begin_entry() {
            let mut words = if start == Start::Blank { vec!["<".to_owned()] } else { vec![] };
            loop {
                match lexer.token() {
                    Ok(Some(token)) => words.push(String::from_utf8(token.text.to_vec()).unwrap()),
                    Ok(None) => break,
                    Err(fault) => {
                        let fault = lexer.recover(fault);
                        words = vec![format!("{}: {}", fault.place.line, fault.mistake)];
                        break;
                    }
                }
            }
            entries.push(words.join("_"));
        }
        entries
    }

    #[test]
    fn an_entry_is_a_line_or_what_parentheses_hold() {
        assert_eq!(lex("a b\n c ; d\n\n;e\r\nf (g ; h\n i )j\r\nk"), ["a_b", "<_c", "f_g_i_j", "k"]);
        assert_eq!(lex("\u{feff}a b"), ["a_b"]);
    }

    #[test]
    fn quotes_and_escapes_keep_blanks() {
        assert_eq!(lex(r#"a "b ;(c" d\ e\;f "" "g\"h" "#), [r#"a_b ;(c_d\ e\;f__g\"h"#]);
    }

    #[test]
    fn a_pair_goes_on_within_quotes() {
        let mut lexer = Lexer::new(br#"alpn="h2 ,h3" port=1"#, Place { at: 0, line: 1 });
        assert_eq!(lexer.pair().ok().flatten().unwrap().text, br#"alpn="h2 ,h3""#);
        assert_eq!(lexer.pair().ok().flatten().unwrap().text, b"port=1");
    }

    #[test]
    fn a_mistake_ends_with_its_entry() {
        assert_eq!(
            lex("a \"b\nc )d\ne f\"g\nh (i\nj"),
            [
                "1: the quoted string is not closed on its line; end it with \"",
                "2: a closing parenthesis without an opening one",
                "3: a quote in the middle of a word; quote the whole, or write \\\"",
                "4: the parenthesis opened here is never closed",
            ]
        );
    }
}
