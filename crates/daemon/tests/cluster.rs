//! Several nodes over one etcd: what is registered on one is answered by all, also while etcd is away.
//!
//! Without an etcd it is passed over, unless `CARTONYM_REQUIRE_PEERS` is set, as CI does.

#![allow(clippy::print_stdout, reason = "the figures of a run are worth seeing")]

mod common;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use cartonym::wire::{Rcode, Type};
use cartonym_testing::EtcdServer;
use common::{Daemon, ask, free_address, get, wait_until};
use serde_json::json;

const NAME: &str = "web.shop.example.";

#[test]
fn nodes_over_one_etcd_answer_the_same_and_go_on_without_it() {
    let Some((folder, etcd)) = with_etcd() else { return };
    let endpoint = etcd.endpoint();
    let (one, mut other) = (node(folder.path(), "one", &endpoint), node(folder.path(), "other", &endpoint));

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
    // The figure is a reliability row's; here the machine may be busy.
    assert!(times[50] < Duration::from_secs(2), "{times:?}");

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
    let other = node(folder.path(), "other", &endpoint);
    assert_eq!(ask(other.dns, NAME, Type::A), answer, "what was last seen");
    println!("start without etcd to the first answer: {:?}", begin.elapsed());
}

#[test]
fn each_instance_is_checked_by_one_node_and_by_another_when_that_is_gone() {
    let Some((folder, etcd)) = with_etcd() else { return };
    let endpoint = etcd.endpoint();
    let mut nodes: Vec<(Daemon, SocketAddr)> = ["one", "two", "three"]
        .map(|name| {
            let pages = free_address();
            // No target accepts: what is checked more often fills its queue before the test is over.
            let more = format!("  health_interval 1s\n }}\n prometheus {pages}\n");
            (node_with(folder.path(), name, &endpoint, &more), pages)
        })
        .into();
    // An address of their own: what other tests listen on must not take the place of one that is gone.
    let targets: Vec<TcpListener> = (0..30).map(|_| TcpListener::bind("127.0.0.77:0").unwrap()).collect();
    let service = nodes[0].0.checked_service();
    for (host, target) in targets.iter().enumerate() {
        nodes[0].0.register_at(&service, host as u8, target.local_addr().unwrap());
    }
    let count = |pages: SocketAddr, name: &str| -> u64 {
        let (_, text) = get(pages, "/metrics");
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let checked = |nodes: &[(Daemon, SocketAddr)]| -> Vec<u64> {
        nodes.iter().map(|(_, pages)| count(*pages, "cartonym_health_instances")).collect()
    };
    wait_until("each has its share", || {
        let shares = checked(&nodes);
        shares.iter().sum::<u64>() == 30 && shares.iter().all(|share| *share > 0)
    });

    let unhealthy =
        |node: &Daemon| node.healths(&service).values().filter(|status| *status == "UNHEALTHY").count();
    let mut targets = targets.into_iter();
    targets.by_ref().take(10).for_each(drop);
    wait_until("all know of ten", || nodes.iter().all(|(node, _)| unhealthy(node) == 10));
    let transitions: u64 =
        nodes.iter().map(|(_, pages)| count(*pages, "cartonym_health_transitions_total")).sum();
    assert_eq!(transitions, 10, "one verdict for each");

    let (mut gone, _) = nodes.pop().unwrap();
    gone.signal("KILL");
    gone.wait();
    targets.by_ref().take(10).for_each(drop);
    let begin = Instant::now();
    wait_until("all know of twenty", || nodes.iter().all(|(node, _)| unhealthy(node) == 20));
    // Each of the two hears of the death for itself, and one may have checked what the other takes over later.
    wait_until("each instance has its node", || checked(&nodes).iter().sum::<u64>() == 30);
    println!("from a node's death until others check all that was its: {:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());

    // One that leaves says so.
    let (mut gone, _) = nodes.pop().unwrap();
    gone.signal("TERM");
    gone.wait();
    let begin = Instant::now();
    wait_until("the last one checks all", || checked(&nodes) == [30]);
    println!("from a node's end until another checks all that was its: {:?}", begin.elapsed());
}

#[test]
fn who_speaks_to_one_node_stays_whichever_it_is_and_who_is_silent_goes() {
    let Some((folder, etcd)) = with_etcd() else { return };
    let endpoint = etcd.endpoint();
    let [one, two, mut three] = ["one", "two", "three"].map(|name| node(folder.path(), name, &endpoint));
    let service = one.service();
    one.register(&service, 1);
    let request = json!({
        "ServiceId": service,
        "InstanceId": "web-2",
        "CreatorRequestId": "always the same",
        "Attributes": { "AWS_INSTANCE_IPV4": "192.0.2.2", "AWS_INSTANCE_PORT": "80", "CARTONYM_TTL": "4" },
    });
    // What is registered anew has another operation.
    let beat = |node: &Daemon| node.client().call("RegisterInstance", request.clone())["OperationId"].clone();
    let speak = |node: &Daemon, seconds: u64| {
        let first = beat(node);
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(200));
            assert_eq!(beat(node), first);
        }
        first
    };
    let first = speak(&one, 7);
    assert_eq!(speak(&three, 7), first, "another node hears it");
    three.signal("KILL");
    three.wait();
    assert_eq!(speak(&two, 10), first, "the one that heard it is gone");

    let answer = |hosts: &[u8]| Some((Rcode::NOERROR, hosts.to_vec()));
    assert_eq!(ask(one.dns, NAME, Type::A), answer(&[1, 2]));
    wait_until("who is silent is gone", || ask(one.dns, NAME, Type::A) == answer(&[1]));
    let (mut two, begin) = (two, Instant::now());
    beat(&two);
    wait_until("one knows of it", || ask(one.dns, NAME, Type::A) == answer(&[1, 2]));
    two.signal("KILL");
    two.wait();
    wait_until("it is gone after the node that heard it", || ask(one.dns, NAME, Type::A) == answer(&[1]));
    println!("from the last heartbeat, and the node's death, to the end: {:?}", begin.elapsed());
    assert!(begin.elapsed() > Duration::from_secs(5), "its whole time once more: {:?}", begin.elapsed());
}

/// An etcd, and a folder for the nodes over it.
fn with_etcd() -> Option<(tempfile::TempDir, EtcdServer)> {
    EtcdServer::is_installed().then(|| (tempfile::tempdir().unwrap(), EtcdServer::start()))
}

fn node(folder: &Path, name: &str, etcd: &str) -> Daemon {
    node_with(folder, name, etcd, " }\n")
}

/// A node, `more` being the end of its registry's block and what follows.
fn node_with(folder: &Path, name: &str, etcd: &str, more: &str) -> Daemon {
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let (dns, api) = (free_address(), free_address());
    let text = format!(
        ".:{} {{\n bind 127.0.0.1\n registry {{\n  backend etcd {etcd}\n  last_seen {}\n  api {api}\n{more}}}\n",
        dns.port(),
        folder.join("last-seen.jsonl").display()
    );
    Daemon::with_corefile(&folder, &text, dns, api)
}
