//! Tokens to a tree.
//!
//! ```text
//! file      = { import | snippet | server } ;
//! server    = keys [ "{" { line } "}" | { line } ] ;   a body without braces runs to the end of the file
//! keys      = key { [","] key } ;                      on one line; after a comma the list may go on on the next
//! snippet   = "(name)" "{" tokens "}" ;
//! line      = import | directive ;
//! directive = name { arg } [ "{" { line } "}" ] ;      all but the block on one line
//! import    = "import" pattern ;                       wherever a line may start
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use crate::environment::expand;
use crate::import::{files, is_pattern};
use crate::key::doubt;
use crate::lexer::{Kind, Token, lex};
use crate::tokens::Tokens;
use crate::word::Brief;
use crate::{Corefile, Directive, Error, Extent, Key, Position, ServerBlock, Source, Warning, Word, nearest};

pub(crate) struct Parser<'s> {
    tokens: Tokens,
    source: &'s dyn Source,
    snippets: HashMap<String, Arc<[Token]>>,
    /// The last token taken, to name it when the file ends too early.
    last: Option<Token>,
    limits: Limits,
    warnings: Vec<Warning>,
}

/// What imports have used up.
#[derive(Default)]
struct Limits {
    snippets: usize,
    files: usize,
    words: usize,
}

/// The keys of a block, of which one line may have several.
struct Keys {
    words: Vec<Word>,
    /// Whether the first is a lone brace `}`.
    stray_brace: bool,
}

impl<'s> Parser<'s> {
    pub(crate) fn new(name: &str, text: &str, source: &'s dyn Source) -> Self {
        Self {
            tokens: Tokens::new(lex(&Arc::from(name), text)),
            source,
            snippets: HashMap::new(),
            last: None,
            limits: Limits::default(),
            warnings: Vec::new(),
        }
    }

    pub(crate) fn corefile(mut self) -> Result<Corefile, Error> {
        let mut servers = Vec::new();
        while self.tokens.peek().is_some() {
            servers.extend(self.server_or_snippet()?);
        }
        if let Some(Token { word, kind: Kind::Unclosed, .. }) = &self.last {
            self.warnings.push(Warning::new(
                &word.position,
                "this quote is never closed",
                "everything after it is one word; close it with `\"`",
            ));
        }
        Ok(Corefile { servers, warnings: self.warnings })
    }

    /// None if it was a snippet, or a block without keys.
    fn server_or_snippet(&mut self) -> Result<Option<ServerBlock>, Error> {
        let keys = self.keys()?;
        if let [key] = keys.words.as_slice()
            && let Some(name) = key.text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'))
        {
            let tokens = self.snippet(key, name)?;
            self.snippets.insert(name.to_owned(), tokens);
            return Ok(None);
        }
        let extent = match self.tokens.peek() {
            Some((Token { kind: Kind::Open, .. }, _)) => Extent::Braces,
            _ => Extent::File,
        };
        // Where one hangs on a zone, that is said already.
        let has_brace = keys.words.iter().any(|word| word.text.ends_with('{'));
        let explained = |error| if has_brace { error } else { extent.explain(error) };
        let resolved = self.resolve(&keys.words).map_err(explained)?;
        let directives = self.body(&keys)?;
        Ok((!resolved.is_empty()).then_some(ServerBlock { keys: resolved, directives, extent }))
    }

    fn keys(&mut self) -> Result<Keys, Error> {
        let mut keys = Keys { words: Vec::new(), stray_brace: false };
        let mut comma = None;
        let mut more = true;
        while let Some((token, starts_line)) = self.tokens.peek() {
            match token.kind {
                _ if starts_line && !more => return Ok(keys),
                Kind::Import if starts_line => {
                    self.import()?;
                    continue;
                }
                Kind::Open => break,
                Kind::Close => keys.stray_brace |= keys.words.is_empty(),
                Kind::Word | Kind::Import | Kind::Unclosed => {}
            }
            let Some(mut word) = self.word()? else { break };
            if let Some(key) = word.text.strip_suffix(',') {
                comma = Some(word.position.clone());
                word.text = key.to_owned();
                if word.text.is_empty() {
                    return Err(word.error("a comma alone is not a zone").help("put it right after a zone"));
                }
            } else if !word.text.is_empty() {
                comma = None;
            }
            more = comma.is_some();
            if !word.text.is_empty() {
                keys.words.push(word);
            }
        }
        match comma {
            None => Ok(keys),
            Some(position) => {
                let instead = self.tokens.peek().map_or("the file ends", |_| "`{` follows");
                Err(Error::new(&position, format!("after a comma another zone is expected, but {instead}"))
                    .help("remove the comma"))
            }
        }
    }

