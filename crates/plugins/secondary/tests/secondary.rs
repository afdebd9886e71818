//! A zone that is fetched, kept up to date, and given up.

mod common;

use std::time::Duration;

use cartonym_plugin::{Plugin, Settings, Shared};
use cartonym_plugin_secondary::{Primaries, Secondary};
use cartonym_testing::configure_in;
use cartonym_wire::Rcode;
use common::{Primary, Say, World, key, soa, soa_with, step, whole};
use tokio::time::Instant;

const A1: &str = "NOERROR aa\nanswer www.example. 60 A 192.0.2.1";
const A2: &str = "NOERROR aa\nanswer www.example. 60 A 192.0.2.2";

fn records(text: impl Into<String>) -> Say {
    Say::Records(text.into())
}

#[tokio::test]
async fn a_zone_is_servfail_until_it_is_there() {
    let primary = Primary::new([Say::Hang, Say::Rcode(Rcode::REFUSED), records(whole(7, "192.0.2.1"))]).await;
    let world = World::new([primary.address]);
    assert_eq!(world.ask("www.example. A").rcode(), Rcode::SERVFAIL);
    assert!(!world.secondary.ready());
    world.wait_for(A1).await;
    assert!(world.secondary.ready());
    assert_eq!(primary.asked(), ["AXFR", "AXFR", "AXFR"]);
    assert_eq!(world.ask("example. SOA").answers()[0], soa(7).trim());
}

#[tokio::test]
async fn a_zone_of_many_messages_is_fetched() {
    let text = format!("{0}--www.example. 60 A 192.0.2.1\n--a.example. 60 A 192.0.2.9\n--{0}", soa(7));
    let primary = Primary::new([records(text)]).await;
    let world = World::new([primary.address]);
    world.wait_for(A1).await;
    assert_eq!(world.ask("a.example. A").answers().len(), 1);
}

#[tokio::test]
async fn a_notify_brings_what_has_changed() {
    let primary = Primary::new([records(whole(7, "192.0.2.1"))]).await;
    let world = World::new([primary.address]);
    world.wait_for(A1).await;
    primary.say([records(step(7, "192.0.2.1", 8, "192.0.2.2"))]);
    assert_eq!(world.notify("example.", 8, "127.0.0.1"), Rcode::NOERROR);
    world.wait_for(A2).await;
    assert_eq!(primary.asked(), ["AXFR", "IXFR 7"]);
    assert_eq!(world.ask("example. SOA").answers()[0], soa(8).trim());
}

#[tokio::test]
async fn many_steps_are_taken_one_after_the_other() {
    let primary = Primary::new([records(whole(7, "192.0.2.1"))]).await;
    let world = World::new([primary.address]);
    world.wait_for(A1).await;
    let [s7, s8, s9] = [7, 8, 9].map(soa);
    let (a1, a2, a3) =
        ("www.example. 60 A 192.0.2.1\n", "www.example. 60 A 192.0.2.2\n", "www.example. 60 A 192.0.2.3\n");
    primary.say([records(format!("{s9}{s7}{a1}--{s8}{a3}--{s8}{a3}{s9}{a2}--{s9}"))]);
    world.notify("example.", 9, "127.0.0.1");
    world.wait_for(A2).await;
    assert_eq!(world.ask("example. SOA").answers()[0], s9.trim());
}

#[tokio::test]
async fn a_primary_that_knows_no_differences_is_asked_for_the_whole_zone() {
    let primary = Primary::new([records(whole(7, "192.0.2.1"))]).await;
    let world = World::new([primary.address]);
    world.wait_for(A1).await;
    primary.say([Say::Rcode(Rcode::NOTIMP), records(soa(8)), records(whole(8, "192.0.2.2"))]);
    world.notify("example.", 8, "127.0.0.1");
    world.wait_for(A2).await;
    assert_eq!(primary.asked(), ["AXFR", "IXFR 7", "SOA", "AXFR"]);
}

#[tokio::test]
async fn differences_to_another_version_lead_to_the_whole_zone() {
    let primary = Primary::new([records(whole(7, "192.0.2.1"))]).await;
    let world = World::new([primary.address]);
    world.wait_for(A1).await;
    let wrong = step(7, "192.0.2.99", 8, "192.0.2.98");
    primary.say([records(wrong), records(soa(8)), records(whole(8, "192.0.2.2"))]);
    world.notify("example.", 8, "127.0.0.1");
    world.wait_for(A2).await;
}

#[tokio::test]
async fn a_primary_may_answer_with_the_whole_zone_at_once() {
    let primary = Primary::new([records(whole(7, "192.0.2.1"))]).await;
    let world = World::new([primary.address]);
    world.wait_for(A1).await;
    primary.say([records(whole(9, "192.0.2.2"))]);
    world.notify("example.", 9, "127.0.0.1");
    world.wait_for(A2).await;
    assert_eq!(primary.asked(), ["AXFR", "IXFR 7"]);
}

