//! Zones that are changed over the wire, and what is left of it whatever happens.

mod common;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use cartonym_wire::{Class, Rcode};
use common::{World, message};

const WWW: &str = "www.example. A";

fn add(host: u8) -> String {
    format!("add www.example. 60 A 192.0.2.{host}")
}

fn www(hosts: &[u8]) -> Vec<String> {
    hosts.iter().map(|host| format!("www.example. 60 A 192.0.2.{host}")).collect()
}

/// A world with updates that added hosts 1 to 3, one each, and where each ends in the journal.
async fn three() -> (World, Vec<usize>) {
    let world = World::new();
    let server = world.start().unwrap();
    let mut ends = Vec::new();
    for host in 1..=3 {
        assert_eq!(server.update(&add(host)).await, Rcode::NOERROR);
        ends.push(fs::read(world.journal()).unwrap().len());
    }
    (world, ends)
}

#[tokio::test]
async fn an_update_is_served_and_survives() {
    let world = World::new();
    let server = world.start().unwrap();
    assert_eq!(server.serial(), 7);
    assert_eq!(server.update(&add(1)).await, Rcode::NOERROR);
    assert_eq!(
        server.update(&format!("{}\ndelete www.example. 0 A 192.0.2.1", add(2))).await,
        Rcode::NOERROR
    );
    for server in [server, world.start().unwrap()] {
        assert_eq!((server.ask(WWW), server.serial()), (www(&[2]), 9));
    }
}

#[tokio::test]
async fn what_changes_nothing_is_not_written() {
    let world = World::new();
    let server = world.start().unwrap();
    assert_eq!(server.update("delete www.example. 0 A 192.0.2.1").await, Rcode::NOERROR);
    assert_eq!(server.update("add www.example.test. 0 A 192.0.2.1").await, Rcode::NOTZONE);
    assert!(!world.journal().exists());
    assert_eq!(server.serial(), 7);
}

#[tokio::test]
async fn who_may_is_told_by_the_key() {
    let world = World::new();
    let server = world.start().unwrap();
    let update = message("example. SOA", &add(1));
    for signer in [None, Some("other.")] {
        assert_eq!(server.send(update.clone(), signer).await, Rcode::REFUSED);
    }
    let others = [
        ("example. A", Rcode::FORMERR),
        ("www.example. SOA", Rcode::NOTAUTH),
        ("example.test. SOA", Rcode::NOTAUTH),
    ];
    for (zone, rcode) in others {
        assert_eq!(server.send(message(zone, &add(1)), Some("key.")).await, rcode, "{zone}");
    }
    let mut chaos = update.clone();
    chaos[24] = Class::CH.0 as u8;
    assert_eq!(server.send(chaos, Some("key.")).await, Rcode::NOTAUTH);
    assert_eq!(server.ask(WWW), www(&[]));
    let without = world.start_with("reload 0").unwrap();
    assert_eq!(without.send(update, Some("key.")).await, Rcode::NOTIMP);
}

#[tokio::test]
async fn a_journal_cut_anywhere_has_the_updates_that_are_whole() {
    let (world, ends) = three().await;
    let octets = fs::read(world.journal()).unwrap();
    let header = ends[0] - (ends[1] - ends[0]);
    for end in header..octets.len() {
        // Cut, and lengthened without ever having been filled.
        for zeros in [0, 5, 300] {
            fs::write(world.journal(), [&octets[..end], &vec![0; zeros]].concat()).unwrap();
            let whole = ends.iter().filter(|at| **at <= end).count();
            let may_be_damage = zeros > 0 && !ends.contains(&end) && end != header;
            match world.start() {
                Ok(server) => assert_eq!(server.ask(WWW), www(&[1, 2, 3][..whole]), "{end}"),
                Err(error) => assert!(may_be_damage && error.contains("octet"), "{end}: {error}"),
            }
        }
    }
}

#[tokio::test]
async fn what_a_crash_left_goes_with_the_next_update() {
    let (world, ends) = three().await;
    let octets = fs::read(world.journal()).unwrap();
    fs::write(world.journal(), &octets[..ends[2] - 5]).unwrap();
    assert_eq!(world.start().unwrap().update(&add(4)).await, Rcode::NOERROR);
    assert_eq!(world.start().unwrap().ask(WWW), www(&[1, 2, 4]));
}