    fn resolve(&mut self, words: &[Word]) -> Result<Vec<Key>, Error> {
        let mut keys = Vec::new();
        for word in words {
            let of_word = Key::parse(word)?;
            self.warnings.extend(of_word.first().and_then(|key| doubt(word, key)));
            keys.extend(of_word);
        }
        Ok(keys)
    }

    fn body(&mut self, keys: &Keys) -> Result<Vec<Directive>, Error> {
        let open = match self.tokens.peek() {
            None => {
                let alone = keys.words.first().filter(|_| !keys.stray_brace);
                self.warnings.extend(alone.map(|key| {
                    let help = "a server block is `ZONE... {`, a line for each directive, and `}`";
                    Warning::new(&key.position, "a server block without directives refuses every query", help)
                }));
                return Ok(Vec::new());
            }
            Some((Token { kind: Kind::Open, word, .. }, _)) => Some(word.position.clone()),
            Some(_) => None,
        };
        match (&open, keys.words.first()) {
            (None, Some(brace)) if keys.stray_brace => {
                return Err(brace.error("`}` closes nothing").help("remove it"));
            }
            (Some(open), None) => self.warnings.push(Warning::new(
                open,
                "a server block without a zone is left out",
                "name its zone before `{`; the root zone is `.`",
            )),
            _ => {}
        }
        if open.is_some() {
            self.next();
        }
        self.lines(open.as_ref(), 0)
    }

    /// Lines up to and with the `}` that belongs to `open`, or to the end of the file without it.
    fn lines(&mut self, open: Option<&Position>, depth: usize) -> Result<Vec<Directive>, Error> {
        let mut directives = Vec::new();
        while let Some((token, _)) = self.tokens.peek() {
            match token.kind {
                Kind::Import => self.import()?,
                Kind::Open => {
                    return Err(token
                        .word
                        .error("a line cannot begin with `{`")
                        .help("put it at the end of the line of the directive that it belongs to"));
                }
                Kind::Close => {
                    if open.is_none() {
                        let help = "remove it, or put `{` after the zones";
                        self.warnings.push(Warning::new(
                            &token.word.position,
                            "this `}` closes nothing",
                            help,
                        ));
                    }
                    self.next();
                    return Ok(directives);
                }
                Kind::Word | Kind::Unclosed => directives.extend(self.directive(depth)?),
            }
        }
        match open {
            None => Ok(directives),
            Some(open) => Err(self.never_closed(open)),
        }
    }

    fn directive(&mut self, depth: usize) -> Result<Option<Directive>, Error> {
        let Some(name) = self.word()? else { return Ok(None) };
        let mut directive = Directive { name, args: Vec::new(), block: None };
        while let Some((token, false)) = self.tokens.peek() {
            match token.kind {
                Kind::Open => {
                    directive.block = Some(self.block(depth)?);
                    break;
                }
                Kind::Close => {
                    return Err(token
                        .word
                        .error(format!("`}}` cannot end the line of `{}`", directive.name))
                        .help("put it on a line of its own"));
                }
                Kind::Word | Kind::Import | Kind::Unclosed => directive.args.extend(self.word()?),
            }
        }
        Ok(Some(directive))
    }

    /// The lines between a directive's braces.
    fn block(&mut self, depth: usize) -> Result<Vec<Directive>, Error> {
        let Some(open) = self.next().map(|token| token.word.position) else { return Ok(Vec::new()) };
        if depth >= MAX_BLOCK_DEPTH {
            return Err(Error::new(&open, format!("blocks are nested more than {MAX_BLOCK_DEPTH} deep")));
        }
        let lines = self.lines(Some(&open), depth.saturating_add(1))?;
        match self.tokens.peek() {
            Some((token, false)) => Err(token
                .word
                .error(format!("`{}` cannot follow `}}` on its line", token.word))
                .help("put it on a line of its own")),
            _ => Ok(lines),
        }
    }

    /// The tokens between a snippet's braces, as they are: what they mean is decided where they are imported.
    fn snippet(&mut self, key: &Word, name: &str) -> Result<Arc<[Token]>, Error> {
        if name.is_empty() {
            return Err(key.error("a snippet needs a name").help("write it between the parentheses"));
        }
        if self.snippets.contains_key(name) {
            return Err(key.error(format!("the snippet `{}` is declared a second time", Brief(name))));
        }
        let open = match self.next() {
            Some(Token { kind: Kind::Open, word, .. }) => word.position,
            _ => return Err(key.error(format!("the snippet `{}` has no `{{` after its name", Brief(name)))),
        };
        let mut tokens = Vec::new();
        let mut depth = 0usize;
        while let Some(token) = self.next() {
            match token.kind {
                Kind::Open => depth = depth.saturating_add(1),
                Kind::Close => match depth.checked_sub(1) {
                    Some(outer) => depth = outer,
                    None => return Ok(tokens.into()),
                },
                Kind::Word | Kind::Import | Kind::Unclosed => {}
            }
            tokens.push(token);
        }
        Err(self.never_closed(&open))
    }

