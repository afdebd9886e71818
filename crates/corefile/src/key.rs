//! The keys of a server block: scheme, zone and port.

use std::fmt;
use std::net::IpAddr;

use crate::word::Brief;
use crate::zone::expand;
use crate::{Error, Position, Warning, Word, nearest};

/// What a server block answers for, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// How queries come.
    pub scheme: Scheme,
    /// The zone, in lower case and fully qualified.
    pub zone: String,
    /// The port, if the key has one; else see [`Scheme::default_port`].
    pub port: Option<u16>,
    /// Where the key begins. The zones of one network share it.
    pub position: Position,
}

/// How queries come to a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scheme {
    /// DNS over UDP and TCP (RFC 1035).
    #[default]
    Dns,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over QUIC (RFC 9250).
    Quic,
    /// DNS over gRPC, as CoreDNS speaks it.
    Grpc,
    /// DNS over HTTPS (RFC 8484), HTTP/2 and before.
    Https,
    /// DNS over HTTPS on HTTP/3.
    Https3,
}

impl Scheme {
    /// All of them.
    pub const ALL: [Scheme; 6] =
        [Scheme::Dns, Scheme::Tls, Scheme::Quic, Scheme::Grpc, Scheme::Https, Scheme::Https3];

    /// As it stands before `://`.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Dns => "dns",
            Scheme::Tls => "tls",
            Scheme::Quic => "quic",
            Scheme::Grpc => "grpc",
            Scheme::Https => "https",
            Scheme::Https3 => "https3",
        }
    }

    /// The port of a key without one; for `dns` the daemon may be told another.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Dns => 53,
            Scheme::Tls | Scheme::Quic => 853,
            Scheme::Grpc | Scheme::Https | Scheme::Https3 => 443,
        }
    }
}

impl Key {
    /// The keys that one word stands for: several for a network whose mask cuts a label.
    pub(crate) fn parse(word: &Word) -> Result<Vec<Key>, Error> {
        let (scheme, name, port) = split_key(word)?;
        let key = |zone| Key { scheme, zone, port, position: word.position.clone() };
        Ok(expand(word, name)?.into_iter().map(key).collect())
    }
}

/// Takes a key apart; what is left between scheme and port may still be anything.
pub(crate) fn split_key(word: &Word) -> Result<(Scheme, &str, Option<u16>), Error> {
    let (scheme, rest) = split_scheme(&word.text);
    if rest.is_empty() {
        let what = if word.text.is_empty() { "an empty word" } else { "a scheme alone" };
        return Err(word.error(format!("{what} is not a zone")).help("the root zone is written as `.`"));
    }
    let Some((name, port)) = rest.rsplit_once(':') else {
        return Ok((scheme, rest, None));
    };
    if port.is_empty() {
        return Err(word
            .error(format!("`{word}` lacks a port after its last colon"))
            .help(format!("without the colon the port is {}", scheme.default_port())));
    }
    let digits = port.strip_prefix(['+', '-']).unwrap_or(port);
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
        // Not a port at all: the colon belongs to the name, as in `2001:db8::/32`.
        return Ok((scheme, rest, None));
    }
    match port.parse() {
        Ok(port) => Ok((scheme, name, Some(port))),
        Err(_) => {
            Err(word.error(format!("`{}` is not a port", Brief(port))).help("a port is a number up to 65535"))
        }
    }
}

fn split_scheme(text: &str) -> (Scheme, &str) {
    let with = |scheme: Scheme| {
        let rest = text.strip_prefix(scheme.name())?.strip_prefix("://")?;
        Some((scheme, rest))
    };
    Scheme::ALL.into_iter().find_map(with).unwrap_or((Scheme::Dns, text))
}

/// Tells what a zone was probably meant to be, if it is a name but hardly a zone's.
pub(crate) fn doubt(word: &Word, key: &Key) -> Option<Warning> {
    let zone = key.zone.strip_suffix('.').unwrap_or(&key.zone);
    let reverse = zone.ends_with(".in-addr.arpa") || zone.ends_with(".ip6.arpa");
    let usual = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let help = if let Some((scheme, _)) = word.text.split_once("://").filter(|_| zone.contains("://")) {
        match nearest(scheme, Scheme::ALL.map(Scheme::name)) {
            Some(known) => format!("did you mean `{known}://`?"),
            None => "the schemes are dns, tls, quic, grpc, https and https3".to_owned(),
        }
    } else if let Some(address) = [zone, &word.text].iter().find_map(|text| text.parse::<IpAddr>().ok()) {
        let mask = if address.is_ipv6() { 128 } else { 32 };
        format!("with a mask, as in `{address}/{mask}`, it is a reverse zone; to listen on it, use `bind`")
    } else if zone.contains(',') {
        "put a space after the comma to name two zones".to_owned()
    } else if zone == "}" {
        "this `}` closes nothing; remove it".to_owned()
    } else if reverse || zone.chars().all(usual) {
        return None;
    } else {
        "a zone has letters, digits, `-` and `_` between its dots".to_owned()
    };
    Some(Warning::new(&word.position, format!("`{word}` is taken as the name of a zone"), help))
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `scheme://zone:port`, or without the port if the key has none.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.zone)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}
