//! Entries of a master file to records (RFC 1035 §5).

use std::borrow::Cow;
use std::fmt;

use cartonym_wire::{Class, Name, NameBuf, Ttl, Type};

use super::chars::push_name;
use super::directive::{self, Directive};
use super::error::{Fault, MasterError, Mistake, Parsed, show};
use super::generate::Generation;
use super::lexer::{Lexer, Place, Start, Token};
use super::read::read_rdata;
use super::source::Source;
use super::write::rdata_to_text;

/// Reads the records of a master file, and of those it includes, one after the other.
///
/// A record is lent: it lives until the next is asked for, in buffers that are used again, so that reading costs no
/// allocation a record.
pub struct Parser<'a> {
    source: &'a dyn Source,
    /// The file being read, and below it those that include it.
    files: Vec<File<'a>>,
    /// The `$GENERATE` whose lines come before the file goes on.
    generation: Option<Generation>,
    entry: Entry,
}

/// A record as it stands in a master file.
#[derive(Clone, Copy)]
pub struct MasterRecord<'p> {
    /// Absolute, in the case it is written in.
    pub owner: &'p Name,
    /// Known or not.
    pub rtype: Type,
    /// Always IN.
    pub class: Class,
    /// Its own, or the one that holds where it stands (RFC 2308 §4).
    pub ttl: Ttl,
    /// In wire form, names uncompressed; 0 to 65535 octets.
    pub rdata: &'p [u8],
    /// The name of the file it stands in.
    pub file: &'p str,
    /// The line it begins on, from 1.
    pub line: u32,
}

struct File<'a> {
    name: String,
    text: Cow<'a, [u8]>,
    here: Place,
    origin: NameBuf,
    /// The last owner of the file that includes this one, which goes on with it.
    outer_owner: Vec<u8>,
}

/// What one entry leaves for the next, and the buffers.
struct Entry {
    /// The last owner on the wire; empty before the first.
    owner: Vec<u8>,
    rdata: Vec<u8>,
    /// From `$TTL`.
    default_ttl: Option<Ttl>,
    /// The last that a record stated.
    last_ttl: Option<Ttl>,
}

/// What an entry is; of a record, what is not in the buffers.
enum Read {
    Record(Head),
    Directive(Box<Directive>),
    Nothing,
}

struct Head {
    rtype: Type,
    ttl: Ttl,
    line: u32,
}