    /// Puts what an import names in its place.
    fn import(&mut self) -> Result<(), Error> {
        let Some(keyword) = self.next() else { return Ok(()) };
        let pattern = match self.tokens.peek() {
            Some((_, false)) => self.word()?,
            _ => None,
        };
        let Some(pattern) = pattern.filter(|pattern| !pattern.text.is_empty()) else {
            let error = keyword.word.error("`import` lacks what to import");
            return Err(error.help("name a snippet, a file, or a pattern of files"));
        };
        if let Some((token, false)) = self.tokens.peek() {
            let error = token.word.error("`import` takes only one argument");
            return Err(error.help("use one `import` for each, or a pattern such as `*.conf`"));
        }
        if self.tokens.depth() > MAX_IMPORT_DEPTH {
            return Err(pattern
                .error(format!("imports are nested more than {MAX_IMPORT_DEPTH} deep"))
                .help(format!("`{pattern}` imports itself, directly or through others")));
        }
        let tokens = match self.snippets.get(&pattern.text) {
            Some(tokens) => {
                self.limits.snippets = self.limits.snippets.saturating_add(1);
                Arc::clone(tokens)
            }
            None => {
                self.limits.files = self.limits.files.saturating_add(1);
                self.imported_files(&pattern)?
            }
        };
        self.limits.words = self.limits.words.saturating_add(tokens.len());
        self.limits.check(&pattern)?;
        self.tokens.push(tokens);
        Ok(())
    }

    fn imported_files(&mut self, pattern: &Word) -> Result<Arc<[Token]>, Error> {
        let files = files(pattern, self.source).map_err(|error| {
            let snippet = nearest(&pattern.text, self.snippets.keys().map(String::as_str));
            error.maybe_help(snippet.map(|name| format!("did you mean the snippet `{name}`?")))
        })?;
        if files.is_empty() && is_pattern(&pattern.text) {
            let message = format!("no file matches the pattern `{pattern}`");
            let help = "relative patterns start in the folder of the file that they stand in";
            self.warnings.push(Warning::new(&pattern.position, message, help));
        }
        let lexed = files.iter().flat_map(|(path, text)| lex(&Arc::from(path.to_string_lossy()), text));
        Ok(lexed.collect())
    }

    /// The file ends inside of braces. If a quote swallowed the closing one, that is the mistake.
    fn never_closed(&self, open: &Position) -> Error {
        match &self.last {
            Some(Token { word, kind: Kind::Unclosed, .. }) => {
                word.error("this quote is never closed").help("close it with `\"`")
            }
            last => {
                let after = last.as_ref().map_or(String::new(), |last| format!(" after `{}`", last.word));
                Error::new(open, "this `{` is never closed").help(format!("a `}}` is missing{after}"))
            }
        }
    }

    /// Takes the next token as a word.
    fn word(&mut self) -> Result<Option<Word>, Error> {
        let Some(Token { mut word, .. }) = self.next() else { return Ok(None) };
        expand(&mut word, self.source)?;
        Ok(Some(word))
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.next()?;
        self.last = Some(token.clone());
        Some(token)
    }
}

impl Limits {
    fn check(&self, pattern: &Word) -> Result<(), Error> {
        let exceeded = if self.snippets > MAX_SNIPPETS {
            format!("more than {MAX_SNIPPETS} imports of snippets")
        } else if self.files > MAX_FILES {
            format!("more than {MAX_FILES} imports of files")
        } else if self.words > MAX_WORDS {
            format!("imports of more than {MAX_WORDS} words")
        } else {
            return Ok(());
        };
        Err(pattern.error(exceeded))
    }
}

/// Blocks within blocks; no directive that exists needs more than three.
const MAX_BLOCK_DEPTH: usize = 32;

/// Imports within imports.
const MAX_IMPORT_DEPTH: usize = 100;

/// Imports of snippets in one Corefile; CoreDNS stops here as well.
const MAX_SNIPPETS: usize = 10_000;

/// Imports of files in one Corefile; CoreDNS stops here as well.
const MAX_FILES: usize = 100_000;

/// Words that imports bring in: what keeps snippets of snippets of snippets from filling the memory.
const MAX_WORDS: usize = 1_000_000;
