//! Dynamic update, section by section of RFC 2136, and against a naive version over zones made of few names.

mod common;
#[path = "update/message.rs"]
mod message;
#[path = "update/naive.rs"]
mod naive;

use cartonym_wire::{Class, Message, Type};
use cartonym_zone::master::rdata_to_text;
use cartonym_zone::{Difference, Records, Zone};
use common::{HASHER, name, zone};
use message::{Line, message};
use naive::Naive;
use proptest::prelude::*;
use proptest::sample::select;

const ZONE: &str = "
example.          30 SOA   ns.example. h.example. 7 2 3 4 60
example.          30 NS    ns.example.
example.          30 MX    10 mail.example.
ns.example.       30 A     192.0.2.53
a.example.        30 A     192.0.2.1
a.example.        30 A     192.0.2.2
a.example.        30 TXT   text
alias.example.    30 CNAME a.example.
below.ent.example. 30 A    192.0.2.3
to.example.       30 DNAME elsewhere.test.
*.wild.example.   30 A     192.0.2.4
map.example.      30 WKS   \\# 9 c00002090600000040
";

/// What comes of an update: an rcode, `nothing`, or the new serial and what has changed.
fn update(zone: &Zone, lines: &str) -> String {
    let lines: Vec<Line> = lines.split(';').map(Line::of).collect();
    let message = message(&lines);
    match zone.update(Message::new(&message).unwrap(), HASHER) {
        Err(rcode) => rcode.to_string(),
        Ok(None) => "nothing".to_owned(),
        Ok(Some(updated)) => {
            assert_eq!(
                zone.advance(&updated.difference, HASHER).map(|zone| sorted(&zone)),
                Some(sorted(&updated.zone))
            );
            told(&updated.difference)
        }
    }
}

fn told(difference: &Difference) -> String {
    let list = |sign: char, records: &Records| {
        let mut texts: Vec<String> = records
            .iter()
            .map(|rr| {
                let rdata = rdata_to_text(rr.rtype, rr.rdata);
                format!(" {sign}{} {} {} {rdata}", rr.owner, rr.ttl.as_secs(), rr.rtype)
            })
            .collect();
        texts.sort();
        texts.concat()
    };
    format!("{}{}{}", difference.to.serial, list('-', &difference.removed), list('+', &difference.added))
}

/// The records of a zone in an order of their own.
fn sorted(zone: &Zone) -> Vec<String> {
    let mut records: Vec<String> = zone
        .records()
        .map(|(owner, rtype, ttl, rdata)| format!("{owner} {} {rtype} {rdata:?}", ttl.as_secs()))
        .collect();
    records.sort();
    records
}

fn check(table: &[(&str, &str)]) {
    let zone = zone(ZONE);
    for (lines, expected) in table {
        assert_eq!(update(&zone, lines), *expected, "{lines}");
    }
}

/// §2.4.4, §2.4.5; §3.2.1
#[test]
fn a_name_is_in_use_if_it_has_a_record() {
    check(&[
        ("? a.example. 0 ANY ANY", "nothing"),
        ("? A.EXAMPLE. 0 ANY ANY", "nothing"),
        ("? none.example. 0 ANY ANY", "NXDOMAIN"),
        ("? none.example. 0 NONE ANY", "nothing"),
        ("? a.example. 0 NONE ANY", "YXDOMAIN"),
        // An empty non-terminal is not in use, nor what a wildcard would answer for.
        ("? ent.example. 0 ANY ANY", "NXDOMAIN"),
        ("? ent.example. 0 NONE ANY", "nothing"),
        ("? x.wild.example. 0 ANY ANY", "NXDOMAIN"),
        ("? *.wild.example. 0 ANY ANY", "nothing"),
    ]);
}

/// §2.4.1, §2.4.3; §3.2.1, §3.2.2
#[test]
fn a_set_is_there_whatever_its_data() {
    check(&[
        ("? a.example. 0 ANY A", "nothing"),
        ("? a.example. 0 ANY AAAA", "NXRRSET"),
        ("? none.example. 0 ANY A", "NXRRSET"),
        ("? a.example. 0 NONE AAAA", "nothing"),
        ("? none.example. 0 NONE A", "nothing"),
        ("? a.example. 0 NONE A", "YXRRSET"),
        // The CNAME is not followed.
        ("? alias.example. 0 ANY A", "NXRRSET"),
    ]);
}

