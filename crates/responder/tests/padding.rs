//! Responses whose length tells nothing (RFC 7830, RFC 8467).

mod common;

use cartonym_plugin::Transport;
use cartonym_wire::{Edns, Message, OptionCode};
use common::{ask, query};

const PADDING: (OptionCode, &[u8]) = (OptionCode::PADDING, &[0; 9]);

fn padding(response: &[u8]) -> Option<Vec<u8>> {
    let records = Message::new(response).unwrap().records().map(Result::unwrap);
    let edns = records.filter_map(|record| Edns::of(&record)).last()?;
    edns.options.find(OptionCode::PADDING).map(<[u8]>::to_vec)
}

fn answer(message: &[u8], transport: Transport) -> Vec<u8> {
    let responder = common::responder(|builder| builder);
    let mut responses = ask(&responder, message, transport);
    assert_eq!(responses.len(), 1);
    responses.remove(0)
}

#[test]
fn a_padded_query_under_encryption_has_a_padded_response() {
    for name in ["www.example.", "later.example.", "a-name-of-another-length.example."] {
        for transport in [Transport::Tls, Transport::Https] {
            let response = answer(&query(name, &[PADDING]), transport);
            assert_eq!(response.len() % 468, 0, "{name}");
            assert!(padding(&response).unwrap().iter().all(|octet| *octet == 0));
        }
    }
}

#[test]
fn padding_comes_behind_the_cookie() {
    let response =
        answer(&query("www.example.", &[(OptionCode::COOKIE, b"ABCDEFGH"), PADDING]), Transport::Tls);
    assert_eq!(response.len() % 468, 0);
    assert!(padding(&response).is_some());
}

#[test]
fn nothing_else_is_padded() {
    let padded = query("www.example.", &[PADDING]);
    for transport in [Transport::Udp, Transport::Tcp] {
        assert_eq!(padding(&answer(&padded, transport)), None);
    }
    let plain = query("www.example.", &[(OptionCode::NSID, b"")]);
    assert_eq!(padding(&answer(&plain, Transport::Tls)), None);
}

#[test]
fn a_response_as_long_as_any_stays_within_the_limit() {
    let response = answer(&query("long.example.", &[PADDING]), Transport::Tls);
    assert!(response.len() <= 65_535);
    assert!(Message::new(&response).unwrap().records().all(|record| record.is_ok()));
}
