//! Signed queries: verified before any plugin, and every response signed (RFC 8945).

mod common;

use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::Transport;
use cartonym_responder::Responder;
use cartonym_responder::tsig::{Algorithm, Exchange, Key, Keys, VerifyError};
use cartonym_wire::{Flags, Message, OptionCode, Rcode, Type};
use common::{NOW, add_opt, answer, ask, name, query, rcode, text, types};

const TRANSPORTS: [Transport; 4] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Https];

fn key(secret: &[u8]) -> Arc<Key> {
    Arc::new(Key::new(&name("key."), Algorithm::HmacSha256, secret).unwrap())
}

fn responder() -> Arc<Responder> {
    let mut keys = Keys::new();
    keys.add(Key::clone(&key(b"secret"))).unwrap();
    common::responder(|builder| builder.keys(keys))
}

fn signed(mut message: Vec<u8>) -> (Vec<u8>, Exchange) {
    let exchange = key(b"secret").sign(&mut message, NOW).unwrap();
    (message, exchange)
}

/// Asks with a signature; the responses are verified, and their signatures taken off.
fn ask_signed(message: Vec<u8>, transport: Transport) -> Vec<Vec<u8>> {
    let (message, mut exchange) = signed(message);
    let mut responses = ask(&responder(), &message, transport);
    for response in &mut responses {
        assert_eq!(types(response).last(), Some(&Type::TSIG));
        exchange.verify(response, NOW).unwrap();
    }
    if !responses.is_empty() {
        exchange.finish().unwrap();
    }
    responses
}

#[test]
fn a_plugin_sees_the_keys_name_on_every_transport() {
    for transport in TRANSPORTS {
        let responses = ask_signed(query("www.example.", &[]), transport);
        assert_eq!(text(&responses[0]), "key. false");
    }
    assert_eq!(text(&answer(&responder(), &query("www.example.", &[]))), "none false");
}

#[test]
fn every_response_is_signed_whatever_it_says() {
    let cases = [
        ("www.example.", Rcode::NOERROR),
        ("later.example.", Rcode::NOERROR),
        ("pass.example.", Rcode::REFUSED),
        ("panic.example.", Rcode::SERVFAIL),
        ("elsewhere.", Rcode::REFUSED),
    ];
    for (qname, expected) in cases {
        for options in [&[][..], &[(OptionCode::NSID, &b""[..])]] {
            let responses = ask_signed(query(qname, options), Transport::Udp);
            assert_eq!(rcode(&responses[0]), expected, "{qname}");
        }
    }
}

#[test]
fn a_query_of_another_version_or_opcode_is_told_so_with_a_signature() {
    let mut badvers = query("www.example.", &[(OptionCode::NSID, b"")]);
    let version_at = badvers.len() - 9;
    badvers[version_at] = 1;
    assert_eq!(rcode(&ask_signed(badvers, Transport::Udp)[0]), Rcode::BADVERS);
    let mut update = query("www.example.", &[]);
    update[2] = 5 << 3;
    assert_eq!(rcode(&ask_signed(update, Transport::Udp)[0]), Rcode::NOTIMP);
}

#[test]
fn each_message_of_a_stream_is_signed() {
    assert_eq!(ask_signed(query("stream.example.", &[]), Transport::Tcp).len(), 3);
}

#[test]
fn the_first_message_of_a_stream_has_opt_if_the_query_had() {
    let options = [(OptionCode::COOKIE, &b"ABCDEFGH"[..])];
    let messages = ask_signed(query("stream.example.", &options), Transport::Tcp);
    assert_eq!(types(&messages[0]), [Type::OPT]);
    assert!(types(&messages[1]).is_empty() && messages[0].len() == messages[1].len() + 11 + 28);
}

#[test]
fn a_response_that_waited_knows_the_key() {
    assert_eq!(text(&ask_signed(query("later.example.", &[]), Transport::Udp)[0]), "key. false");
}

#[test]
fn room_for_the_signature_is_kept_in_a_truncated_response() {
    for (options, limit) in [(&[][..], 512), (&[(OptionCode::NSID, &b""[..])], 1232)] {
        let (message, mut exchange) = signed(query("long.example.", options));
        let mut response = answer(&responder(), &message);
        assert!(response.len() <= limit && response.len() > limit - 300, "{}", response.len());
        exchange.verify(&mut response, NOW).unwrap();
        assert!(Message::new(&response).unwrap().header().flags.has(Flags::TC));
    }
    let whole = ask_signed(query("long.example.", &[]), Transport::Tcp);
    assert!(whole[0].len() > 65_000);
}