/// §2.4.2; §3.2.3
#[test]
fn a_set_is_as_it_is_told() {
    check(&[
        ("? a.example. 0 IN A 192.0.2.2;? a.example. 0 IN A 192.0.2.1", "nothing"),
        ("? a.example. 0 IN A 192.0.2.1;? a.example. 0 IN TXT text;? A.example. 0 IN A 192.0.2.2", "nothing"),
        ("? a.example. 0 IN A 192.0.2.1", "NXRRSET"),
        ("? a.example. 0 IN A 192.0.2.1;? a.example. 0 IN A 192.0.2.3", "NXRRSET"),
        (
            "? a.example. 0 IN A 192.0.2.1;? a.example. 0 IN A 192.0.2.2;? a.example. 0 IN A 192.0.2.3",
            "NXRRSET",
        ),
        ("? none.example. 0 IN A 192.0.2.1", "NXRRSET"),
        // Names in data are compared as names.
        ("? alias.example. 0 IN CNAME A.Example.", "nothing"),
        ("? a.example. 0 IN TXT TEXT", "NXRRSET"),
    ]);
}

/// §3.2.5
#[test]
fn a_malformed_prerequisite_is_formerr_and_a_foreign_one_notzone() {
    check(&[
        ("? a.example. 1 ANY A", "FORMERR"),
        ("? a.example. 1 IN A 192.0.2.1", "FORMERR"),
        ("? a.example. 0 ANY A 192.0.2.1", "FORMERR"),
        ("? a.example. 0 NONE A 192.0.2.1", "FORMERR"),
        ("? a.example. 0 CH A 192.0.2.1", "FORMERR"),
        ("? a.example. 0 IN ANY [00]", "FORMERR"),
        ("? a.example. 0 IN A [c000]", "FORMERR"),
        ("? a.test. 0 ANY ANY", "NOTZONE"),
        ("? test. 0 IN A 192.0.2.1", "NOTZONE"),
        // The first that is wrong counts (§3.2.5), and prerequisites come before changes (§3.2).
        ("? none.example. 0 ANY ANY;? a.test. 0 ANY ANY", "NXDOMAIN"),
        ("! a.test. 0 ANY ANY;? none.example. 0 ANY ANY", "NXDOMAIN"),
    ]);
}

/// §3.4.1
#[test]
fn changes_are_looked_at_before_any_is_made() {
    check(&[
        ("! x.example. 60 IN A 192.0.2.1;! a.test. 60 IN A 192.0.2.1", "NOTZONE"),
        ("! x.example. 60 IN A 192.0.2.1;! a.example. 60 CH A 192.0.2.1", "FORMERR"),
        ("! a.example. 60 IN ANY [00]", "FORMERR"),
        ("! a.example. 60 IN AXFR [00]", "FORMERR"),
        ("! a.example. 60 IN TYPE65401 [00]", "FORMERR"),
        ("! a.example. 60 IN A", "FORMERR"),
        ("! a.example. 60 IN A [c0000201ff]", "FORMERR"),
        ("! a.example. 1 ANY A", "FORMERR"),
        ("! a.example. 0 ANY A 192.0.2.1", "FORMERR"),
        ("! a.example. 0 ANY MAILB", "FORMERR"),
        ("! a.example. 1 NONE A 192.0.2.1", "FORMERR"),
        ("! a.example. 0 NONE ANY [00]", "FORMERR"),
        ("! a.example. 0 NONE A", "FORMERR"),
    ]);
}

/// §2.5.1; §3.4.2.2
#[test]
fn a_record_is_added() {
    check(&[
        ("! x.example. 60 IN A 192.0.2.9", "8 +x.example. 60 A 192.0.2.9"),
        ("! X.Example. 60 IN A 192.0.2.9", "8 +x.example. 60 A 192.0.2.9"),
        ("! a.example. 30 IN A 192.0.2.9", "8 +a.example. 30 A 192.0.2.9"),
        ("! x.example. 60 IN TYPE65400 [ff]", "8 +x.example. 60 TYPE65400 \\# 1 ff"),
        // What is there already is there.
        ("! a.example. 30 IN A 192.0.2.1", "nothing"),
        // A set has one TTL, the last that was told.
        (
            "! a.example. 60 IN A 192.0.2.1",
            "8 -a.example. 30 A 192.0.2.1 -a.example. 30 A 192.0.2.2 +a.example. 60 A 192.0.2.1 +a.example. 60 A 192.0.2.2",
        ),
        // A map of ports has its address and protocol once.
        (
            "! map.example. 30 IN WKS [c0000209060000000080]",
            "8 -map.example. 30 WKS \\# 9 c00002090600000040 +map.example. 30 WKS \\# 10 c0000209060000000080",
        ),
    ]);
}

