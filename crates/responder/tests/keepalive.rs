//! How long a connection may be idle, for who asks (RFC 7828).

mod common;

use std::time::Duration;

use cartonym_plugin::Transport;
use cartonym_wire::{Edns, Message, OptionCode};
use common::{ask, query};

const ASKED: (OptionCode, &[u8]) = (OptionCode::TCP_KEEPALIVE, b"");

/// What a responder whose connections may be idle for so long tells, over each transport.
fn told(name: &str, options: &[(OptionCode, &[u8])], idle: Option<Duration>) -> Vec<Option<Vec<u8>>> {
    let responder =
        common::responder(|builder| idle.into_iter().fold(builder, |builder, idle| builder.idle(idle)));
    let transports = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Https];
    let told = transports.map(|transport| {
        let responses = ask(&responder, &query(name, options), transport);
        let records = Message::new(&responses[0]).unwrap().records().map(Result::unwrap);
        let edns = records.filter_map(|record| Edns::of(&record)).last().unwrap();
        edns.options.find(OptionCode::TCP_KEEPALIVE).map(<[u8]>::to_vec)
    });
    told.to_vec()
}

#[test]
fn who_asks_over_a_connection_is_told_in_tenths_of_a_second() {
    for name in ["www.example.", "later.example."] {
        let ten_seconds = Some(vec![0, 100]);
        let expected = vec![None, ten_seconds.clone(), ten_seconds, None];
        assert_eq!(told(name, &[ASKED], Some(Duration::from_secs(10))), expected, "{name}");
    }
    assert_eq!(told("www.example.", &[ASKED], Some(Duration::from_secs(1_000_000)))[1], Some(vec![255, 255]));
}

#[test]
fn nobody_else_is_told() {
    assert_eq!(
        told("www.example.", &[(OptionCode::NSID, b"")], Some(Duration::from_secs(10))),
        vec![None; 4]
    );
    assert_eq!(told("www.example.", &[ASKED], None), vec![None; 4]);
}
