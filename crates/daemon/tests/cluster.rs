//! Several nodes over one etcd: what is registered on one is answered by all, also while etcd is away.
//!
//! Without an etcd it is passed over, unless `CARTONYM_REQUIRE_PEERS` is set, as CI does.

#![allow(clippy::print_stdout, reason = "the figures of a run are worth seeing")]

mod common;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cartonym::wire::{Rcode, Type};
use common::{Daemon, Process, ask, free_address, wait_until};

const NAME: &str = "web.shop.example.";

#[test]
fn nodes_over_one_etcd_answer_the_same_and_go_on_without_it() {
    let Some(folder) = with_etcd() else { return };
    let ports = [free_address().port(), free_address().port()];
    let etcd = etcd(folder.path(), ports);
    let (one, mut other) = (node(folder.path(), "one", ports[0]), node(folder.path(), "other", ports[0]));

    let service = one.service();
    let mut times = Vec::new();
    for host in 1..=100 {
        one.register_at(&service, 1, ([192, 0, 2, host], 80).into());
        let begin = Instant::now();
        wait_until("the other follows", || {
            ask(other.dns, NAME, Type::A) == Some((Rcode::NOERROR, vec![host]))
        });
        times.push(begin.elapsed());
    }
    times.sort();
    // The poll of `wait_until` is a part of it.
    println!("from a reply of one node to the answer of another: p50 {:?}, p99 {:?}", times[50], times[98]);
    assert!(times[98] < Duration::from_millis(500), "{times:?}");

    wait_until("the other has kept it", || {
        std::fs::read_to_string(folder.path().join("other/last-seen.jsonl"))
            .is_ok_and(|text| text.contains("192.0.2.100"))
    });
    drop(etcd);
    let answer = Some((Rcode::NOERROR, vec![100]));
    assert_eq!([one.dns, other.dns].map(|dns| ask(dns, NAME, Type::A)), [answer.clone(), answer.clone()]);
    other.signal("KILL");
    other.wait();
    let begin = Instant::now();
    let other = node(folder.path(), "other", ports[0]);
    assert_eq!(ask(other.dns, NAME, Type::A), answer, "what was last seen");
    println!("start without etcd to the first answer: {:?}", begin.elapsed());
}

fn with_etcd() -> Option<tempfile::TempDir> {
    let there = Command::new("etcd").arg("--version").stdout(Stdio::null()).status().is_ok();
    assert!(there || std::env::var_os("CARTONYM_REQUIRE_PEERS").is_none(), "etcd is not installed");
    there.then(|| tempfile::tempdir().unwrap())
}

fn etcd(folder: &Path, ports: [u16; 2]) -> Process {
    let urls = ports.map(|port| format!("http://127.0.0.1:{port}"));
    let mut command = Command::new("etcd");
    command.arg("--data-dir").arg(folder.join("etcd"));
    command.args(["--listen-client-urls", &urls[0], "--advertise-client-urls", &urls[0]]);
    command.args(["--listen-peer-urls", &urls[1], "--initial-advertise-peer-urls", &urls[1]]);
    command.args(["--initial-cluster", &format!("default={}", urls[1])]);
    let process = Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let endpoint = format!("127.0.0.1:{}", ports[0]);
    wait_until("etcd is there", || {
        let mut health = Command::new("etcdctl");
        health.env("ETCDCTL_API", "3").args(["--endpoints", &endpoint, "endpoint", "health"]);
        health.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    });
    process
}

fn node(folder: &Path, name: &str, etcd: u16) -> Daemon {
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let (dns, api) = (free_address(), free_address());
    let text = format!(
        ".:{} {{\n bind 127.0.0.1\n registry {{\n  backend etcd 127.0.0.1:{etcd}\n  last_seen {}\n  api {api}\n }}\n}}\n",
        dns.port(),
        folder.join("last-seen.jsonl").display()
    );
    Daemon::with_corefile(&folder, &text, dns, api)
}
