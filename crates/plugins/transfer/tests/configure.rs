//! The directive's words.

use cartonym_plugin::{Settings, Shared};
use cartonym_plugin_transfer::Transfer;
use cartonym_testing::configure_in;
use cartonym_tsig::{Algorithm, Key, Keyring};

fn configure(directives: &str) -> Result<usize, String> {
    let shared = Shared::default();
    let key = Key::new(&"xfr.".parse::<cartonym_wire::NameBuf>().unwrap(), Algorithm::HmacSha256, b"x");
    shared.get::<Keyring>().add(key.unwrap()).unwrap();
    let chain = configure_in::<Transfer>("example.", directives, &mut Settings::default(), &shared)?;
    Ok(chain.plugins().len())
}

#[test]
fn addresses_keys_and_everybody_are_read() {
    let good = [
        "transfer {\nto *\n}",
        "transfer example. sub.example. {\nto 192.0.2.1 192.0.2.2:5353 2001:db8::1 [2001:db8::2]:53\n}",
        "transfer {\nto xfr.\nto XFR 192.0.2.1\nsource 127.0.0.1 ::1\n}",
        "transfer {\nto *\n}\ntransfer sub.example. {\nto 192.0.2.1\n}",
    ];
    for directives in good {
        assert_eq!(configure(directives), Ok(1), "{directives}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let bad = [
        ("transfer", "Corefile:2:1: to whom? `to` is missing"),
        ("transfer {\nto\n}", "Corefile:3:1"),
        (
            "transfer {\nto 192.0.2.1 nokey.\n}",
            "Corefile:3:14: neither an IP address nor `*`, nor the name of a key that `tsig` has",
        ),
        ("transfer {\nto *\nsource here\n}", "Corefile:4:8"),
        ("transfer {\nfrom *\n}", "Corefile:3:1"),
    ];
    for (directives, message) in bad {
        let error = configure(directives).unwrap_err();
        assert!(error.starts_with(message), "{error}");
    }
}