#[tokio::test]
async fn a_flipped_bit_is_refused_with_its_place_and_never_served() {
    let (world, ends) = three().await;
    let octets = fs::read(world.journal()).unwrap();
    for at in 0..octets.len() {
        let mut flipped = octets.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(world.journal(), flipped).unwrap();
        match world.start() {
            // The last update's data cannot be told from what a crash leaves.
            Ok(server) => assert!(at >= ends[1] && server.ask(WWW) == www(&[1, 2]), "{at}"),
            Err(error) => {
                assert!(error.contains("db.example.journal: octet "), "{at}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn the_serial_says_whether_master_file_or_updates_count() {
    let (world, _) = three().await;
    // The same serial, and other records: one of them is wrong.
    world.master(7, "a A 192.0.2.9");
    let error = world.start().err().unwrap();
    assert!(error.contains("up to serial 10") && error.contains("serial 7"), "{error}");
    for serial in [6, 8, 10] {
        world.master(serial, "");
        let error = world.start().err().unwrap();
        assert!(error.contains("past 10"), "{error}");
    }
    // Comments are no records.
    world.master(7, "; nothing new");
    assert_eq!(world.start().unwrap().serial(), 10);
    world.master(11, "a A 192.0.2.9");
    let server = world.start().unwrap();
    assert_eq!((server.serial(), server.ask(WWW)), (11, www(&[])));
    assert!(world.journal().exists(), "nothing is put aside before there is something new");
    assert_eq!(server.update(&add(4)).await, Rcode::NOERROR);
    assert!(world.folder.path().join("db.example.journal.10").exists());
    assert_eq!(world.start().unwrap().ask(WWW), www(&[4]));
}

#[tokio::test]
async fn a_master_file_that_changes_meanwhile_follows_the_same_rule() {
    let (world, _) = three().await;
    let server = world.start().unwrap();
    let background = tokio::spawn(Arc::clone(&server.plugins[0]).background().unwrap());
    // Long enough for the file to be seen as it is.
    tokio::time::sleep(Duration::from_millis(50)).await;
    world.master(9, "a A 192.0.2.9");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((server.serial(), server.ask(WWW)), (10, www(&[1, 2, 3])));
    assert_eq!(server.update(&add(4)).await, Rcode::NOERROR);
    world.master(12, "a A 192.0.2.9 ; longer");
    for _ in 0..500 {
        if server.serial() == 12 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((server.serial(), server.ask(WWW)), (12, www(&[])));
    assert_eq!(server.update(&add(5)).await, Rcode::NOERROR);
    assert_eq!(world.start().unwrap().ask(WWW), www(&[5]));
    background.abort();
}

#[tokio::test]
async fn two_servers_of_one_zone_lose_nothing() {
    let world = World::new();
    let servers = [world.start().unwrap(), world.start().unwrap()];
    for host in 1..=20 {
        assert_eq!(servers[usize::from(host % 2)].update(&add(host)).await, Rcode::NOERROR);
    }
    let all: Vec<u8> = (1..=20).collect();
    assert_eq!(servers[0].ask(WWW), www(&all));
    assert_eq!(servers[1].ask(WWW), www(&all[..19]));
    let background = tokio::spawn(Arc::clone(&servers[1].plugins[0]).background().unwrap());
    for _ in 0..500 {
        if servers[1].ask(WWW) == www(&all) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(servers[1].ask(WWW), www(&all));
    background.abort();
}

#[tokio::test]
async fn updates_that_undo_each_other_do_not_grow_the_journal_for_ever() {
    let world = World::new();
    let server = world.start().unwrap();
    let text = "x".repeat(250);
    let big = |verb: &str| {
        let line = |at: u8| format!("{verb} big.example. 60 TXT {at} {text}");
        (0..200).map(line).collect::<Vec<_>>().join("\n")
    };
    for round in 0..60 {
        let verb = if round % 2 == 0 { "add" } else { "delete" };
        assert_eq!(server.update(&big(verb)).await, Rcode::NOERROR);
    }
    assert_eq!(server.update(&add(1)).await, Rcode::NOERROR);
    let len = fs::metadata(world.journal()).unwrap().len();
    assert!(len < 60 * 200 * 250 / 4 * 3, "{len}");
    let again = world.start().unwrap();
    assert_eq!((again.serial(), again.ask(WWW)), (68, www(&[1])));
}

#[tokio::test]
async fn an_update_that_cannot_be_written_is_refused_and_not_served() {
    let world = World::new();
    let server = world.start().unwrap();
    assert_eq!(server.update(&add(1)).await, Rcode::NOERROR);
    let octets = fs::read(world.journal()).unwrap();
    fs::remove_file(world.journal()).unwrap();
    fs::create_dir(world.journal()).unwrap();
    assert_eq!(server.update(&add(2)).await, Rcode::SERVFAIL);
    assert_eq!(server.ask(WWW), www(&[1]));
    fs::remove_dir(world.journal()).unwrap();
    fs::write(world.journal(), octets).unwrap();
    assert_eq!(server.update(&add(3)).await, Rcode::NOERROR);
    assert_eq!(world.start().unwrap().ask(WWW), www(&[1, 3]));
}

#[test]
fn mistakes_in_the_directive_have_a_place() {
    let world = World::new();
    for (options, place) in [
        ("update", "Corefile:3:1"),
        ("update nobody.", "Corefile:3:8"),
        ("update key. nobody.", "Corefile:3:13"),
        ("update key.\nreload_by_mtime", "Corefile:4:1"),
        ("updat key.", "Corefile:3:1"),
    ] {
        let error = world.start_with(options).err().unwrap();
        assert!(error.starts_with(place), "{options}: {error}");
    }
}
