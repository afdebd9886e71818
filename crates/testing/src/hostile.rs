//! Queries that a plugin should be able to look at: plain ones, odd ones, and octets by chance.

use std::fmt;

use cartonym_plugin::{Client, Transport};
use cartonym_wire::{Class, Flags, Opcode, OptionCode, Type};

use crate::Ask;

/// A query and where it comes from. It displays as what it is made from, and its octets.
pub(crate) struct Hostile {
    what: String,
    pub(crate) octets: Vec<u8>,
    pub(crate) client: Client,
}

impl fmt::Display for Hostile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.what)?;
        self.octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// The queries, the same on each run.
pub(crate) fn queries() -> Vec<Hostile> {
    let mut queries: Vec<Hostile> = asks().iter().map(|(what, ask)| hostile(what, ask)).collect();
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    for at in 0..2000 {
        let Some(origin) = queries.get(at % 100) else { break };
        let mut octets = origin.octets.clone();
        for _ in 0..=random.below(4) {
            mutate(&mut octets, &mut random);
        }
        let what = format!("{}, changed", origin.what);
        queries.push(Hostile { what, octets, client: origin.client });
    }
    queries
}

fn hostile(what: &str, ask: &Ask) -> Hostile {
    Hostile { what: what.to_owned(), octets: ask.to_message(), client: ask.client() }
}

fn asks() -> Vec<(String, Ask)> {
    let mut asks = Vec::new();
    let mut add = |what: String, ask: Ask| asks.push((what, ask));
    for name in names() {
        for rtype in [Type::A, Type::SOA, Type::ANY] {
            add(format!("{name} {rtype}"), Ask::new(&format!("{name} {rtype}")));
        }
    }
    for rtype in [0, 2, 5, 6, 12, 28, 33, 39, 41, 43, 65, 249, 250, 251, 252, 254, 255, 256, 65535] {
        let question = format!("www.example. TYPE{rtype}");
        add(question.clone(), Ask::new(&question));
        add(format!("{question} over TCP"), Ask::new(&question).over(Transport::Tcp));
    }
    for class in [0, 3, 4, 254, 255, 65535] {
        add(format!("class {class}"), Ask::new("www.example. A").class(Class(class)));
    }
    for opcode in 0..16 {
        let flags = Flags::default().with_opcode(Opcode(opcode));
        add(format!("opcode {opcode}"), Ask::new("example. SOA").flags(flags));
    }
    for flags in [Flags(0), Flags(0x07FF), Flags::AD, Flags::CD, Flags::Z, Flags::RA] {
        add(format!("flags {flags:?}"), Ask::new("www.example. A").flags(flags));
    }
    for size in [0, 1, 100, 511, 512, 1232, 4096, 65535] {
        add(format!("{size} octets"), Ask::new("www.example. A").edns(size));
        add(format!("{size} octets, DO"), Ask::new("www.example. A").edns(size).dnssec_ok());
    }
    for code in [0, 1, 3, 8, 10, 11, 12, 15, 65001, 65535] {
        for data in [&[][..], &[0; 1], &[0, 1, 24, 0, 192, 0, 2], &[7; 8], &[7; 41], &[255; 300]] {
            let ask = Ask::new("www.example. A").option(OptionCode(code), data);
            add(format!("option {code} of {} octets", data.len()), ask);
        }
    }
    for from in ["0.0.0.0", "255.255.255.255", "::", "::1", "::ffff:192.0.2.1", "2001:db8::1"] {
        add(format!("from {from}"), Ask::new("www.example. A").from(from));
    }
    for transport in [Transport::Tls, Transport::Https, Transport::Internal] {
        add(format!("over {transport:?}"), Ask::new("www.example. A").over(transport));
    }
    asks
}

/// Names that are usual, and names that are only just names.
fn names() -> Vec<String> {
    let label = "l".repeat(63);
    let mut names: Vec<String> = [
        ".",
        "example.",
        "www.example.",
        "WwW.eXaMpLe.",
        "*.example.",
        "a.*.example.",
        "_http._tcp.example.",
        "1.2.0.192.in-addr.arpa.",
        "1.0.0.0.ip6.arpa.",
        "256.1.2.3.4.in-addr.arpa.",
        "version.bind.",
        "localhost.",
        "\\000.\\255\\.\\\\.example.",
        "\\032\\009.example.",
        "xn--nxasmq6b.example.",
    ]
    .map(str::to_owned)
    .into();
    names.push("a.".repeat(127));
    names.push(format!("{label}.{label}.{label}.{}.", "m".repeat(61)));
    names
}

fn mutate(octets: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(octets.len().max(1));
    match random.below(5) {
        0 => octets.truncate(at),
        1 => octets.insert(at.min(octets.len()), random.below(256) as u8),
        2 if !octets.is_empty() => _ = octets.remove(at),
        // Where the counts, lengths and pointers are, small numbers and pointers matter most.
        3 => set(octets, at, [0, 1, 12, 63, 64, 0xC0, 0xFF][random.below(7)]),
        _ => set(octets, at, random.below(256) as u8),
    }
}

fn set(octets: &mut [u8], at: usize, to: u8) {
    if let Some(octet) = octets.get_mut(at) {
        *octet = to;
    }
}

/// A xorshift generator.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}
