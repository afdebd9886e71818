#![doc = include_str!("../README.md")]

use cartonym_plugin::corefile::{Error, Word};
use cartonym_plugin::{Configure, Place, Plugin, Query, Response, Setup, Step};
use cartonym_wire::{Class, Section, Ttl, Type};

/// Tells a server's version, name and authors.
#[derive(Clone, Debug)]
pub struct Chaos {
    version: Vec<u8>,
    host: Vec<u8>,
    authors: Vec<Vec<u8>>,
}

impl Chaos {
    /// What to tell.
    pub fn new(version: &str, host: &str, authors: impl IntoIterator<Item = impl AsRef<str>>) -> Chaos {
        Chaos {
            version: txt(version),
            host: txt(host),
            authors: authors.into_iter().map(|author| txt(author.as_ref())).collect(),
        }
    }

    /// The texts for a name in lower case, as it stands on the wire.
    fn texts(&self, name: &[u8]) -> &[Vec<u8>] {
        match name {
            b"\x07version\x04bind\0" | b"\x07version\x06server\0" => std::slice::from_ref(&self.version),
            b"\x08hostname\x04bind\0" | b"\x02id\x06server\0" => std::slice::from_ref(&self.host),
            b"\x07authors\x04bind\0" => &self.authors,
            _ => &[],
        }
    }
}

impl Plugin for Chaos {
    fn name(&self) -> &'static str {
        "chaos"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        if query.qclass() != Class::CH || query.qtype() != Type::TXT {
            return Step::Next;
        }
        let texts = self.texts(query.name().as_wire());
        if texts.is_empty() {
            return Step::Next;
        }
        let first = (query.random() % texts.len() as u64) as usize;
        for text in texts.iter().cycle().skip(first).take(texts.len()) {
            let (section, owner) = (Section::Answer, query.question().name);
            if response.record_of_class(section, owner, Type::TXT, Class::CH, Ttl::ZERO, text).is_err() {
                break;
            }
        }
        Step::Answered
    }
}

impl Configure for Chaos {
    const NAME: &'static str = "chaos";
    const PLACE: Place = Place::Before("cache");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        directive.no_block()?;
        let (version, authors) = match &*directive.args {
            [] => (VERSION, &[][..]),
            [version, authors @ ..] => (version.as_str(), authors),
        };
        let chaos = Chaos::new(version, &setup.host_name(), authors.iter().map(Word::as_str));
        setup.plugin(chaos);
        Ok(())
    }
}

/// RDATA of a TXT record: strings of at most 255 octets (RFC 1035 §3.3.14).
fn txt(text: &str) -> Vec<u8> {
    let strings = text.as_bytes().chunks(255).map(|string| [&[string.len() as u8], string].concat());
    let rdata = strings.collect::<Vec<_>>().concat();
    if rdata.is_empty() { vec![0] } else { rdata }
}

const VERSION: &str = concat!("Cartonym-", env!("CARGO_PKG_VERSION"));
