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
    here: Place,
    depth: u32,
    /// Where the outermost open parenthesis stands, if depth > 0.
    opened: Place,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t [u8], here: Place) -> Lexer<'t> {
        Lexer { text, here, depth: 0, opened: here }
    }

    pub(super) fn place(&self) -> Place {
        self.here
    }

    /// Goes to the next line with something on it; none at the end of the text.
    pub(super) fn begin_entry(&mut self) -> Option<Start> {
        loop {
            match *self.text.get(self.here.at)? {
                b'\n' => self.newline(),
                b'\r' => self.here.at += 1,
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
        self.text.get(start.at..self.here.at).unwrap_or_default()
    }

    /// Takes `\#` if that is what comes next.
    pub(super) fn take_generic(&mut self) -> Parsed<bool> {
        if self.skip_blanks()? != Some(b'\\') || !self.rest().starts_with(b"\\#") {
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
        // Mostly there is one blank and then a word.
        if let [b' ', byte, ..] = self.rest()
            && !is_special(*byte)
        {
            self.here.at += 1;
            return self.word(pairs).map(Some);
        }
        match self.skip_blanks()? {
            None => Ok(None),
            Some(b'"') => self.quoted().map(Some),
            Some(_) => self.word(pairs).map(Some),
        }
    }

    /// Goes to the next word and gives its first octet; none at the end of the entry.
    fn skip_blanks(&mut self) -> Parsed<Option<u8>> {
        loop {
            let Some(&byte) = self.text.get(self.here.at) else {
                return self.end_of_text();
            };
            match byte {
                b' ' | b'\t' | b'\r' => self.here.at += 1,
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
        let rest = self.rest();
        let mut len = 0;
        loop {
            let tail = rest.get(len..).unwrap_or_default();
            len += tail.iter().position(|byte| is_special(*byte)).unwrap_or(tail.len());
            match rest.get(len..).unwrap_or_default() {
                [b'\\', b'\n', ..] | [b'\\'] => len += 1,
                [b'\\', ..] => len += 2,
                [b'"', string @ ..] if pairs && rest.get(..len).is_some_and(|head| head.ends_with(b"=")) => {
                    len += 2 + string_len(string)
                        .ok_or_else(|| Fault::new(self.ahead(len), Mistake::UnclosedQuote))?;
                }
                [b'"', ..] => return Err(Fault::new(self.ahead(len), Mistake::QuoteInWord)),
                _ => return Ok(self.take(len, 0)),
            }
        }
    }

    fn quoted(&mut self) -> Parsed<Token<'t>> {
        let string = self.rest().get(1..).unwrap_or_default();
        match string_len(string) {
            Some(len) => Ok(self.take(len + 2, 1)),
            None => Err(Fault::new(self.here, Mistake::UnclosedQuote)),
        }
    }

    /// The next `len` octets without `quote` octets at each end.
    fn take(&mut self, len: usize, quote: usize) -> Token<'t> {
        let text = self.rest().get(quote..len - quote).unwrap_or_default();
        let token = Token { text, place: self.here, quoted: quote > 0 };
        self.here.at += len;
        token
    }

    fn open(&mut self) {
        if self.depth == 0 {
            self.opened = self.here;
        }
        self.depth += 1;
        self.here.at += 1;
    }

    fn close(&mut self) -> Parsed<()> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return Err(Fault::new(self.here, Mistake::UnopenedParenthesis));
        };
        self.depth = depth;
        self.here.at += 1;
        Ok(())
    }

    fn newline(&mut self) {
        self.here.at += 1;
        self.here.line = self.here.line.saturating_add(1);
    }

    /// Goes to the line's end, before the newline.
    fn skip_line(&mut self) {
        let rest = self.rest();
        self.here.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }

    fn ahead(&self, octets: usize) -> Place {
        Place { at: self.here.at + octets, line: self.here.line }
    }

    fn rest(&self) -> &'t [u8] {
        self.text.get(self.here.at..).unwrap_or_default()
    }
}

impl Place {
    /// The start of a text, behind the mark that some editors put there.
    pub(super) fn start_of(text: &[u8]) -> Place {
        Place { at: if text.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 }, line: 1 }
    }
}

/// Octets up to the closing quote; none if the line ends before.
fn string_len(text: &[u8]) -> Option<usize> {
    let mut len = 0;
    loop {
        match text.get(len..)? {
            [b'"', ..] => return Some(len),
            [b'\n', ..] | [] => return None,
            [b'\\', b'\n', ..] => return None,
            [b'\\', ..] => len += 2,
            _ => len += 1,
        }
    }
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