impl<'a> Parser<'a> {
    /// Reads `text`, which errors call `file`; names that do not end in a dot get `origin`.
    pub fn new(text: &'a [u8], file: &str, origin: &Name, source: &'a dyn Source) -> Parser<'a> {
        let file = File {
            name: file.to_owned(),
            text: Cow::Borrowed(text),
            here: Place::start_of(text),
            origin: origin.to_buf(),
            outer_owner: Vec::new(),
        };
        let entry = Entry { owner: Vec::new(), rdata: Vec::new(), default_ttl: None, last_ttl: None };
        Parser { source, files: vec![file], generation: None, entry }
    }

    /// The next record; none at the end.
    ///
    /// # Errors
    ///
    /// The mistake in an entry. Reading can go on behind it, to find others.
    pub fn next_record(&mut self) -> Option<Result<MasterRecord<'_>, MasterError>> {
        let head = loop {
            match self.step()? {
                Ok(Some(head)) => break head,
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
        };
        let Head { rtype, ttl, line } = head;
        let owner = Name::from_wire(&self.entry.owner).unwrap_or(Name::ROOT);
        let file = self.files.last().map_or("", |file| &file.name);
        Some(Ok(MasterRecord { owner, rtype, class: Class::IN, ttl, rdata: &self.entry.rdata, file, line }))
    }

    /// Reads an entry; none at the end of the outermost file.
    fn step(&mut self) -> Option<Result<Option<Head>, MasterError>> {
        if self.generation.is_some() {
            return Some(self.generate());
        }
        let file = self.files.last_mut()?;
        let mut lexer = Lexer::new(&file.text, file.here);
        let Some(start) = lexer.begin_entry() else {
            self.close();
            return Some(Ok(None));
        };
        let place = lexer.place();
        let read = self.entry.read(start, &mut lexer, &file.origin).map_err(|fault| lexer.recover(fault));
        file.here = lexer.place();
        let done = match read {
            Ok(Read::Record(head)) => return Some(Ok(Some(head))),
            Ok(Read::Nothing) => Ok(()),
            Ok(Read::Directive(directive)) => {
                self.follow(*directive).map_err(|mistake| Fault { place, mistake })
            }
            Err(fault) => Err(*fault),
        };
        Some(done.map(|()| None).map_err(|fault| self.of_file(fault)))
    }

    /// Reads the next line that `$GENERATE` makes.
    fn generate(&mut self) -> Result<Option<Head>, MasterError> {
        let (Some(generation), Some(file)) = (&mut self.generation, self.files.last()) else {
            return Ok(None);
        };
        let place = generation.place;
        let line = match generation.next_line() {
            Some(Ok(line)) => line,
            Some(Err(mistake)) => {
                self.generation = None;
                return Err(self.of_file(Fault { place, mistake }));
            }
            None => {
                self.generation = None;
                return Ok(None);
            }
        };
        let mut lexer = Lexer::new(line, Place { at: 0, line: place.line });
        match self.entry.read(Start::Word, &mut lexer, &file.origin) {
            Ok(Read::Record(head)) => Ok(Some(Head { line: place.line, ..head })),
            // Two dollar signs at the start are escaped, so no directive comes out of here.
            Ok(Read::Directive(_) | Read::Nothing) => Ok(None),
            Err(fault) => {
                let (text, mistake) = (show(line), Box::new(fault.mistake));
                Err(self.of_file(Fault { place, mistake: Mistake::Generated { text, mistake } }))
            }
        }
    }

    fn follow(&mut self, directive: Directive) -> Result<(), Mistake> {
        match directive {
            Directive::Origin(origin) => {
                if let Some(file) = self.files.last_mut() {
                    file.origin = origin;
                }
            }
            Directive::Ttl(ttl) => self.entry.default_ttl = Some(ttl),
            Directive::Include { path, origin } => self.include(path, origin)?,
            Directive::Generate(generation) => self.generation = Some(generation),
        }
        Ok(())
    }

    fn include(&mut self, path: String, origin: Option<NameBuf>) -> Result<(), Mistake> {
        if self.files.len() > MAX_INCLUDE_DEPTH {
            return Err(Mistake::IncludeDepth(MAX_INCLUDE_DEPTH));
        }
        let Some(outer) = self.files.last() else { return Ok(()) };
        let origin = origin.unwrap_or(outer.origin);
        let (name, text) =
            self.source.read(&outer.name, &path).map_err(|why| Mistake::Include { path, why })?;
        let (here, outer_owner) = (Place::start_of(&text), self.entry.owner.clone());
        self.files.push(File { name, text: Cow::Owned(text), here, origin, outer_owner });
        Ok(())
    }

    /// Goes back to the file that includes this one; its origin and its last owner hold again.
    fn close(&mut self) {
        if let Some(file) = self.files.pop() {
            self.entry.owner = file.outer_owner;
        }
    }

    #[cold]
    fn of_file(&self, fault: Fault) -> MasterError {
        match self.files.last() {
            Some(file) => fault.of_file(&file.name, &file.text),
            None => fault.of_file("", &[]),
        }
    }
}

impl Entry {
    fn read(&mut self, start: Start, lexer: &mut Lexer<'_>, origin: &Name) -> Parsed<Read> {
        let line = lexer.place().line;
        if start == Start::Word {
            let Some(word) = lexer.token()? else { return Ok(Read::Nothing) };
            if !word.quoted && word.text.starts_with(b"$") {
                return directive::read(word, lexer, origin).map(|it| Read::Directive(Box::new(it)));
            }
            self.set_owner(word, origin)?;
        }
        let first = lexer.token()?;
        if start == Start::Blank {
            match first {
                None => return Ok(Read::Nothing),
                Some(first) if self.owner.is_empty() => {
                    return Err(Fault::new(first.place, Mistake::NoOwner));
                }
                Some(_) => {}
            }
        }
        let (rtype, stated) = read_head(first, lexer)?;
        self.rdata.clear();
        let place = lexer.place();
        read_rdata(rtype, lexer, origin, &mut self.rdata)?;
        let ttl = self.ttl(stated, rtype).ok_or_else(|| Fault::new(place, Mistake::NoTtl))?;
        Ok(Read::Record(Head { rtype, ttl, line }))
    }

