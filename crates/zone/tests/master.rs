//! Master files from outside: text and wire against a foreign judge, and the ways back.

use std::io;

use cartonym_wire::{Name, NameBuf, Type};
use cartonym_zone::master::{MasterError, NoIncludes, Parser, Source, rdata_to_text, validate_rdata};
use proptest::prelude::*;

/// Files in memory.
struct Folder(&'static [(&'static str, &'static str)]);

impl Source for Folder {
    fn read(&self, _: &str, path: &str) -> io::Result<(String, Vec<u8>)> {
        let file = self.0.iter().find(|(name, _)| *name == path).ok_or(io::ErrorKind::NotFound)?;
        Ok((file.0.to_owned(), file.1.into()))
    }
}

fn origin() -> NameBuf {
    "example.com.".parse().unwrap()
}

/// Each record as a line, each mistake as its message.
fn read_with(text: &str, source: &dyn Source) -> Vec<String> {
    let mut parser = Parser::new(text.as_bytes(), "zone", &origin(), source);
    let mut lines = Vec::new();
    while let Some(record) = parser.next_record() {
        lines.push(match record {
            Ok(record) => record.to_string(),
            Err(error) => error.to_string(),
        });
    }
    lines
}

fn read(text: &str) -> Vec<String> {
    read_with(text, &NoIncludes)
}

/// The one record's data.
fn wire(rtype: Type, text: &str) -> Result<Vec<u8>, MasterError> {
    let line = format!("x 300 {rtype} {text}\n");
    let origin = origin();
    let mut parser = Parser::new(line.as_bytes(), "zone", &origin, &NoIncludes);
    parser.next_record().expect("a record").map(|record| record.rdata.to_vec())
}

fn table() -> impl Iterator<Item = (Type, &'static str, Vec<u8>)> {
    let lines = include_str!("data/rdata.txt").lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let mut parts = line.splitn(2, " | ");
        let rtype = parts.next().unwrap().parse().unwrap();
        let (text, hex) = parts.next().unwrap().rsplit_once(" | ").unwrap();
        (rtype, text, unhex(hex))
    })
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits = hex.trim_start_matches('-').as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn text_of_each_type_is_the_wire_form_a_foreign_judge_says() {
    for (rtype, text, expected) in table() {
        match wire(rtype, text) {
            Ok(rdata) => assert_eq!(rdata, expected, "{rtype} {text}"),
            Err(error) => panic!("{rtype} {text}: {error}"),
        }
    }
}

#[test]
fn data_of_each_type_is_valid_and_reads_back_as_it_was() {
    for (rtype, text, rdata) in table() {
        assert_eq!(validate_rdata(rtype, &rdata), Ok(()), "{rtype} {text}");
        let shown = rdata_to_text(rtype, &rdata).to_string();
        assert!(shown.starts_with("\\#") == (rtype.0 == 4711 || rtype.0 == 65280), "{rtype} {shown}");
        assert_eq!(wire(rtype, &shown).unwrap(), rdata, "{rtype} {text} -> {shown}");
    }
}

#[test]
fn cut_or_prolonged_data_is_not_valid_or_is_other_data() {
    for (rtype, text, rdata) in table() {
        for len in 0..rdata.len() {
            // A shorter text or key may stand for itself; what is valid must read back all the same.
            round_trip(rtype, &rdata[..len]);
        }
        let mut longer = rdata;
        longer.push(0);
        round_trip(rtype, &longer);
        assert!(!text.is_empty() || rtype == Type::APL);
    }
}

/// What is valid has a text that reads back; what is not has that of RFC 3597, which is refused for its octets.
fn round_trip(rtype: Type, rdata: &[u8]) {
    let text = rdata_to_text(rtype, rdata).to_string();
    match (validate_rdata(rtype, rdata), wire(rtype, &text)) {
        (Ok(()), Ok(back)) => assert_eq!(back, rdata, "{rtype} {text}"),
        (Ok(()), Err(error)) => panic!("{rtype} {text}: {error}"),
        (Err(_), Ok(back)) => panic!("{rtype} {text}: read as {back:?}"),
        (Err(_), Err(error)) => assert!(error.to_string().contains("the octets after \\#"), "{error}"),
    }
}

proptest! {
    #[test]
    fn changed_data_is_refused_or_reads_back(
        row in 0..table().count(), at in any::<prop::sample::Index>(), octet: u8, cut in any::<prop::sample::Index>()
    ) {
        let (rtype, _, mut rdata) = table().nth(row).unwrap();
        if !rdata.is_empty() {
            let at = at.index(rdata.len());
            rdata[at] = octet;
            round_trip(rtype, &rdata);
            rdata.truncate(cut.index(rdata.len()));
        }
        round_trip(rtype, &rdata);
    }

    #[test]
    fn any_octets_are_refused_or_read_back(code in 1u16..300, rdata in prop::collection::vec(any::<u8>(), 0..40)) {
        prop_assume!(!Type(code).is_query_only());
        round_trip(Type(code), &rdata);
    }

    #[test]
    fn any_text_is_read_to_its_end(text in "[ -~\n\t]{0,200}") {
        read(&text);
    }

    #[test]
    fn words_of_zones_are_read_to_their_end(
        words in prop::collection::vec(prop::sample::select(&[
            "a", "@", " ", "\n", "IN", "60", "A", "192.0.2.1", "TXT", "\"x\"", "(", ")", ";", "\\", "SVCB", "1", "alpn=\"h2",
            "$ORIGIN", "$GENERATE", "1-3", "$", "$TTL", "SOA", "NSEC", "\\#", "00", "LOC", "N", "E", "APL", "1:0.0.0.0/0",
        ][..]), 0..30)
    ) {
        read(&words.join(" "));
    }
}

