//! Who is told of a zone, and what.

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use cartonym_plugin::Transport;
use cartonym_plugin_transfer::{Transfer, Who};
use cartonym_responder::Responder;
use cartonym_wire::{Flags, Message, Name, Rcode};
use common::{
    ALLOWED, NOW, STRANGER, World, answers, ask, axfr, flags, ixfr, key_of, name, rcode, responder, soa,
};

/// Glue, and records below a cut, are part of the zone (RFC 5936 §3).
const RECORDS: &str = "example. 60 NS ns.example.
    ns.example. 60 A 192.0.2.1
    www.example. 60 A 192.0.2.2
    www.example. 60 A 192.0.2.3
    sub.example. 60 NS ns.sub.example.
    ns.sub.example. 60 A 192.0.2.4
    hidden.sub.example. 60 A 192.0.2.5
    *.example. 60 TXT wild";

fn allowed() -> Who {
    Who::nobody().or_address(ALLOWED.parse().unwrap()).or_key(&name("xfr."))
}

fn telling(world: &World) -> Arc<Responder> {
    responder(Arc::new(Transfer::new(Arc::clone(&world.tables)).zone(&name("example."), allowed())))
}

fn current(serial: u32) -> String {
    soa(&name("example."), serial)
}

async fn over_tcp(responder: &Responder, message: &[u8]) -> Vec<String> {
    answers(&ask(responder, message, ALLOWED, Transport::Tcp).await)
}

#[tokio::test]
async fn a_whole_zone_is_told_between_two_soas() {
    let world = World::new(7, RECORDS);
    let messages = ask(&telling(&world), &axfr("Example."), ALLOWED, Transport::Tcp).await;
    let header = Message::new(&messages[0]).unwrap().header();
    assert_eq!((header.id, header.flags), (0x1234, Flags::QR.with(Flags::AA, true)));
    assert_eq!(&messages[0][12..21], b"\x07Example\0");
    let lines = answers(&messages);
    let [first, records @ .., last] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((first.replace("E", "e"), last.replace("E", "e")), (current(7), current(7)));
    assert_eq!(records.len(), 8);
    assert_eq!(records.iter().map(|line| line.replace('E', "e")).collect::<BTreeSet<_>>(), world.told());
}

#[tokio::test]
async fn a_large_zone_is_told_in_many_messages_and_each_record_once() {
    let mut records = String::new();
    for number in 0..5000 {
        records += &format!("host-{number}.example. 60 A 192.0.2.{}\n", number % 250);
    }
    let world = World::new(7, &records);
    let messages = ask(&telling(&world), &axfr("example."), ALLOWED, Transport::Tcp).await;
    assert!((6..30).contains(&messages.len()), "{}", messages.len());
    for (at, message) in messages.iter().enumerate() {
        let header = Message::new(message).unwrap().header();
        assert!(message.len() <= 16 * 1024 && header.id == 0x1234 && header.flags.has(Flags::AA));
        assert_eq!(header.counts[0], u16::from(at == 0));
    }
    let lines = answers(&messages);
    assert_eq!(lines.len(), 5002);
    assert_eq!(lines.into_iter().filter(|line| !line.contains("SOA")).collect::<BTreeSet<_>>(), world.told());
}

#[tokio::test]
async fn a_record_larger_than_a_message_ought_to_be_has_one_of_its_own() {
    let text = "x".repeat(250);
    let words = vec![&*text; 120].join(" ");
    let world = World::new(7, &format!("www.example. 60 A 192.0.2.1\nlarge.example. 60 TXT {words}"));
    let messages = ask(&telling(&world), &axfr("example."), ALLOWED, Transport::Tcp).await;
    assert_eq!(answers(&messages).len(), 4);
    assert!(messages.iter().any(|message| message.len() > 30_000));
}

