//! What is not taken, by either end, and how it is said.

use std::sync::Arc;
use std::time::Duration;

use cartonym_tsig::{Algorithm, Exchange, Key, KeyError, Keys, Rejection, Session, VerifyError};
use cartonym_wire::{Message, NameBuf, Rcode, Type};

const NOW: Duration = Duration::from_secs(1_700_000_000);
const HOUR: Duration = Duration::from_secs(3600);
/// A request for `example. SOA`.
const REQUEST: &[u8] = b"\x12\x34\0\0\0\x01\0\0\0\0\0\0\x07example\0\0\x06\0\x01";

fn name(text: &str) -> NameBuf {
    text.parse().unwrap()
}

fn key(text: &str, secret: &[u8]) -> Key {
    Key::new(&name(text), Algorithm::HmacSha256, secret).unwrap()
}

fn keys() -> Keys {
    let mut keys = Keys::new();
    keys.add(key("key.", b"secret")).unwrap();
    keys
}

fn signed(key: Key, now: Duration) -> (Vec<u8>, Exchange) {
    let mut message = REQUEST.to_vec();
    let exchange = Arc::new(key).sign(&mut message, now).unwrap();
    (message, exchange)
}

/// A request whose code has been cut to `len` octets.
fn cut(len: usize) -> Vec<u8> {
    let (mut message, _) = signed(key("key.", b"secret"), NOW);
    let mac_len_at = REQUEST.len() + 5 + 10 + 13 + 8;
    message.drain(mac_len_at + 2 + len..mac_len_at + 2 + 32);
    message[mac_len_at + 1] = len as u8;
    let rdata_len_at = REQUEST.len() + 5 + 9;
    message[rdata_len_at] -= (32 - len) as u8;
    message
}

fn verify(message: &[u8]) -> Result<Session, Rejection> {
    keys().verify(message, REQUEST.len(), NOW)
}

/// The error of a rejection, and the response that says so.
fn refused(result: Result<Session, Rejection>) -> (Rcode, Vec<u8>) {
    let Err(Rejection::Refused(reply)) = result else { panic!("{result:?}") };
    let error = reply.error();
    let mut response = REQUEST.to_vec();
    response[2] = 0x80;
    let len = response.len();
    response.resize(len + reply.room(), 0);
    let end = reply.append(&mut response, len, NOW).unwrap();
    response.truncate(end);
    (error, response)
}

/// Octets of the code in a response's record.
fn mac_len(response: &[u8]) -> usize {
    let record = Message::new(response).unwrap().records().last().unwrap().unwrap();
    assert_eq!(record.rtype, Type::TSIG);
    usize::from(u16::from_be_bytes([record.rdata[21], record.rdata[22]]))
}

#[test]
fn an_unknown_key_is_badkey_and_not_signed() {
    let (message, mut exchange) = signed(key("other.", b"secret"), NOW);
    let (error, mut response) = refused(verify(&message));
    assert_eq!((error, mac_len(&response)), (Rcode::BADKEY, 0));
    assert_eq!(exchange.verify(&mut response, NOW), Err(VerifyError::Refused(Rcode::BADKEY)));
}

#[test]
fn a_key_of_another_algorithm_is_badkey() {
    let other = Key::new(&name("key."), Algorithm::HmacSha512, b"secret").unwrap();
    assert_eq!(refused(verify(&signed(other, NOW).0)).0, Rcode::BADKEY);
}

#[test]
fn a_wrong_secret_is_badsig_and_not_signed() {
    let (message, mut exchange) = signed(key("key.", b"guess"), NOW);
    let (error, mut response) = refused(verify(&message));
    assert_eq!((error, mac_len(&response)), (Rcode(16), 0));
    assert_eq!(exchange.verify(&mut response, NOW), Err(VerifyError::Refused(Rcode(16))));
    assert_eq!(VerifyError::Refused(Rcode(16)).to_string(), "the server refuses the signature: BADSIG");
}

#[test]
fn a_changed_octet_anywhere_is_never_taken() {
    let (message, _) = signed(key("key.", b"secret"), NOW);
    for at in 0..message.len() {
        // The id may change on the way: the one that was signed is in the record (RFC 8945 §5.5).
        if at < 2 {
            continue;
        }
        let mut changed = message.clone();
        changed[at] ^= 0x01;
        assert!(verify(&changed).is_err(), "octet {at}");
    }
}

