//! Messages that dnspython signed, verified here and signed again to the same octets.

use std::sync::Arc;
use std::time::Duration;

use cartonym_tsig::{Key, Keys};
use data_encoding::HEXLOWER;

#[derive(Default)]
struct Case {
    keys: Keys,
    key: Option<Arc<Key>>,
    now: Duration,
    request: [Vec<u8>; 2],
    response: [Vec<u8>; 2],
    /// The messages of a stream, and as they are signed; the same where one is not.
    stream: Vec<[Vec<u8>; 2]>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for line in include_str!("data/dnspython.txt").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["key", name, algorithm, secret] = *words {
            let key = Key::from_base64(
                &name.parse::<cartonym_wire::NameBuf>().unwrap(),
                algorithm.parse().unwrap(),
                secret,
            );
            let mut keys = Keys::new().with_sha1();
            keys.add(key.unwrap()).unwrap();
            let key = keys.get(&name.parse::<cartonym_wire::NameBuf>().unwrap()).cloned();
            cases.push(Case { keys, key, ..Case::default() });
            continue;
        }
        let case = cases.last_mut().unwrap();
        match *words {
            ["time", secs] => case.now = Duration::from_secs(secs.parse().unwrap()),
            ["request", plain, signed] => case.request = [hex(plain), hex(signed)],
            ["response", plain, signed] => case.response = [hex(plain), hex(signed)],
            ["stream", ref messages @ ..] => case.stream = messages.iter().map(|pair| part(pair)).collect(),
            _ => panic!("{line}"),
        }
    }
    assert_eq!(cases.len(), 5);
    cases
}

fn part(pair: &str) -> [Vec<u8>; 2] {
    let (plain, signed) = pair.split_once(':').unwrap();
    [hex(plain), if signed == "-" { hex(plain) } else { hex(signed) }]
}

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

#[test]
fn a_request_is_signed_to_the_same_octets() {
    for case in cases() {
        let mut message = case.request[0].clone();
        case.key.unwrap().sign(&mut message, case.now).unwrap();
        assert_eq!(message, case.request[1]);
    }
}

#[test]
fn a_request_is_verified_and_its_response_signed_to_the_same_octets() {
    for case in cases() {
        let [plain, signed] = &case.request;
        let mut session = case.keys.verify(signed, plain.len(), case.now).unwrap();
        let mut response = case.response[0].clone();
        session.sign_vec(&mut response, case.now).unwrap();
        assert_eq!(response, case.response[1]);
        assert_eq!(case.response[0].len() + session.room(), response.len());
    }
}

#[test]
fn a_response_is_verified_and_its_record_taken_off() {
    for case in cases() {
        let mut exchange = case.key.unwrap().sign(&mut case.request[0].clone(), case.now).unwrap();
        let mut response = case.response[1].clone();
        exchange.verify(&mut response, case.now).unwrap();
        assert_eq!(response, case.response[0]);
        exchange.finish().unwrap();
    }
}

#[test]
fn a_stream_with_an_unsigned_message_in_the_middle_is_verified() {
    for case in cases() {
        let mut exchange = case.key.unwrap().sign(&mut case.request[0].clone(), case.now).unwrap();
        for [plain, signed] in case.stream {
            let mut message = signed;
            exchange.verify(&mut message, case.now).unwrap();
            assert_eq!(message, plain);
        }
        exchange.finish().unwrap();
    }
}

#[test]
fn a_stream_that_is_signed_here_is_verified_here() {
    for case in cases() {
        let mut exchange = case.key.unwrap().sign(&mut case.request[0].clone(), case.now).unwrap();
        let mut session = case.keys.verify(&case.request[1], case.request[0].len(), case.now).unwrap();
        for [plain, _] in case.stream {
            let mut message = plain.clone();
            session.sign_vec(&mut message, case.now).unwrap();
            exchange.verify(&mut message, case.now).unwrap();
            assert_eq!(message, plain);
        }
        exchange.finish().unwrap();
    }
}