#[test]
fn a_name_and_a_key_as_long_as_can_be_are_answered() {
    let long = [["a"; 60].join("."), "b".repeat(63), "c".repeat(60), "example.".to_owned()].join(".");
    let long_key = name(&format!("{0}.{0}.{0}.{1}.", "k".repeat(63), "k".repeat(61)));
    let mut keys = Keys::new();
    keys.add(Key::new(&long_key, Algorithm::HmacSha512, b"secret").unwrap()).unwrap();
    let key = keys.get(&long_key).unwrap().clone();
    let responder = common::responder(|builder| builder.keys(keys));
    for known in [true, false] {
        let responder = if known { responder.clone() } else { self::responder() };
        let mut message = query(&long, &[]);
        let mut exchange = key.sign(&mut message, NOW).unwrap();
        let mut response = answer(&responder, &message);
        assert!(response.len() <= message.len());
        match exchange.verify(&mut response, NOW) {
            Ok(()) => assert!(known && response.len() >= message.len() - 500),
            Err(error) => assert_eq!((error, known), (VerifyError::Refused(Rcode::BADKEY), false)),
        }
    }
}

#[test]
fn an_unknown_key_is_notauth_and_badkey_without_a_signature() {
    let mut keys = Keys::new();
    keys.add(Key::new(&name("other."), Algorithm::HmacSha256, b"secret").unwrap()).unwrap();
    for responder in [common::responder(|builder| builder), common::responder(|builder| builder.keys(keys))] {
        for transport in TRANSPORTS {
            for qname in ["www.example.", "elsewhere."] {
                let (message, mut exchange) = signed(query(qname, &[]));
                let mut response = ask(&responder, &message, transport).remove(0);
                assert_eq!(rcode(&response), Rcode::NOTAUTH);
                assert_eq!(types(&response), [Type::TSIG]);
                assert_eq!(exchange.verify(&mut response, NOW), Err(VerifyError::Refused(Rcode::BADKEY)));
            }
        }
    }
}

#[test]
fn a_wrong_signature_is_notauth_and_badsig() {
    for options in [&[][..], &[(OptionCode::NSID, &b""[..])]] {
        let mut message = query("www.example.", options);
        let mut exchange = key(b"guess").sign(&mut message, NOW).unwrap();
        let mut response = answer(&responder(), &message);
        assert_eq!(rcode(&response), Rcode::NOTAUTH);
        assert!(!types(&response).contains(&Type::TXT) && response.len() <= message.len());
        assert_eq!(exchange.verify(&mut response, NOW), Err(VerifyError::Refused(Rcode(16))));
    }
}

#[test]
fn a_signature_of_another_question_is_refused() {
    let (mut message, _) = signed(query("www.example.", &[]));
    message[13] = b'x';
    assert_eq!(rcode(&answer(&responder(), &message)), Rcode::NOTAUTH);
}

#[test]
fn a_wrong_clock_is_notauth_and_badtime_with_a_signature() {
    for then in [NOW - Duration::from_secs(3600), NOW + Duration::from_secs(3600)] {
        let mut message = query("www.example.", &[]);
        let mut exchange = key(b"secret").sign(&mut message, then).unwrap();
        let mut response = answer(&responder(), &message);
        assert_eq!(rcode(&response), Rcode::NOTAUTH);
        assert_eq!(exchange.verify(&mut response, then), Err(VerifyError::Refused(Rcode::BADTIME)));
    }
}

#[test]
fn a_signature_in_another_place_is_malformed() {
    let plain = query("www.example.", &[]);
    let (message, _) = signed(plain.clone());
    let record = &message[plain.len()..];

    let mut doubled = message.clone();
    doubled.extend_from_slice(record);
    doubled[11] = 2;
    let mut before_opt = message.clone();
    add_opt(&mut before_opt, &[]);
    let mut as_answer = message.clone();
    (as_answer[7], as_answer[11]) = (1, 0);
    let mut other_class = message.clone();
    other_class[plain.len() + 8] = 1;
    let mut trailing = message.clone();
    trailing.push(0);

    for message in [doubled, before_opt, as_answer, other_class, trailing] {
        let response = answer(&responder(), &message);
        assert_eq!((rcode(&response), response.len()), (Rcode::FORMERR, 12));
    }
    assert_eq!(rcode(&answer(&responder(), &message)), Rcode::NOERROR);
}

#[test]
fn a_signature_without_a_code_is_malformed() {
    let plain = query("www.example.", &[]);
    let (mut message, _) = signed(plain.clone());
    let mac_len_at = plain.len() + 5 + 10 + 13 + 8;
    message.drain(mac_len_at + 2..mac_len_at + 34);
    message[mac_len_at + 1] = 0;
    message[plain.len() + 14] -= 32;
    assert_eq!(rcode(&answer(&responder(), &message)), Rcode::FORMERR);
}

#[test]
fn a_dropped_query_stays_dropped() {
    assert!(ask_signed(query("drop.example.", &[]), Transport::Udp).is_empty());
}
