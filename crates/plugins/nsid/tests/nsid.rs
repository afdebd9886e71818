//! Query in, response out.

use cartonym_plugin_nsid::Nsid;
use cartonym_testing::{Ask, Canned, Tester, configure};
use cartonym_wire::{OptionCode, Rcode};

fn identifier(directive: &str, ask: Ask) -> Option<Vec<u8>> {
    let chain = configure::<Nsid>(directive).unwrap().then(Canned::default().rcode(Rcode::NXDOMAIN));
    Tester::new(chain).ask(ask).option(OptionCode::NSID).map(<[u8]>::to_vec)
}

fn asking() -> Ask {
    Ask::new("a. A").option(OptionCode::NSID, &[])
}

#[test]
fn who_asks_is_told() {
    assert_eq!(identifier("nsid cellar", asking()), Some(b"cellar".to_vec()));
    assert_eq!(identifier("nsid the cellar", asking()), Some(b"the cellar".to_vec()));
    assert!(identifier("nsid", asking()).is_some_and(|name| !name.is_empty()));
}

#[test]
fn who_does_not_ask_is_not() {
    assert_eq!(identifier("nsid cellar", Ask::new("a. A").edns(1232)), None);
    assert_eq!(identifier("nsid cellar", Ask::new("a. A")), None);
}

#[test]
fn an_identifier_has_a_length() {
    assert!(configure::<Nsid>(&format!("nsid {}", "x".repeat(256))).unwrap_err().contains("255 octets"));
}