/// §3.4.2.2
#[test]
fn a_cname_is_alone() {
    check(&[
        ("! a.example. 60 IN CNAME x.example.", "nothing"),
        ("! alias.example. 60 IN A 192.0.2.9", "nothing"),
        (
            "! alias.example. 30 IN CNAME x.example.",
            "8 -alias.example. 30 CNAME a.example. +alias.example. 30 CNAME x.example.",
        ),
        (
            "! a.example. 0 ANY ANY;! a.example. 30 IN CNAME x.example.",
            "8 -a.example. 30 A 192.0.2.1 -a.example. 30 A 192.0.2.2 -a.example. 30 TXT \"text\" +a.example. 30 CNAME x.example.",
        ),
        ("! example. 60 IN CNAME x.example.", "nothing"),
    ]);
}

/// §3.4.2.2, §3.6; RFC 1982
#[test]
fn an_soa_counts_if_its_serial_is_newer() {
    check(&[
        ("! example. 30 IN SOA ns.example. h.example. 7 2 3 4 61", "nothing"),
        ("! example. 30 IN SOA ns.example. h.example. 6 2 3 4 61", "nothing"),
        ("! example. 30 IN SOA ns.example. h.example. 2147483656 2 3 4 61", "nothing"),
        ("! a.example. 30 IN SOA ns.example. h.example. 9 2 3 4 61", "nothing"),
        ("! example. 30 IN SOA ns.example. h.example. 9 2 3 4 61", "9"),
        (
            "! example. 30 IN SOA ns.example. h.example. 9 2 3 4 61;! x.example. 1 IN A 192.0.2.9",
            "9 +x.example. 1 A 192.0.2.9",
        ),
        ("! example. 0 NONE SOA ns.example. h.example. 7 2 3 4 60", "nothing"),
        ("! example. 0 ANY SOA", "nothing"),
    ]);
    let last = zone(&ZONE.replace("h.example. 7", "h.example. 4294967295"));
    assert_eq!(update(&last, "! x.example. 1 IN A 192.0.2.9"), "1 +x.example. 1 A 192.0.2.9");
}

/// §2.5.2, §2.5.3; §3.4.2.3
#[test]
fn sets_and_names_are_deleted_but_not_what_makes_a_zone() {
    check(&[
        ("! a.example. 0 ANY A", "8 -a.example. 30 A 192.0.2.1 -a.example. 30 A 192.0.2.2"),
        ("! a.example. 0 ANY AAAA", "nothing"),
        ("! none.example. 0 ANY ANY", "nothing"),
        ("! ns.example. 0 ANY ANY", "8 -ns.example. 30 A 192.0.2.53"),
        ("! example. 0 ANY ANY", "8 -example. 30 MX 10 mail.example."),
        ("! example. 0 ANY NS", "nothing"),
        ("! example. 0 ANY MX", "8 -example. 30 MX 10 mail.example."),
        // Names below stay.
        ("! ent.example. 0 ANY ANY", "nothing"),
    ]);
}

/// §2.5.4; §3.4.2.4
#[test]
fn a_record_is_deleted_but_not_the_last_name_server() {
    check(&[
        ("! a.example. 0 NONE A 192.0.2.1", "8 -a.example. 30 A 192.0.2.1"),
        ("! a.example. 0 NONE A 192.0.2.9", "nothing"),
        ("! alias.example. 0 NONE CNAME A.EXAMPLE.", "8 -alias.example. 30 CNAME a.example."),
        ("! example. 0 NONE NS ns.example.", "nothing"),
        (
            "! example. 30 IN NS b.example.;! example. 0 NONE NS ns.example.;! example. 0 NONE NS b.example.",
            "8 -example. 30 NS ns.example. +example. 30 NS b.example.",
        ),
        // Deleted and added again, in this order or the other.
        ("! a.example. 0 NONE A 192.0.2.1;! a.example. 30 IN A 192.0.2.1", "nothing"),
        ("! x.example. 30 IN A 192.0.2.1;! x.example. 0 NONE A 192.0.2.1", "nothing"),
    ]);
}

/// RFC 6672 §5.2
#[test]
fn a_dname_stays_alone_above_nothing() {
    check(&[
        ("! to.example. 30 IN DNAME other.test.", "nothing"),
        (
            "! to.example. 60 IN DNAME elsewhere.test.",
            "8 -to.example. 30 DNAME elsewhere.test. +to.example. 60 DNAME elsewhere.test.",
        ),
        ("! alias.example. 60 IN DNAME other.test.", "nothing"),
        ("! x.to.example. 60 IN A 192.0.2.9", "REFUSED"),
        ("! ent.example. 60 IN DNAME other.test.", "REFUSED"),
        (
            "! below.ent.example. 0 ANY ANY;! ent.example. 60 IN DNAME other.test.",
            "8 -below.ent.example. 30 A 192.0.2.3 +ent.example. 60 DNAME other.test.",
        ),
    ]);
}

