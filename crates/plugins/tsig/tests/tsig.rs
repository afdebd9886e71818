//! Keys from a Corefile, and queries that must be signed.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::{Client, Settings, Shared};
use cartonym_plugin_tsig::Tsig;
use cartonym_responder::tsig::{Algorithm, Key, Keyring};
use cartonym_responder::{Chain, Moment, Responder, Scratch, Verdict};
use cartonym_testing::{Ask, Canned, configure_in};
use cartonym_wire::{Message, Name, Rcode};

const NOW: Duration = Duration::from_secs(1_700_000_000);

fn configure(directives: &str) -> Result<(Chain, Arc<Keyring>), String> {
    let shared = Shared::default();
    let chain = configure_in::<Tsig>("example.", directives, &mut Settings::default(), &shared)?;
    Ok((chain, shared.get()))
}

fn responder(directives: &str) -> Arc<Responder> {
    let (chain, keys) = configure(directives).unwrap();
    let chain = chain.then(Canned::new("www.example. 60 A 192.0.2.1"));
    Responder::builder().zone(Name::ROOT, chain).keys(keys.keys()).build()
}

fn ask(responder: &Responder, message: &[u8], client: Client) -> Rcode {
    let mut out = [0; 1232];
    let moment = Moment { now: NOW, random: 0 };
    let verdict = responder.respond(&mut Scratch::default(), message, client, moment, &mut out);
    let Verdict::Send(len) = verdict else { panic!("{verdict:?}") };
    Message::new(&out[..len]).unwrap().header().flags.rcode()
}

/// The rcodes of a query without and with a signature.
fn both(responder: &Responder, question: &str) -> [Rcode; 2] {
    let ask_of = Ask::new(question);
    let mut signed = ask_of.to_message();
    let name: cartonym_wire::NameBuf = "xfr.example.".parse().unwrap();
    let key = Arc::new(Key::new(&name, Algorithm::HmacSha256, b"secret").unwrap());
    key.sign(&mut signed, NOW).unwrap();
    [ask(responder, &ask_of.to_message(), ask_of.client()), ask(responder, &signed, ask_of.client())]
}

const SECRET: &str = "secret xfr.example. c2VjcmV0";

#[test]
fn a_key_of_the_corefile_signs() {
    let responder = responder(&format!("tsig {{\n{SECRET}\n}}"));
    assert_eq!(both(&responder, "www.example. A"), [Rcode::NOERROR; 2]);
}

#[test]
fn what_must_be_signed_is_refused_otherwise() {
    let responder = responder(&format!("tsig {{\n{SECRET}\nrequire AXFR TXT\n}}"));
    assert_eq!(both(&responder, "www.example. A"), [Rcode::NOERROR; 2]);
    assert_eq!(both(&responder, "www.example. TXT"), [Rcode::REFUSED, Rcode::NOERROR]);
    assert_eq!(both(&responder, "elsewhere. TXT"), [Rcode::NOERROR; 2]);
}

#[test]
fn all_of_a_zone_may_have_to_be_signed() {
    let responder = responder(&format!("tsig sub.example. {{\n{SECRET}\nrequire all\n}}"));
    assert_eq!(both(&responder, "www.sub.example. A"), [Rcode::REFUSED, Rcode::NOERROR]);
    assert_eq!(both(&responder, "www.example. A"), [Rcode::NOERROR; 2]);
}

#[test]
fn keys_are_read_from_a_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "key \"xfr.example.\" {{ algorithm hmac-sha256; secret \"c2VjcmV0\"; }};").unwrap();
    let responder = responder(&format!("tsig {{\nsecrets {}\n}}", file.path().display()));
    assert_eq!(both(&responder, "www.example. A"), [Rcode::NOERROR; 2]);
}

#[test]
fn without_require_there_is_no_plugin() {
    let (chain, keys) = configure(&format!("tsig {{\n{SECRET}\n}}")).unwrap();
    assert_eq!((chain.plugins().len(), keys.keys().len()), (0, 1));
}

#[test]
fn what_is_wrong_is_named_without_the_secret() {
    let bad = [
        ("tsig {\nsecret xfr.example. hunter2!\n}", "Corefile:3:1: the secret is not Base64"),
        ("tsig {\nsecret xfr.example. hmac-md5 c2VjcmV0\n}", "Corefile:3:21"),
        ("tsig {\nsecret a hmac-sha1 c2VjcmV0\n}", "Corefile:3:1: key a.: hmac-sha1 is not taken"),
        ("tsig {\nsecret a c2VjcmV0\nsecret a c2VjcmV1\n}", "Corefile:4:1: key a.: a different key"),
        ("tsig {\nsecrets /nowhere/at/all\n}", "Corefile:3:9: cannot be read"),
        ("tsig {\nrequire NOTYPE\n}", "Corefile:3:9"),
    ];
    for (directives, message) in bad {
        let error = configure(directives).map(|_| ()).unwrap_err();
        assert!(error.starts_with(message), "{error}");
        assert!(!error.contains("hunter2") && !error.contains("c2Vj"), "{error}");
    }
}
