//! Cookies in queries and responses (RFC 7873, RFC 9018).

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cartonym_plugin::Transport;
use cartonym_responder::{Cookies, Require, Responder};
use cartonym_wire::{Edns, Message, OptionCode, Rcode};
use common::{add_opt, answer, ask, query, rcode, text};

fn with(cookies: Cookies) -> Arc<Responder> {
    common::responder(|builder| builder.cookies(cookies))
}

fn responder() -> Arc<Responder> {
    with(Cookies::new([7; 16]))
}

fn cookie_query(data: &[u8]) -> Vec<u8> {
    query("www.example.", &[(OptionCode::COOKIE, data)])
}

fn cookie(response: &[u8]) -> Option<Vec<u8>> {
    let records = Message::new(response).unwrap().records().map(Result::unwrap);
    let edns = records.filter_map(|record| Edns::of(&record)).last()?;
    edns.options.find(OptionCode::COOKIE).map(<[u8]>::to_vec)
}

#[test]
fn a_client_is_given_a_cookie_and_then_known_by_it() {
    let responder = responder();
    let first = answer(&responder, &cookie_query(b"ABCDEFGH"));
    assert_eq!((rcode(&first), text(&first)), (Rcode::NOERROR, "none false".to_owned()));
    let cookie = cookie(&first).unwrap();
    assert!(cookie.len() == 24 && cookie.starts_with(b"ABCDEFGH"));
    let second = answer(&responder, &cookie_query(&cookie));
    assert_eq!(text(&second), "none true");
    assert_eq!(self::cookie(&second).unwrap(), cookie);
}

#[test]
fn a_forged_cookie_is_replaced() {
    let response = answer(&responder(), &cookie_query(b"ABCDEFGH\x01\0\0\0\0\0\0\0XXXXXXXX"));
    assert_eq!((rcode(&response), text(&response)), (Rcode::NOERROR, "none false".to_owned()));
    assert!(!cookie(&response).unwrap().ends_with(b"X"));
}

#[test]
fn a_client_without_a_cookie_is_given_none() {
    assert_eq!(cookie(&answer(&responder(), &query("www.example.", &[]))), None);
    assert_eq!(cookie(&answer(&responder(), &query("www.example.", &[(OptionCode::NSID, b"")]))), None);
}

#[test]
fn a_cookie_of_a_wrong_length_is_malformed() {
    for len in [0, 1, 7, 9, 15, 41] {
        let response = answer(&responder(), &cookie_query(&vec![b'A'; len]));
        assert_eq!((rcode(&response), cookie(&response)), (Rcode::FORMERR, None), "{len}");
    }
}

#[test]
fn a_query_for_a_cookie_alone_is_answered() {
    let mut message = vec![0, 77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    add_opt(&mut message, &[(OptionCode::COOKIE, b"ABCDEFGH")]);
    let response = answer(&responder(), &message);
    assert_eq!((rcode(&response), response[1]), (Rcode::NOERROR, 77));
    assert_eq!(cookie(&response).unwrap().len(), 24);
    assert_eq!(Message::new(&response).unwrap().header().counts, [0, 0, 0, 1]);

    let mut malformed = vec![0, 77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    add_opt(&mut malformed, &[(OptionCode::COOKIE, b"ABC")]);
    assert_eq!(rcode(&answer(&responder(), &malformed)), Rcode::FORMERR);
    let mut without = vec![0, 77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    add_opt(&mut without, &[]);
    assert_eq!(rcode(&answer(&responder(), &without)), Rcode::FORMERR);
}

#[test]
fn a_full_response_still_has_its_cookie() {
    let response = answer(&responder(), &query("long.example.", &[(OptionCode::COOKIE, b"ABCDEFGH")]));
    assert!(response.len() <= 1232);
    assert_eq!(cookie(&response).unwrap().len(), 24);
}

#[test]
fn a_response_that_waited_has_its_cookie() {
    let responder = responder();
    let first = answer(&responder, &query("later.example.", &[(OptionCode::COOKIE, b"ABCDEFGH")]));
    let cookie = cookie(&first).unwrap();
    let second = answer(&responder, &query("later.example.", &[(OptionCode::COOKIE, &cookie)]));
    assert_eq!(text(&second), "none true");
}

#[test]
fn a_cookie_is_required_under_load_and_over_udp_only() {
    let loaded = Arc::new(AtomicBool::new(true));
    let responder = with(Cookies::new([7; 16]).require(Require::While(Arc::clone(&loaded))));
    let refused = answer(&responder, &cookie_query(b"ABCDEFGH"));
    assert_eq!((rcode(&refused), text(&refused)), (Rcode::BADCOOKIE, String::new()));
    let cookie = cookie(&refused).unwrap();
    assert_eq!(rcode(&answer(&responder, &cookie_query(&cookie))), Rcode::NOERROR);
    let over_tcp = ask(&responder, &cookie_query(b"ABCDEFGH"), Transport::Tcp);
    assert_eq!(rcode(&over_tcp[0]), Rcode::NOERROR);
    // Who knows nothing of cookies cannot bring one.
    assert_eq!(rcode(&answer(&responder, &query("www.example.", &[]))), Rcode::NOERROR);
    loaded.store(false, Ordering::Relaxed);
    assert_eq!(rcode(&answer(&responder, &cookie_query(b"ABCDEFGH"))), Rcode::NOERROR);
}

#[test]
fn a_responder_without_cookies_ignores_them() {
    let responder = common::responder(|builder| builder.without_cookies());
    for data in [&b"ABCDEFGH"[..], b"A"] {
        let response = answer(&responder, &cookie_query(data));
        assert_eq!((rcode(&response), cookie(&response)), (Rcode::NOERROR, None));
    }
}

#[test]
fn a_cookie_of_the_secret_before_is_still_taken() {
    let old = answer(&responder(), &cookie_query(b"ABCDEFGH"));
    let rolled = with(Cookies::new([8; 16]).also_of([7; 16]));
    assert_eq!(text(&answer(&rolled, &cookie_query(&cookie(&old).unwrap()))), "none true");
}