#[test]
fn the_id_may_change_on_the_way() {
    let (mut message, _) = signed(key("key.", b"secret"), NOW);
    message[0] ^= 0xFF;
    assert!(verify(&message).is_ok());
}

#[test]
fn a_name_is_compared_without_its_case() {
    let (mut message, _) = signed(key("key.", b"secret"), NOW);
    message[REQUEST.len() + 1] = b'K';
    assert!(verify(&message).is_ok());
}

#[test]
fn a_wrong_clock_is_badtime_and_signed_with_the_time_here() {
    for then in [NOW - HOUR, NOW + HOUR] {
        let (message, mut exchange) = signed(key("key.", b"secret"), then);
        let (error, mut response) = refused(verify(&message));
        assert_eq!((error, mac_len(&response)), (Rcode::BADTIME, 32));
        assert_eq!(&response[response.len() - 6..], &1_700_000_000u64.to_be_bytes()[2..]);
        // By the client's own clock, its time is right.
        assert_eq!(exchange.verify(&mut response, then), Err(VerifyError::Refused(Rcode::BADTIME)));
    }
}

#[test]
fn clocks_may_differ_by_the_fudge_and_no_more() {
    for (secs, taken) in [(0, true), (300, true), (301, false)] {
        let offset = Duration::from_secs(secs);
        for then in [NOW - offset, NOW + offset] {
            assert_eq!(verify(&signed(key("key.", b"secret"), then).0).is_ok(), taken, "{secs}");
        }
    }
}

#[test]
fn a_wrong_code_counts_before_a_wrong_clock() {
    let (message, _) = signed(key("key.", b"guess"), NOW - HOUR);
    assert_eq!(refused(verify(&message)).0, Rcode(16));
}

#[test]
fn a_code_shorter_than_half_is_malformed() {
    for len in [0, 8, 15] {
        assert!(matches!(verify(&cut(len)), Err(Rejection::Malformed)), "{len}");
    }
}

#[test]
fn a_shortened_code_is_badtrunc_where_whole_ones_are_asked_for() {
    let (error, response) = refused(verify(&cut(16)));
    assert_eq!((error, mac_len(&response)), (Rcode::BADTRUNC, 32));
}

#[test]
fn a_shortened_code_is_taken_where_it_may_be_short() {
    let mut keys = Keys::new();
    keys.add(key("key.", b"secret").truncated_to(20)).unwrap();
    assert!(keys.verify(&cut(20), REQUEST.len(), NOW).is_ok());
    assert!(keys.verify(&cut(19), REQUEST.len(), NOW).is_err());
    let mut wrong = cut(20);
    wrong[REQUEST.len() + 40] ^= 1;
    assert_eq!(refused(keys.verify(&wrong, REQUEST.len(), NOW)).0, Rcode(16));
}

#[test]
fn a_code_longer_than_its_algorithms_is_malformed() {
    let (mut message, _) = signed(key("key.", b"secret"), NOW);
    let mac_at = REQUEST.len() + 5 + 10 + 13 + 10;
    message.insert(mac_at, 0);
    message[mac_at - 1] += 1;
    message[REQUEST.len() + 5 + 9] += 1;
    assert!(matches!(verify(&message), Err(Rejection::Malformed)));
}

#[test]
fn a_record_that_is_none_is_malformed() {
    let (message, _) = signed(key("key.", b"secret"), NOW);
    for end in REQUEST.len()..message.len() {
        assert!(matches!(verify(&message[..end]), Err(Rejection::Malformed)), "{end}");
    }
    // Neither a class nor a TTL but its own.
    for at in [8, 12] {
        let mut changed = message.clone();
        changed[REQUEST.len() + at] = 1;
        assert!(matches!(verify(&changed), Err(Rejection::Malformed)), "{at}");
    }
}

#[test]
fn a_response_without_signature_is_not_taken() {
    let (_, mut exchange) = signed(key("key.", b"secret"), NOW);
    assert_eq!(exchange.verify(&mut REQUEST.to_vec(), NOW), Err(VerifyError::Unsigned));
}