#[test]
fn a_set_that_does_not_fit_into_a_message_is_refused() {
    let mut zone = zone(ZONE);
    let big = "ab".repeat(30_000);
    for (number, expected) in [(1, "8 "), (2, "9 "), (3, "REFUSED")] {
        let line = format!("! x.example. 1 IN TYPE65400 [0{number}{big}]");
        let message = message(&[Line::of(&line)]);
        assert!(update(&zone, &line).starts_with(expected));
        zone = match zone.update(Message::new(&message).unwrap(), HASHER) {
            Ok(Some(updated)) => updated.zone,
            _ => zone,
        };
    }
}

#[test]
fn a_difference_reads_what_it_writes_and_nothing_less() {
    let before = zone(ZONE);
    let lines = [Line::of("! a.example. 0 ANY ANY"), Line::of("! x.example. 1 IN A 192.0.2.9")];
    let message = message(&lines);
    let difference = before.update(Message::new(&message).unwrap(), HASHER).unwrap().unwrap().difference;
    let mut octets = Vec::new();
    difference.write(&mut octets);
    assert_eq!(Difference::read(&octets), Some(difference.clone()));
    let shorter = (0..octets.len()).filter_map(|end| Difference::read(&octets[..end]));
    assert!(shorter.into_iter().all(|read| read != difference));
    let after = before.advance(&difference, HASHER).unwrap();
    assert!(after.advance(&difference, HASHER).is_none(), "it begins with another version");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn updates_lead_where_the_naive_version_does(updates in prop::collection::vec(lines(), 1..12)) {
        let mut zone = zone(ZONE);
        let mut naive = Naive::of(&zone);
        for lines in updates {
            let message = message(&lines);
            let expected = naive.update(&lines);
            match zone.update(Message::new(&message).unwrap(), HASHER) {
                Err(rcode) => prop_assert_eq!(Err(rcode), expected),
                Ok(None) => prop_assert_eq!(Ok(false), expected),
                Ok(Some(updated)) => {
                    prop_assert_eq!(Ok(true), expected);
                    let advanced = zone.advance(&updated.difference, HASHER).unwrap();
                    prop_assert_eq!(sorted(&advanced), sorted(&updated.zone));
                    zone = updated.zone;
                }
            }
            prop_assert_eq!(sorted(&zone), naive.sorted());
        }
    }
}

/// A few records of an update, over names and data that often meet; prerequisites are the fewer.
fn lines() -> impl Strategy<Value = Vec<Line>> {
    let owner = select(vec![
        "example.",
        "a.example.",
        "x.example.",
        "b.ent.example.",
        "ent.example.",
        "to.example.",
        "A.to.example.",
        "a.test.",
    ]);
    let data = select(vec![
        "A 192.0.2.1",
        "A 192.0.2.2",
        "A 192.0.2.3",
        "TXT text",
        "CNAME a.example.",
        "CNAME A.example.",
        "CNAME x.test.",
        "NS ns.example.",
        "NS b.example.",
        "DNAME elsewhere.test.",
        "DNAME o.test.",
        "MX 10 mail.example.",
        "SOA ns.example. h.example. 9 2 3 4 60",
        "SOA ns.example. h.example. 12 2 3 4 60",
        "A [00]",
    ]);
    let line = (
        prop::bool::weighted(0.15),
        owner,
        data,
        select(vec![0u32, 30, 60]),
        select(vec![Class::IN, Class::IN, Class::NONE, Class::ANY]),
        prop::bool::weighted(0.9),
    );
    let line = line.prop_map(|(is_prerequisite, owner, data, ttl, class, is_proper)| {
        let mut line = Line::of(&format!("! {owner} {ttl} IN {data}"));
        line.class = class;
        line.is_prerequisite = is_prerequisite;
        // Most are well formed: what deletes or requires has no TTL, and data only where one record is meant.
        let is_bare = class == Class::ANY || is_prerequisite && class == Class::NONE;
        if is_proper && (class != Class::IN || is_prerequisite) {
            line.ttl = 0;
        }
        if is_proper && is_bare {
            line.rdata.clear();
            if line.rtype == Type::TXT {
                line.rtype = Type::ANY;
            }
        }
        line
    });
    prop::collection::vec(line, 1..6)
}

#[test]
fn who_asks_for_nothing_gets_nothing() {
    let message = message(&[]);
    let updated = zone(ZONE).update(Message::new(&message).unwrap(), HASHER);
    assert!(matches!(updated, Ok(None)), "{updated:?}");
    assert_eq!(zone(ZONE).soa().map(|(_, serial)| serial), Some(7));
    assert_eq!(*zone(ZONE).origin(), *name("example."));
}
