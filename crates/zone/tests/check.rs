//! Zones that are wrong as a whole.

use cartonym_wire::{Name, NameBuf, Ttl, Type};
use cartonym_zone::check::{Entry, Listing, Report, check};
use cartonym_zone::master::{NoIncludes, Parser};

fn report(text: &str) -> Report {
    let origin: NameBuf = "example.".parse().unwrap();
    let mut parser = Parser::new(text.as_bytes(), "zone", &origin, &NoIncludes);
    let listing = Listing::read(&mut parser, 10).unwrap();
    check(&origin, || listing.sets())
}

/// What is found when `text` is added to a zone without fault: line 5 is its first.
fn found(text: &str) -> Vec<String> {
    let text = format!("$TTL 60\n@ SOA ns1 host 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.1\n{text}\n");
    report(&text).findings.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn finds(text: &str, expected: &[&str]) {
    assert_eq!(found(text), expected, "{text}");
}

#[test]
fn a_zone_without_fault_has_no_findings() {
    finds("www A 192.0.2.1\nwww A 192.0.2.2\nalias CNAME www\nalias NSEC x CNAME\nd DNAME other.", &[]);
    finds("sub NS ns.sub\nns.sub A 192.0.2.1\nsub NS ns.other.\nsub DS 1 8 2 00", &[]);
    finds(
        "@ DNAME other.\n@ NSEC3PARAM 1 0 0 -",
        &[
            "zone:4: error: ns1.example. A: the name lies below the DNAME of example., which replaces all there (RFC 6672 §2.4)",
        ],
    );
}

#[test]
fn a_zone_needs_one_soa_at_its_apex() {
    let report = report("a 60 NS b.\n");
    assert!(report.is_refused());
    let found: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "warning: example. NS: the zone has no NS at its apex",
            "error: example. SOA: the zone has no SOA at its apex"
        ]
    );
    finds(
        "@ SOA ns1 host 2 2 3 4 5",
        &["zone:5: error: example. SOA: a second SOA; a zone has one (RFC 1035 §5.2)"],
    );
    finds(
        "@ SOA NS1 host 1 2 3 4 5",
        &["zone:5: warning: example. SOA: the record is there already; one is kept (RFC 2181 §5)"],
    );
    finds(
        "a SOA ns1 host 2 2 3 4 5",
        &[
            "zone:5: error: a.example. SOA: a SOA below the apex; records of a child zone belong into its own file",
        ],
    );
}

#[test]
fn a_record_outside_the_zone_is_refused() {
    finds(
        "www.example.com. A 192.0.2.1\nbadexample. A 192.0.2.1",
        &[
            "zone:5: error: www.example.com. A: the owner lies outside the zone; is a dot at the end missing or too many?",
            "zone:6: error: badexample. A: the owner lies outside the zone; is a dot at the end missing or too many?",
        ],
    );
}

#[test]
fn an_alias_is_alone() {
    finds(
        "a CNAME b\nA TXT x\na A 192.0.2.1\na A 192.0.2.2",
        &[
            "zone:6: error: A.example. TXT: the name has a CNAME, which must be alone (RFC 2181 §10.1)",
            "zone:7: error: a.example. A: the name has a CNAME, which must be alone (RFC 2181 §10.1)",
        ],
    );
    finds(
        "a CNAME b\na CNAME c",
        &["zone:6: error: a.example. CNAME: a second CNAME; a name has one (RFC 2181 §10.1)"],
    );
}

#[test]
fn a_dname_has_all_below_it() {
    finds(
        "d DNAME x.\nd DNAME y.\na.b.D A 192.0.2.1\nd TXT x",
        &[
            "zone:6: error: d.example. DNAME: a second DNAME; a name has one (RFC 6672 §2.4)",
            "zone:7: error: a.b.D.example. A: the name lies below the DNAME of D.example., which replaces all there (RFC 6672 §2.4)",
        ],
    );
    finds(
        "d DNAME x.\nd NS ns.other.",
        &[
            "zone:5: warning: d.example. DNAME: DNAME and NS at a name below the apex; the NS wins (RFC 6672 §2.4)",
        ],
    );
}

#[test]
fn a_delegation_needs_servers_that_can_be_found() {
    finds(
        "sub NS ns.sub\nsub NS ns2\nother NS ns.sub\nalso NS *.wild\n*.w A 192.0.2.1\nmore NS ns.w",
        &[
            "zone:5: warning: sub.example. NS: ns.sub.example. needs an address record here as glue: it is within the delegation that it serves",
            "zone:6: warning: sub.example. NS: the name server ns2.example. is in this zone and has no address",
            "zone:8: warning: also.example. NS: the name server *.wild.example. is in this zone and has no address",
        ],
    );
    finds(
        "sub NS ns.other.\na.b.sub NS ns.other.",
        &[
            "zone:6: warning: a.b.sub.example. NS: the name lies below the delegation of sub.example., so this one is never seen",
        ],
    );
}

#[test]
fn a_target_is_not_an_alias() {
    let tail = "the target a.example. is a CNAME; name what it points to (RFC 2181 §10.3)";
    finds(
        "a CNAME ns1\n@ MX 1 A\n_x._tcp SRV 0 0 1 a\n@ NS a\nx PTR a",
        &[
            "zone:6: warning: example. MX: the target A.example. is a CNAME; name what it points to (RFC 2181 §10.3)",
            &format!("zone:7: warning: _x._tcp.example. SRV: {tail}"),
            &format!("zone:8: warning: example. NS: {tail}"),
        ],
    );
}

#[test]
fn a_set_has_one_ttl_and_no_record_twice() {
    finds(
        "a A 192.0.2.1\nb A 192.0.2.1\nA 60 A 192.0.2.1\na 30 A 192.0.2.2\na 20 A 192.0.2.3\nm MX 65 a.b.\nm MX 65 A.B.\nm MX 97 a.b.",
        &[
            "zone:7: warning: A.example. A: the record is there already; one is kept (RFC 2181 §5)",
            "zone:8: warning: a.example. A: TTL 30 beside 60 in one set; the smallest is used (RFC 2181 §5.2)",
            "zone:11: warning: m.example. MX: the record is there already; one is kept (RFC 2181 §5)",
        ],
    );
}

#[test]
fn records_of_elsewhere_are_checked_without_places() {
    let origin: NameBuf = "example.".parse().unwrap();
    let record: (&Name, Type, Ttl, &[u8]) = (&origin, Type::CNAME, Ttl::ZERO, b"\x01a\0");
    let report = check(&origin, || [[Entry::from(record)].into_iter()].into_iter());
    assert_eq!((report.refusals, report.warnings), (1, 1));
}

#[test]
fn a_great_many_findings_are_counted_and_the_first_are_kept() {
    let text: String = (0..5_000).map(|at| format!("n{at}.other. 60 A 192.0.2.1\n")).collect();
    let report = report(&text);
    assert_eq!((report.refusals, report.findings.len()), (5_001, 1_001));
}
