//! `cartonym check-zone`: what it finds, and what it says to a script.

mod common;

use std::fs;

use common::{cartonym, run};

const GOOD: &str = "$ORIGIN example.\n$TTL 60\n@ SOA ns host 1 60 10 3600 5\n@ NS ns\nns A 192.0.2.53\n";

/// Exit code and lines of the check of a file with these lines behind a right one.
fn check(more: &str, args: &[&str]) -> (Option<i32>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db");
    fs::write(&file, format!("{GOOD}{more}\n")).unwrap();
    let (code, out, _) = run(cartonym(&["check-zone"]).arg(&file).args(args));
    let place = format!("{}:", file.display());
    (code, out.lines().map(|line| line.replace(&place, "db:")).collect())
}

#[test]
fn a_zone_that_is_right_is_summed_up() {
    for args in [&[][..], &["example"], &["EXAMPLE.", "--strict"]] {
        let (code, lines) = check("", args);
        assert_eq!((code, &*lines), (Some(0), &["example.: serial 1, 3 records, 2 names".to_owned()][..]));
    }
}

#[test]
fn every_mistake_has_its_place_and_what_would_be_right() {
    let (code, lines) = check("a A 192.0.2.300\nb AAAA 2001:db8::1\nc TYPO x\nd A 192.0.2.1 \"", &[]);
    assert_eq!(code, Some(1));
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (line, place) in lines.iter().zip(["db:6:5: ", "db:8:3: ", "db:9:15: "]) {
        assert!(line.starts_with(place), "{line}");
    }
}

#[test]
fn what_does_not_go_together_is_an_error() {
    for (more, what) in [
        ("www A 192.0.2.1\nwww CNAME ns", "must be alone"),
        ("@ SOA ns host 2 60 10 3600 5", "a second SOA"),
        ("www.example.test. A 192.0.2.1", "outside the zone"),
        ("d DNAME a.test.\nx.d A 192.0.2.1", "below the DNAME"),
        ("d DNAME a.test.\nd DNAME b.test.", "a second DNAME"),
    ] {
        let (code, lines) = check(more, &[]);
        assert_eq!(code, Some(1), "{more}");
        assert!(
            lines[0].starts_with("db:") && lines[0].contains("error: ") && lines[0].contains(what),
            "{lines:?}"
        );
    }
}

#[test]
fn a_warning_is_an_error_to_the_strict() {
    for (more, what) in [
        ("sub NS ns.sub", "as glue"),
        ("a A 192.0.2.1\na A 192.0.2.1", "there already"),
        ("a A 192.0.2.1\na 30 A 192.0.2.2", "TTL 30 beside 60"),
        ("@ NS nowhere", "has no address"),
    ] {
        let (code, lines) = check(more, &[]);
        assert_eq!((code, lines.len()), (Some(0), 2), "{lines:?}");
        assert!(lines[0].contains("warning: ") && lines[0].contains(what), "{lines:?}");
        assert_eq!(check(more, &["--strict"]).0, Some(1));
    }
}

#[test]
fn a_set_too_large_for_a_message_is_found() {
    let records: String = (0..1200).map(|at| format!("big TXT {at:0250}\n")).collect();
    let (code, lines) = check(&records, &[]);
    assert_eq!(code, Some(1));
    assert!(lines[0].contains("do not fit into a message"), "{lines:?}");
}

#[test]
fn a_zone_without_a_name_is_asked_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db");
    fs::write(&file, GOOD.trim_start_matches("$ORIGIN example.\n")).unwrap();
    let (code, _, err) = run(cartonym(&["check-zone"]).arg(&file));
    assert_eq!(code, Some(1));
    assert!(err.contains("name the zone"), "{err}");
    assert_eq!(run(cartonym(&["check-zone"]).arg(&file).arg("example.")).0, Some(0));
}
