//! Zones that go from one server to another, ours and those that others have written, while they change.
//!
//! A hundred changes a pair; `CARTONYM_INTEROP_UPDATES` says how many else. Everything is signed but our own NOTIFY.

mod common;
#[path = "interop/model.rs"]
mod model;
#[path = "interop/peer.rs"]
mod peer;

use std::io::Write;
use std::process::{Command, Stdio};

use cartonym::wire::Type;
use common::{Client, Process, ask, cartonym, free_address, wait_until};
use model::Model;
use peer::{Kind, Peer, Role, SECRET, Served};

#[test]
fn from_cartonym_to_cartonym() {
    pair(Kind::Cartonym, Kind::Cartonym);
}

#[test]
fn from_cartonym_to_knot() {
    pair(Kind::Cartonym, Kind::Knot);
}

#[test]
fn from_cartonym_to_nsd() {
    pair(Kind::Cartonym, Kind::Nsd);
}

#[test]
fn from_cartonym_to_bind() {
    pair(Kind::Cartonym, Kind::Bind);
}

#[test]
fn from_knot_to_cartonym() {
    pair(Kind::Knot, Kind::Cartonym);
}

#[test]
fn from_nsd_to_cartonym() {
    pair(Kind::Nsd, Kind::Cartonym);
}

#[test]
fn from_bind_to_cartonym() {
    pair(Kind::Bind, Kind::Cartonym);
}

#[test]
fn a_namespace_stays_equal_on_knot() {
    namespace(Kind::Knot);
}

#[test]
fn a_namespace_stays_equal_on_nsd() {
    namespace(Kind::Nsd);
}

#[test]
fn a_namespace_stays_equal_on_bind() {
    namespace(Kind::Bind);
}

/// A primary changes, and its secondary has the same zone in the end: that which was asked for.
fn pair(primary: Kind, secondary: Kind) {
    let mut model = Model::new(0x9E37_79B9_7F4A_7C15);
    let (here, there) = (free_address(), free_address());
    let [at, to] = [here, there].map(|address| Served { address, zone: "example." });
    let primary = Peer::start(primary, Role::Primary(there), at, &model.master_file(1));
    let secondary = Peer::start(secondary, Role::Secondary(here), to, "");
    let secondary = &secondary.served;
    wait_until("the secondary has the zone", || secondary.serial() == Some(1));
    let changes = std::env::var("CARTONYM_INTEROP_UPDATES").map_or(100, |count| count.parse().unwrap());
    if primary.kind == Kind::Nsd {
        rewrite(&primary, &mut model, changes);
    } else {
        update(&primary, &mut model, changes);
    }
    let served = &primary.served;
    wait_until("the serials are equal", || {
        served.serial().is_some() && secondary.serial() == served.serial()
    });
    let mut records = Vec::new();
    wait_until("the records are equal", || {
        records = served.records();
        // A transfer that fails has none.
        !records.is_empty() && secondary.records() == records
    });
    assert_eq!(below_apex(&records), model.records());
    if primary.kind == Kind::Cartonym {
        tells_what_has_changed(served);
    }
}

/// Changes a zone over the wire, one message each.
fn update(primary: &Peer, model: &mut Model, changes: usize) {
    let mut script = format!("server 127.0.0.1 {}\nzone example.\n", primary.served.address.port());
    for _ in 0..changes {
        script.push_str(&format!("{}\nsend\n", model.change()));
    }
    let mut child = Command::new("nsupdate")
        .args(["-y", &format!("hmac-sha256:key.:{SECRET}")])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Changes the zone of a server that takes no updates, ten changes a version.
fn rewrite(primary: &Peer, model: &mut Model, changes: usize) {
    for serial in 2..2 + changes.div_ceil(10) as u32 {
        for _ in 0..10 {
            model.change();
        }
        primary.rewrite(&model.master_file(serial));
        wait_until("the new version is served", || primary.served.serial() == Some(serial));
    }
}

/// The last change is told as such: the new SOA, the old, what goes, the new again, what comes, and the new.
fn tells_what_has_changed(primary: &Served) {
    let serial = primary.serial().unwrap();
    let text = primary.dig(&["+noall", "+answer", &format!("IXFR={}", serial - 1)]);
    let lines = text.lines().filter(|line| !line.starts_with(';') && !line.is_empty());
    let soas: Vec<bool> = lines.map(|line| line.contains("\tSOA\t")).collect();
    assert_eq!(soas.iter().filter(|is_soa| **is_soa).count(), 4, "{text}");
    assert_eq!(soas.len(), 5, "{text}");
}

/// The records but those that the zone had from the beginning.
fn below_apex(records: &[String]) -> Vec<String> {
    let is_below = |record: &&String| !record.starts_with("example. ") && !record.starts_with("ns.example. ");
    records.iter().filter(is_below).cloned().collect()
}

/// A namespace goes to a stock secondary, and follows as instances come and go.
fn namespace(kind: Kind) {
    let folder = tempfile::tempdir().unwrap();
    let (dns, api, there) = (free_address(), free_address(), free_address());
    let corefile = format!(
        ".:{} {{\n bind 127.0.0.1\n tsig {{\n  secret key. {SECRET}\n }}\n transfer shop.example. {{\n  to key. {there}\n }}\n \
         registry {{\n  backend memory\n  api {api}\n }}\n}}\n",
        dns.port()
    );
    let file = folder.path().join("Corefile");
    std::fs::write(&file, corefile).unwrap();
    let mut command = cartonym(&["-quiet", "-conf"]);
    let _process = Process(command.arg(&file).stderr(Stdio::null()).spawn().unwrap());
    wait_until("the daemon answers", || ask(dns, ".", Type::SOA).is_some());
    let daemon = Client { dns, api };
    let service = daemon.service();
    let [primary, secondary] = [dns, there].map(|address| Served { address, zone: "shop.example." });
    let secondary = Peer::start(kind, Role::Secondary(dns), secondary, "");
    let secondary = &secondary.served;
    let is_equal = || {
        let records = primary.records();
        !records.is_empty() && secondary.records() == records
    };
    for host in 1..=30 {
        daemon.register(&service, host);
        if host % 3 == 0 {
            daemon.deregister(&service, host - 1);
        }
        if host % 10 == 0 {
            wait_until("the secondary follows", is_equal);
        }
    }
    let addresses = secondary.records().iter().filter(|record| record.contains(" IN A 192.0.2.")).count();
    // Twenty instances, each with a name of its own for SRV beside the service's.
    assert!(addresses >= 20, "{:?}", secondary.records());
    for host in (1..=30).filter(|host| host % 3 != 2) {
        daemon.deregister(&service, host);
    }
    wait_until("the secondary follows to the end", is_equal);
    let records = secondary.records();
    assert!(!records.iter().any(|record| record.contains(" IN A 192.0.2.")), "{records:?}");
}