#[test]
fn owners_ttls_and_classes_may_be_left_out() {
    let zone = "\
$TTL 1h
@   IN SOA ns1 host 1 2 3 4 5
    NS ns1 ; the owner above
ns1 60 IN A 192.0.2.1
    IN 1m A 192.0.2.2
    A (
      192.0.2.3 )
$ORIGIN sub
www AAAA 2001:db8::1
a.b.\tCLASS1 TXT x
$ORIGIN .
org type16 y
";
    assert_eq!(
        read(zone),
        [
            "example.com. 3600 IN SOA ns1.example.com. host.example.com. 1 2 3 4 5",
            "example.com. 3600 IN NS ns1.example.com.",
            "ns1.example.com. 60 IN A 192.0.2.1",
            "ns1.example.com. 60 IN A 192.0.2.2",
            "ns1.example.com. 3600 IN A 192.0.2.3",
            "www.sub.example.com. 3600 IN AAAA 2001:db8::1",
            "a.b. 3600 IN TXT \"x\"",
            "org. 3600 IN TXT \"y\"",
        ]
    );
}

#[test]
fn without_a_default_the_last_ttl_or_the_minimum_holds() {
    assert_eq!(
        read("@ SOA a b 1 2 3 4 77\n NS a\na 9 A 192.0.2.1\nb A 192.0.2.2\n$TTL 5\nc A 192.0.2.3"),
        [
            "example.com. 77 IN SOA a.example.com. b.example.com. 1 2 3 4 77",
            "example.com. 77 IN NS a.example.com.",
            "a.example.com. 9 IN A 192.0.2.1",
            "b.example.com. 9 IN A 192.0.2.2",
            "c.example.com. 5 IN A 192.0.2.3",
        ]
    );
}

#[test]
fn an_included_file_leaves_origin_and_owner_as_they_were() {
    let folder =
        Folder(&[("sub", "@ A 192.0.2.1\n$ORIGIN other.\nb A 192.0.2.2"), ("loop", "$INCLUDE loop")]);
    assert_eq!(
        read_with("$TTL 1\na TXT x\n$INCLUDE sub s\n TXT y\n$INCLUDE sub\n$INCLUDE none\n", &folder),
        [
            "a.example.com. 1 IN TXT \"x\"",
            "s.example.com. 1 IN A 192.0.2.1",
            "b.other. 1 IN A 192.0.2.2",
            "a.example.com. 1 IN TXT \"y\"",
            "example.com. 1 IN A 192.0.2.1",
            "b.other. 1 IN A 192.0.2.2",
            "zone:6:1: `none` cannot be included: entity not found",
        ]
    );
    assert_eq!(
        read_with("$INCLUDE loop", &folder),
        ["loop:1:1: files are included 16 deep, which is the most; is there a loop?"]
    );
}

#[test]
fn files_are_included_from_the_folder_of_the_file() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
    let text = "$INCLUDE include/outer.zone\n";
    let origin = origin();
    let mut parser = Parser::new(
        text.as_bytes(),
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/top.zone"),
        &origin,
        &cartonym_zone::master::Files,
    );
    let record = parser.next_record().unwrap().unwrap();
    assert_eq!(record.to_string(), "inner.example.com. 60 IN A 192.0.2.7");
    assert_eq!(record.file, format!("{folder}/include/inner.zone"));
    assert_eq!(record.line, 2);
    assert!(parser.next_record().is_none());
}

#[test]
fn a_range_generates_records() {
    assert_eq!(
        read(
            "$TTL 1\n$GENERATE 1-2 h$ A 10.0.0.$\n$GENERATE 8-10/2 ${0,3} MX \"${2} m$\" ; x\n$GENERATE 3-3 $ 9 TXT \"a b $\"\nz A 10.1.1.1"
        ),
        [
            "h1.example.com. 1 IN A 10.0.0.1",
            "h2.example.com. 1 IN A 10.0.0.2",
            "008.example.com. 1 IN MX 10 m8.example.com.",
            "010.example.com. 1 IN MX 12 m10.example.com.",
            "3.example.com. 9 IN TXT \"a b 3\"",
            "z.example.com. 1 IN A 10.1.1.1",
        ]
    );
    assert_eq!(
        read("$TTL 1\n\n$GENERATE 255-256 h$ A 10.0.0.$"),
        [
            "h255.example.com. 1 IN A 10.0.0.255",
            "zone:3:1: in `h256 A 10.0.0.256`, made by $GENERATE: A address: `10.0.0.256` is not an IPv4 address, as 192.0.2.1",
        ]
    );
}

#[test]
fn each_mistake_says_where_it_is_and_what_would_be_right() {
    for case in include_str!("data/mistakes.txt").split("\n---\n").filter(|case| !case.trim().is_empty()) {
        let (text, expected) = case.split_once("\n=> ").expect("text and message");
        let text = text.trim_start_matches('\n');
        let found: Vec<_> = read(&format!("$TTL 60\n{text}\nlast 1 A 192.0.2.1\n"));
        // Reading goes on behind the mistake, unless a parenthesis swallowed the rest.
        let goes_on = !expected.contains("never closed");
        let last = goes_on.then_some("last.example.com. 1 IN A 192.0.2.1");
        assert_eq!(found, [expected.trim_end()].into_iter().chain(last).collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn an_absolute_root_zone_is_read() {
    let text = ". 86400 IN SOA a.root-servers.net. nstld.verisign-grs.com. 2026010100 1800 900 604800 86400\n. 518400 NS a.root-servers.net.";
    let mut parser = Parser::new(text.as_bytes(), "root", Name::ROOT, &NoIncludes);
    assert!(parser.next_record().unwrap().unwrap().owner.is_root());
    assert_eq!(parser.next_record().unwrap().unwrap().rtype, Type::NS);
}
