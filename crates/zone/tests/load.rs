//! From a master file to a zone, whatever its length.

use std::fmt::Write as _;
use std::io::Write as _;

use cartonym_wire::{Hasher, NameBuf, Ttl, Type};
use cartonym_zone::{LoadError, Zone, load};

const HASHER: Hasher = Hasher::new(1);
/// So many that several threads take part.
const MANY: usize = 20_000;

fn origin() -> NameBuf {
    "example.".parse().unwrap()
}

/// A zone with so many names, the lines of `more` in place of theirs.
fn load_with(more: &[(usize, &str)]) -> Result<Zone, LoadError> {
    let mut text = String::from("$TTL 60\n@ SOA ns host 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n");
    for number in 0..MANY {
        match more.iter().find(|(at, _)| *at == number + 5) {
            Some((_, line)) => writeln!(text, "{line}").unwrap(),
            None => writeln!(text, "n{number} A 10.0.{}.{}", number >> 8, number & 255).unwrap(),
        }
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    load(file.path(), &origin(), HASHER).map(|(zone, _)| zone)
}

#[test]
fn a_long_file_is_a_zone_of_all_its_records() {
    let zone = load_with(&[]).unwrap();
    assert_eq!((zone.len(), zone.records().count()), (MANY + 2, MANY + 3));
    for number in [0, 1, MANY / 2, MANY - 1] {
        let name: NameBuf = format!("n{number}.example.").parse().unwrap();
        let expected = [10, 0, (number >> 8) as u8, number as u8];
        assert_eq!(zone.rdatas(&name, Type::A, HASHER), [(Ttl::from_secs(60), &expected[..])]);
    }
}

#[test]
fn a_mistake_far_into_a_file_is_told_with_its_line() {
    for line in [5, 6000, 19_999] {
        let error = load_with(&[(line, "n A 192.0.2.256")]).unwrap_err().to_string();
        assert!(error.contains(&format!(":{line}:")), "{error}");
        let error = load_with(&[(line, "elsewhere. A 192.0.2.1")]).unwrap_err();
        assert!(matches!(&error, LoadError::Record { line: at, .. } if *at as usize == line), "{error}");
    }
}

#[test]
fn the_first_of_two_mistakes_is_told() {
    let error = load_with(&[(6000, "elsewhere. A 192.0.2.1"), (15_000, "n A nothing")]).unwrap_err();
    assert!(matches!(error, LoadError::Record { line: 6000, .. }), "{error}");
    let error = load_with(&[(6000, "n A nothing"), (15_000, "elsewhere. A 192.0.2.1")]).unwrap_err();
    assert!(error.to_string().contains(":6000:"), "{error}");
}

#[test]
fn two_mistakes_near_each_other_are_told_in_their_order_too() {
    let error = load_with(&[(100, "elsewhere. A 192.0.2.1"), (3000, "n A nothing")]).unwrap_err();
    assert!(matches!(error, LoadError::Record { line: 100, .. }), "{error}");
}

#[test]
fn records_far_from_each_other_are_one_too_many_all_the_same() {
    for (first, second) in [
        ("twice CNAME n1", "twice CNAME n2"),
        ("twice DNAME n1", "twice DNAME n2"),
        ("@ TXT here", "@ SOA ns host 2 2 3 4 5"),
    ] {
        let error = load_with(&[(100, first), (15_000, second)]).unwrap_err();
        assert!(matches!(error, LoadError::Refused { .. }), "{second}: {error}");
    }
}