    fn set_owner(&mut self, word: Token<'_>, origin: &Name) -> Parsed<()> {
        self.owner.clear();
        push_name(word.text, origin, &mut self.owner).map_err(|why| {
            // The lines that take this owner over are not to be blamed for it.
            self.owner.clear();
            self.owner.extend_from_slice(origin.as_wire());
            Fault::new(word.place, Mistake::Name { word: show(word.text), why })
        })
    }

    /// The stated TTL; else that of `$TTL`; else the last one stated, as which an SOA's minimum counts where nothing
    /// was (RFC 2308 §4, RFC 1035 §5.1).
    fn ttl(&mut self, stated: Option<Ttl>, rtype: Type) -> Option<Ttl> {
        if stated.is_some() {
            self.last_ttl = stated;
            return stated;
        }
        let known = self.default_ttl.or(self.last_ttl);
        if known.is_none() && rtype == Type::SOA {
            self.last_ttl =
                self.rdata.last_chunk().map(|minimum| Ttl::from_secs(u32::from_be_bytes(*minimum)));
            return self.last_ttl;
        }
        known
    }
}

/// Reads TTL and class, in any order if there, and the type.
fn read_head(first: Option<Token<'_>>, lexer: &mut Lexer<'_>) -> Parsed<(Type, Option<Ttl>)> {
    let (mut ttl, mut class, mut next) = (None, false, first);
    loop {
        let Some(token) = next else {
            return Err(Fault::new(lexer.place(), Mistake::NoType));
        };
        if token.text.first().is_some_and(u8::is_ascii_digit) {
            if ttl.replace(directive::ttl(token)?).is_some() {
                return Err(Fault::new(token.place, Mistake::Twice("TTL")));
            }
        } else if is_in(token.text) {
            if std::mem::replace(&mut class, true) {
                return Err(Fault::new(token.place, Mistake::Twice("class")));
            }
        } else {
            return read_type(token).map(|rtype| (rtype, ttl));
        }
        next = lexer.token()?;
    }
}

fn read_type(token: Token<'_>) -> Parsed<Type> {
    let rtype = match token.text {
        // The most frequent ones without a walk through all mnemonics.
        b"A" => return Ok(Type::A),
        b"AAAA" => return Ok(Type::AAAA),
        b"SRV" => return Ok(Type::SRV),
        word => std::str::from_utf8(word).ok().and_then(|word| word.parse().ok()),
    };
    match rtype {
        Some(rtype) if Type::is_query_only(rtype) => Err(Fault::new(token.place, Mistake::QueryOnly(rtype))),
        Some(rtype) => Ok(rtype),
        None if is_class(token.text) => Err(Fault::new(token.place, Mistake::Class(show(token.text)))),
        None => Err(Fault::new(token.place, Mistake::unknown_type(token.text))),
    }
}

fn is_in(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"IN") || word.eq_ignore_ascii_case(b"CLASS1")
}

/// Whether `word` names a class, which then is not IN. `ANY` is taken for the type.
fn is_class(word: &[u8]) -> bool {
    std::str::from_utf8(word).is_ok_and(|word| word.parse::<Class>().is_ok())
}

/// As a line of a master file: owner, TTL, class, type, data.
impl fmt::Display for MasterRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MasterRecord { owner, ttl, class, rtype, rdata, .. } = self;
        write!(f, "{owner} {} {class} {rtype} {}", ttl.as_secs(), rdata_to_text(*rtype, rdata))
    }
}

/// How deep files may include files.
const MAX_INCLUDE_DEPTH: usize = 16;