#[tokio::test]
async fn who_is_not_named_is_refused() {
    let telling = telling(&World::new(7, RECORDS));
    for message in [axfr("example."), ixfr("example.", 1), ixfr("example.", 7)] {
        for transport in [Transport::Tcp, Transport::Tls, Transport::Udp, Transport::Https] {
            let messages = ask(&telling, &message, STRANGER, transport).await;
            assert_eq!((messages.len(), rcode(&messages[0])), (1, Rcode::REFUSED));
            assert!(answers(&messages).is_empty());
        }
    }
}

#[tokio::test]
async fn a_key_that_is_named_is_enough_and_every_message_is_signed() {
    let telling = telling(&World::new(7, RECORDS));
    let mut message = axfr("example.");
    let mut exchange = key_of("xfr.").sign(&mut message, NOW).unwrap();
    let mut messages = ask(&telling, &message, STRANGER, Transport::Tcp).await;
    for message in &mut messages {
        exchange.verify(message, NOW).unwrap();
    }
    exchange.finish().unwrap();
    assert_eq!(answers(&messages).len(), 10);
}

#[tokio::test]
async fn a_key_that_is_not_named_is_refused_and_a_wrong_signature_from_an_allowed_address_too() {
    let telling = telling(&World::new(7, RECORDS));
    let mut other = axfr("example.");
    key_of("other.").sign(&mut other, NOW).unwrap();
    assert_eq!(rcode(&ask(&telling, &other, STRANGER, Transport::Tcp).await[0]), Rcode::REFUSED);
    let mut forged = axfr("example.");
    key_of("xfr.").sign(&mut forged, NOW).unwrap();
    let last = forged.len() - 10;
    forged[last] ^= 1;
    assert_eq!(rcode(&ask(&telling, &forged, ALLOWED, Transport::Tcp).await[0]), Rcode::NOTAUTH);
}

#[tokio::test]
async fn a_zone_is_not_told_in_datagrams_or_over_http() {
    let telling = telling(&World::new(7, RECORDS));
    for transport in [Transport::Udp, Transport::Https] {
        let messages = ask(&telling, &axfr("example."), ALLOWED, transport).await;
        assert_eq!((rcode(&messages[0]), answers(&messages).len()), (Rcode::REFUSED, 0));
    }
}

#[tokio::test]
async fn only_the_top_of_a_zone_names_it() {
    let telling = telling(&World::new(7, RECORDS));
    for origin in ["www.example.", "sub.example.", "elsewhere."] {
        let messages = ask(&telling, &axfr(origin), ALLOWED, Transport::Tcp).await;
        assert_eq!((rcode(&messages[0]), answers(&messages).len()), (Rcode::REFUSED, 0), "{origin}");
    }
}

#[tokio::test]
async fn the_longest_name_decides_whatever_the_order() {
    let world = World::new(7, RECORDS);
    world.publish("closed.example.", 7, "www.closed.example. 60 A 192.0.2.9");
    for order in [[".", "closed.example."], ["closed.example.", "."]] {
        let transfer = order.iter().fold(Transfer::new(Arc::clone(&world.tables)), |transfer, zone| {
            let who = if *zone == "." { Who::nobody().or_everybody() } else { Who::nobody() };
            transfer.zone(&name(zone), who)
        });
        let telling = responder(Arc::new(transfer));
        let open = ask(&telling, &axfr("example."), STRANGER, Transport::Tcp).await;
        assert_eq!(answers(&open).len(), 10);
        let closed = ask(&telling, &axfr("closed.example."), STRANGER, Transport::Tcp).await;
        assert_eq!((rcode(&closed[0]), answers(&closed).len()), (Rcode::REFUSED, 0));
    }
}

#[tokio::test]
async fn who_has_the_version_of_now_is_told_the_soa_alone() {
    let telling = telling(&World::new(7, RECORDS));
    for serial in [7, 8] {
        assert_eq!(over_tcp(&telling, &ixfr("example.", serial)).await, [current(7)]);
    }
}

