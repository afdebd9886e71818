//! The program as its users meet it: it starts, ends, comes back, and says what is wrong.

mod common;

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use cartonym::wire::{Rcode, Type};
use common::{Daemon, ask, ask_tcp, cartonym, run, wait_until};

const NAME: &str = "web.shop.example.";

#[test]
fn what_was_acknowledged_is_there_after_a_clean_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(folder.path());
    let service = daemon.service();
    daemon.register(&service, 1);
    daemon.register(&service, 2);
    assert_eq!(ask(daemon.dns, NAME, Type::A), Some((Rcode::NOERROR, vec![1, 2])));
    daemon.signal("TERM");
    assert_eq!(daemon.wait(), Some(0));
    let daemon = Daemon::start(folder.path());
    assert_eq!(ask_tcp(daemon.dns, NAME, Type::A), Some((Rcode::NOERROR, vec![1, 2])));
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(folder.path());
    let service = daemon.service();
    for host in 1..=5 {
        daemon.register(&service, host);
        daemon.signal("KILL");
        assert_eq!(daemon.wait(), None);
        daemon = Daemon::start(folder.path());
        assert_eq!(ask(daemon.dns, NAME, Type::A), Some((Rcode::NOERROR, (1..=host).collect())));
    }
}

#[test]
fn an_endpoint_that_fails_is_out_of_dns_and_one_that_recovers_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (dns, api) = (common::free_address(), common::free_address());
    let text = format!(
        ".:{} {{\n bind 127.0.0.1\n registry {{\n  backend memory\n  api {api}\n  health_interval 200ms\n }}\n}}\n",
        dns.port()
    );
    let daemon = Daemon::with_corefile(folder.path(), &text, dns, api);
    let service = daemon.checked_service();
    let [first, second] =
        [1, 2].map(|host| TcpListener::bind(SocketAddr::from(([127, 0, 0, host], 0))).unwrap());
    daemon.register_at(&service, 1, first.local_addr().unwrap());
    let recovering = second.local_addr().unwrap();
    daemon.register_at(&service, 2, recovering);
    assert_eq!(ask(dns, NAME, Type::A), Some((Rcode::NOERROR, vec![1, 2])));
    drop(first);
    wait_until("the first is out", || ask(dns, NAME, Type::A) == Some((Rcode::NOERROR, vec![2])));
    drop(second);
    wait_until("both failed", || daemon.healths(&service).values().all(|status| status == "UNHEALTHY"));
    assert_eq!(ask(dns, NAME, Type::A), Some((Rcode::NOERROR, vec![1, 2])), "nobody fit: all are answered");
    let mut again = None;
    wait_until("its port is free", || {
        again = TcpListener::bind(recovering).ok();
        again.is_some()
    });
    wait_until("the second is back", || ask(dns, NAME, Type::A) == Some((Rcode::NOERROR, vec![2])));
}

#[test]
fn the_demonstration_ends_well() {
    let (code, out, err) = run(&mut cartonym(&["demo"]));
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("192.0.2.4 192.0.2.5 192.0.2.6"), "{out}");
}

#[test]
fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = cartonym(&["serve", "--api", "127.0.0.1:0", "--dns", &address, "--data"]);
    let (code, _, err) = run(command.arg(folder.path()));
    assert_eq!(code, Some(1));
    assert!(err.contains(&address), "{err}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = cartonym(&["serve", "--dns", "127.0.0.1:0", "--api", &address, "--data"]);
    let (code, _, err) = run(command.arg(folder.path()));
    assert_eq!(code, Some(1));
    assert!(err.contains(&address) && err.contains("Cloud Map API"), "{err}");
}

#[test]
fn a_folder_in_use_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path());
    let mut command = cartonym(&["serve", "--dns", "127.0.0.1:0", "--api", "127.0.0.1:0", "--data"]);
    let (code, _, err) = run(command.arg(folder.path()));
    assert_eq!(code, Some(1));
    assert!(err.contains(&folder.path().display().to_string()), "{err}");
    daemon.service();
    assert_eq!(ask(daemon.dns, NAME, Type::A), Some((Rcode::NXDOMAIN, vec![])));
}

#[test]
fn a_mistake_in_a_corefile_has_a_place_and_help() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Corefile");
    let table = [
        (".:0 {\n    regsitry\n}\n", ":2:5: ", "registry"),
        (".:0 {\n    registry {\n        backend embeded\n    }\n}\n", ":3:17: ", "embedded"),
        (".:0 {\n    registry {\n        api nowhere\n    }\n}\n", ":3:13: ", "address and port"),
        (".:0 {\n    registry {\n        health_interval 10ms\n    }\n}\n", ":3:25: ", "200ms"),
        (".:0 {\n    registry {\n        health_intervall 1s\n    }\n}\n", ":3:9: ", "health_interval"),
        (".:0 {\n    bind localhost\n}\n", ":2:10: ", "IP address"),
        (".:0 {\n    whoami\n", ":1:5: ", "never closed"),
        (".:0 .:0 {\n    whoami\n}\n", ":1:5: ", "already"),
        ("tls://.:0 {\n    whoami\n}\n", ":1:1: ", "tls"),
    ];
    for (text, place, word) in table {
        fs::write(&file, text).unwrap();
        for command in [&["check"][..], &["-conf"][..]] {
            let (code, _, err) = run(cartonym(command).arg(&file));
            assert_eq!(code, Some(1), "{text}");
            assert!(err.contains(place) && err.contains(word), "{text}\n{err}");
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a wrong Corefile makes no store");
}

#[test]
fn check_says_what_would_be_served_and_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Corefile");
    let data = folder.path().join("data");
    let text = format!(
        "shop.example:5301 {{\n bind 127.0.0.1\n errors\n registry {{\n  backend embedded {}\n  api 127.0.0.1:8054\n }}\n}}\n",
        data.display()
    );
    fs::write(&file, text).unwrap();
    let (code, out, err) = run(cartonym(&["check"]).arg(&file));
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("dns://shop.example. on 127.0.0.1:5301\n    errors, registry\n"), "{out}");
    assert!(!data.exists());
}

#[test]
fn a_corefile_that_is_not_there_is_named() {
    let (code, _, err) = run(&mut cartonym(&["-conf", "no/such/Corefile"]));
    assert_eq!(code, Some(1));
    assert!(err.contains("no/such/Corefile"), "{err}");
}

#[test]
fn a_master_file_is_served_beside_a_registry() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("db.example.org"),
        "$TTL 60\n@ SOA ns hostmaster 1 60 10 3600 5\n@ NS ns\nns A 192.0.2.53\nwww A 192.0.2.80\n",
    )
    .unwrap();
    let address = common::free_address();
    let file = folder.path().join("Corefile");
    let text = format!(
        "example.org:{0} {{\n root {1}\n bind 127.0.0.1\n file db.example.org\n}}\n.:{0} {{\n bind 127.0.0.1\n registry {{\n  backend memory\n }}\n}}\n",
        address.port(),
        folder.path().display()
    );
    fs::write(&file, text).unwrap();
    let mut command = cartonym(&["-quiet", "-conf"]);
    let _daemon = common::Process(command.arg(&file).spawn().unwrap());
    common::wait_until("the daemon answers", || ask(address, ".", Type::SOA).is_some());
    assert_eq!(ask(address, "www.example.org.", Type::A), Some((Rcode::NOERROR, vec![80])));
    assert_eq!(ask(address, "nx.example.org.", Type::A), Some((Rcode::NXDOMAIN, vec![])));
    assert_eq!(ask(address, "www.example.net.", Type::A), Some((Rcode::REFUSED, vec![])));
}
