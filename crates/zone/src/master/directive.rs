//! The lines that begin with a dollar sign (RFC 1035 §5.1, RFC 2308 §4).

use cartonym_wire::{Name, NameBuf, Ttl};

use super::chars::push_unescaped;
use super::error::{Fault, Mistake, Parsed, show};
use super::generate::Generation;
use super::lexer::{Lexer, Token};
use super::time;

/// What such a line asks for.
pub(super) enum Directive {
    Origin(NameBuf),
    Ttl(Ttl),
    Include { path: String, origin: Option<NameBuf> },
    Generate(Generation),
}

/// Reads the rest of the line that begins with `word`.
pub(super) fn read(word: Token<'_>, lexer: &mut Lexer<'_>, origin: &Name) -> Parsed<Directive> {
    let is = |name: &str| word.text.eq_ignore_ascii_case(name.as_bytes());
    let mut line = Line { lexer, usage: "" };
    let directive = if is("$ORIGIN") {
        line.usage = "$ORIGIN NAME";
        Directive::Origin(line.name(origin)?)
    } else if is("$TTL") {
        line.usage = "$TTL SECONDS, or with units as in $TTL 1h30m";
        Directive::Ttl(line.ttl()?)
    } else if is("$INCLUDE") {
        line.usage = "$INCLUDE FILE [ORIGIN]";
        let path = line.path()?;
        let origin = line.lexer.token()?.map(|token| name(token, origin)).transpose()?;
        Directive::Include { path, origin }
    } else if is("$GENERATE") {
        // The rest of the line is the text to make lines of.
        return Generation::read(word.place, line.lexer).map(Directive::Generate);
    } else {
        return Err(Fault::new(word.place, Mistake::Directive(show(word.text))));
    };
    match line.lexer.token()? {
        None => Ok(directive),
        Some(extra) => Err(line.usage(extra)),
    }
}

/// A TTL of at most 31 bits (RFC 2181 §8).
pub(super) fn ttl(token: Token<'_>) -> Parsed<Ttl> {
    time::span(token.text)
        .filter(|seconds| *seconds <= i32::MAX as u32)
        .map(Ttl::from_secs)
        .ok_or_else(|| Fault::new(token.place, Mistake::Ttl(show(token.text))))
}

fn name(token: Token<'_>, origin: &Name) -> Parsed<NameBuf> {
    NameBuf::parse(token.text, origin)
        .map_err(|why| Fault::new(token.place, Mistake::Name { word: show(token.text), why }))
}

/// The words of one directive.
struct Line<'l, 't> {
    lexer: &'l mut Lexer<'t>,
    usage: &'static str,
}

impl<'t> Line<'_, 't> {
    fn name(&mut self, origin: &Name) -> Parsed<NameBuf> {
        self.word().and_then(|token| name(token, origin))
    }

    fn ttl(&mut self) -> Parsed<Ttl> {
        self.word().and_then(ttl)
    }

    fn path(&mut self) -> Parsed<String> {
        let token = self.word()?;
        let mut path = Vec::new();
        push_unescaped(token.text, &mut path)
            .and_then(|()| String::from_utf8(path).ok())
            .ok_or_else(|| self.usage(token))
    }

    fn word(&mut self) -> Parsed<Token<'t>> {
        match self.lexer.token()? {
            Some(token) => Ok(token),
            None => Err(Fault::new(self.lexer.place(), Mistake::Usage { usage: self.usage })),
        }
    }

    fn usage(&self, token: Token<'_>) -> Box<Fault> {
        Fault::new(token.place, Mistake::Usage { usage: self.usage })
    }
}