#[tokio::test]
async fn who_has_an_unknown_version_is_told_the_whole_zone() {
    let telling = telling(&World::new(7, RECORDS));
    let lines = over_tcp(&telling, &ixfr("example.", 1)).await;
    assert_eq!((lines.len(), &lines[0], &lines[9]), (10, &current(7), &current(7)));
    assert!(!lines[1].contains("SOA"));
}

#[tokio::test]
async fn who_has_a_known_version_is_told_what_has_changed() {
    let world = World::new(7, RECORDS);
    let telling = telling(&world);
    // The journal begins when the zone is first asked for.
    over_tcp(&telling, &ixfr("example.", 1)).await;
    world.publish("example.", 8, &RECORDS.replace("192.0.2.2", "192.0.2.22"));
    assert_eq!(
        over_tcp(&telling, &ixfr("example.", 7)).await,
        [
            &*current(8),
            &current(7),
            "www.example. 60 A 192.0.2.2",
            &current(8),
            "www.example. 60 A 192.0.2.22",
            &current(8),
        ]
    );
}

#[tokio::test]
async fn an_ixfr_over_udp_is_told_the_soa_alone() {
    let telling = telling(&World::new(7, RECORDS));
    for serial in [1, 7] {
        let messages = ask(&telling, &ixfr("example.", serial), ALLOWED, Transport::Udp).await;
        assert_eq!(answers(&messages), [current(7)]);
        assert!(flags(&messages[0]).has(Flags::AA));
    }
}

#[tokio::test]
async fn an_ixfr_without_a_version_is_malformed() {
    let telling = telling(&World::new(7, RECORDS));
    let message = common::query("example.", cartonym_wire::Type::IXFR);
    assert_eq!(rcode(&ask(&telling, &message, ALLOWED, Transport::Tcp).await[0]), Rcode::FORMERR);
}

#[tokio::test]
async fn other_queries_are_not_its_business() {
    let world = World::new(7, RECORDS);
    let transfer = Transfer::new(Arc::clone(&world.tables)).zone(Name::ROOT, allowed());
    let query = common::query("example.", cartonym_wire::Type::SOA);
    let messages = ask(&responder(Arc::new(transfer)), &query, STRANGER, Transport::Tcp).await;
    // Nobody is behind it here.
    assert_eq!((rcode(&messages[0]), answers(&messages).len()), (Rcode::REFUSED, 0));
}

/// A difference that is applied to the version before gives the version after, whatever happens between.
#[tokio::test]
async fn a_secondary_that_follows_by_ixfr_has_the_same_zone() {
    let world = World::new(1, "");
    let telling = telling(&world);
    over_tcp(&telling, &ixfr("example.", 0)).await;
    let (mut serial, mut copy) = (1, BTreeSet::new());
    // Which hosts are there is a small pseudo-random walk.
    let mut state = 12345u32;
    let mut hosts = BTreeSet::new();
    for version in 2..200 {
        for _ in 0..3 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let host = state >> 24;
            if !hosts.remove(&host) {
                hosts.insert(host);
            }
        }
        let line = |host: &u32| format!("h{}.example. 60 A 192.0.2.{host}\n", host % 50);
        world.publish("example.", version, &hosts.iter().map(line).collect::<String>());
        // Now and then some versions are missed.
        if version % 7 < 4 {
            follow(&over_tcp(&telling, &ixfr("example.", serial)).await, &mut copy);
            assert_eq!(copy, world.told(), "version {version}");
            serial = version;
        }
    }
}

/// Applies one step to a copy of the zone.
fn follow(lines: &[String], copy: &mut BTreeSet<String>) {
    let is_soa = |line: &String| line.contains(" SOA ");
    let places: Vec<usize> = (0..lines.len()).filter(|at| is_soa(&lines[*at])).collect();
    let [0, 1, middle, last] = places[..] else { panic!("{lines:?}") };
    assert_eq!(last, lines.len() - 1);
    for line in &lines[2..middle] {
        assert!(copy.remove(line), "{line}");
    }
    for line in &lines[middle + 1..last] {
        assert!(copy.insert(line.clone()), "{line}");
    }
}