#[test]
fn a_stream_must_end_with_a_signature() {
    let (message, mut exchange) = signed(key("key.", b"secret"), NOW);
    let mut session = verify(&message).unwrap();
    let mut first = REQUEST.to_vec();
    session.sign_vec(&mut first, NOW).unwrap();
    exchange.verify(&mut first, NOW).unwrap();
    exchange.verify(&mut REQUEST.to_vec(), NOW).unwrap();
    assert_eq!(exchange.finish(), Err(VerifyError::Unsigned));
}

#[test]
fn a_hundred_messages_without_a_signature_are_too_many() {
    let (message, mut exchange) = signed(key("key.", b"secret"), NOW);
    let mut first = REQUEST.to_vec();
    verify(&message).unwrap().sign_vec(&mut first, NOW).unwrap();
    exchange.verify(&mut first, NOW).unwrap();
    for _ in 0..99 {
        exchange.verify(&mut REQUEST.to_vec(), NOW).unwrap();
    }
    assert_eq!(exchange.verify(&mut REQUEST.to_vec(), NOW), Err(VerifyError::Unsigned));
}

#[test]
fn the_messages_of_a_stream_cannot_change_places() {
    let (message, mut exchange) = signed(key("key.", b"secret"), NOW);
    let mut session = verify(&message).unwrap();
    let mut messages = [REQUEST.to_vec(), REQUEST.to_vec(), REQUEST.to_vec()];
    for message in &mut messages {
        session.sign_vec(message, NOW).unwrap();
    }
    exchange.verify(&mut messages[0], NOW).unwrap();
    assert_eq!(exchange.verify(&mut messages[2], NOW), Err(VerifyError::BadSignature));
}

#[test]
fn a_response_to_another_request_is_not_taken() {
    let (message, _) = signed(key("key.", b"secret"), NOW);
    let (_, mut other) = signed(key("key.", b"secret"), NOW + Duration::from_secs(1));
    let mut response = REQUEST.to_vec();
    verify(&message).unwrap().sign_vec(&mut response, NOW).unwrap();
    assert_eq!(other.verify(&mut response, NOW), Err(VerifyError::BadSignature));
}

#[test]
fn a_response_that_is_too_old_is_not_taken() {
    let (message, mut exchange) = signed(key("key.", b"secret"), NOW);
    let mut response = REQUEST.to_vec();
    verify(&message).unwrap().sign_vec(&mut response, NOW).unwrap();
    assert_eq!(exchange.verify(&mut response, NOW + HOUR), Err(VerifyError::BadTime));
}

#[test]
fn a_message_without_room_is_not_signed() {
    let (message, _) = signed(key("key.", b"secret"), NOW);
    let mut session = verify(&message).unwrap();
    let mut out = [0; 100];
    out[..REQUEST.len()].copy_from_slice(REQUEST);
    let room = session.room();
    assert_eq!(session.sign(&mut out[..REQUEST.len() + room - 1], REQUEST.len(), NOW), None);
    let mut long = vec![0; 65_500];
    assert_eq!(session.sign_vec(&mut long, NOW), None);
}

#[test]
fn keys_are_checked_when_they_are_added() {
    assert_eq!(Key::new(&name("key."), Algorithm::HmacSha256, b"").err(), Some(KeyError::EmptySecret));
    let sha1 = Key::new(&name("old."), Algorithm::HmacSha1, b"secret").unwrap();
    assert_eq!(keys().add(sha1.clone()), Err(KeyError::Sha1));
    assert_eq!(keys().with_sha1().add(sha1), Ok(()));
    assert_eq!(keys().add(key("KEY.", b"secret")), Ok(()));
    assert_eq!(keys().add(key("key.", b"another")), Err(KeyError::Repeated));
    let not_base64 = Key::from_base64(&name("key."), Algorithm::HmacSha256, "!");
    assert_eq!(not_base64.err(), Some(KeyError::NotBase64));
}

#[test]
fn a_key_prints_without_its_secret() {
    assert_eq!(format!("{:?}", key("key.", b"secret")), "key. hmac-sha256");
}