#[tokio::test]
async fn a_notify_of_nothing_new_or_from_a_stranger_asks_nobody() {
    let primary = Primary::new([records(whole(7, "192.0.2.1"))]).await;
    let world = World::new([primary.address]);
    world.wait_for(A1).await;
    for serial in [6, 7] {
        assert_eq!(world.notify("example.", serial, "127.0.0.1"), Rcode::NOERROR);
    }
    assert_eq!(world.notify("example.", 8, "192.0.2.53"), Rcode::REFUSED);
    assert_eq!(world.notify("elsewhere.", 8, "127.0.0.1"), Rcode::NOTAUTH);
    assert_eq!(world.notify("www.example.", 8, "127.0.0.1"), Rcode::NOTAUTH);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(primary.asked(), ["AXFR"]);
}

#[tokio::test]
async fn a_flood_of_notify_asks_now_and_then() {
    let primary = Primary::new([records(whole(7, "192.0.2.1"))]).await;
    let world = World::new([primary.address]);
    world.wait_for(A1).await;
    primary.say([records(soa(7))]);
    let begin = Instant::now();
    for _ in 0..1000 {
        world.notify("example.", 8, "127.0.0.1");
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    let asked = primary.asked();
    // Every 200 ms; and the transfer before, one at once, and one that is due.
    let most = begin.elapsed().as_millis() as usize / 200 + 3;
    assert!((2..=most).contains(&asked.len()), "{most} were due: {asked:?}");
}

#[tokio::test]
async fn a_zone_that_nobody_confirms_is_given_up_and_comes_back() {
    let timers = [1, 1, 3];
    let soa = |serial| soa_with(serial, timers);
    let zone = format!("{0}www.example. 60 A 192.0.2.1\n{0}", soa(7));
    let primary = Primary::new([records(zone), records(soa(7)), records(soa(7)), Say::Hang]).await;
    let world = World::new([primary.address]);
    world.wait_for(A1).await;
    world.wait_for("SERVFAIL").await;
    // It was asked when its SOA says so, before it was given up.
    assert!(primary.asked().len() >= 4, "{:?}", primary.asked());
    primary.say([records(soa(7))]);
    world.wait_for(A1).await;
}

#[tokio::test]
async fn another_primary_is_asked_when_the_first_is_away() {
    let away = Primary::new([Say::Hang]).await;
    let primary = Primary::new([records(whole(7, "192.0.2.1"))]).await;
    let world = World::new([away.address, primary.address]);
    world.wait_for(A1).await;
    assert_eq!(away.asked(), ["AXFR"]);
}

#[tokio::test]
async fn a_zone_is_fetched_with_a_key() {
    let text = format!("{0}--www.example. 60 A 192.0.2.1\n--{0}", soa(7));
    let primary = Primary::new([Say::Signed(text, b"secret")]).await;
    let world = World::of(Primaries::new([primary.address]).with_key(key(b"secret")));
    world.wait_for(A1).await;
}

#[tokio::test]
async fn what_is_not_signed_with_the_key_is_not_taken() {
    let zone = whole(7, "192.0.2.1");
    let primary = Primary::new([records(&*zone), Say::Signed(zone, b"guess")]).await;
    let world = World::of(Primaries::new([primary.address]).with_key(key(b"secret")));
    while primary.asked().len() < 3 {
        assert_eq!(world.ask("www.example. A").rcode(), Rcode::SERVFAIL);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_transfer_that_is_cut_is_never_seen() {
    let half = format!("{}www.example. 60 A 192.0.2.2\n", soa(8));
    let primary = Primary::new([records(whole(7, "192.0.2.1"))]).await;
    let world = World::new([primary.address]);
    world.wait_for(A1).await;
    primary.say([records(&*half)]);
    world.notify("example.", 8, "127.0.0.1");
    while primary.asked().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    world.wait_for(A1).await;
    assert_eq!(world.ask("example. SOA").answers()[0], soa(7).trim());
}

fn configured(directives: &str) -> Result<usize, String> {
    let (mut settings, shared) = (Settings::default(), Shared::default());
    let keyring = shared.get::<cartonym_responder::tsig::Keyring>();
    keyring.add(cartonym_responder::tsig::Key::clone(&key(b"secret"))).unwrap();
    Ok(configure_in::<Secondary>("example.", directives, &mut settings, &shared)?.plugins().len())
}

#[test]
fn directives_are_read() {
    let good = [
        "secondary {\ntransfer from 192.0.2.1 192.0.2.2:5353 2001:db8::1\nkey xfr.\n}",
        "secondary a.example. b.example. {\ntransfer from 192.0.2.1\nfallthrough\n}",
    ];
    for directives in good {
        assert_eq!(configured(directives), Ok(1), "{directives}");
    }
    let bad = [
        ("secondary", "Corefile:2:1: from where? `transfer from` is missing"),
        ("secondary {\ntransfer to 192.0.2.1\n}", "Corefile:3:1: `transfer from` is meant"),
        ("secondary {\ntransfer from here\n}", "Corefile:3:15"),
        ("secondary {\ntransfer from 192.0.2.1\nkey none.\n}", "Corefile:4:5: no key that `tsig` has"),
        ("secondary {\nfrom 192.0.2.1\n}", "Corefile:3:1"),
    ];
    for (directives, message) in bad {
        let error = configured(directives).unwrap_err();
        assert!(error.starts_with(message), "{error}");
    }
}
