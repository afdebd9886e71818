//! What a daemon tells of the health of instances, and why they are out of DNS.

mod common;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Stdio;

use common::{Daemon, Process, cartonym, free_address, get, run, wait_until};

/// A daemon whose instance `web-1` is there, and whose `web-2` is not.
fn daemon(folder: &std::path::Path) -> (Daemon, TcpListener, std::net::SocketAddr) {
    let (dns, api, pages) = (free_address(), free_address(), free_address());
    let text = format!(
        ".:{} {{\n bind 127.0.0.1\n registry {{\n  backend memory\n  api {api}\n  health_interval 200ms\n }}\n \
         prometheus {pages}\n}}\n",
        dns.port()
    );
    let daemon = Daemon::with_corefile(folder, &text, dns, api);
    let there = TcpListener::bind("127.0.0.1:0").unwrap();
    let service = daemon.checked_service();
    daemon.register_at(&service, 1, there.local_addr().unwrap());
    // A port that no test is ever given.
    daemon.register_at(&service, 2, "127.0.0.99:1".parse().unwrap());
    wait_until("the checks have found out", || daemon.healths(&service)["web-2"] == "UNHEALTHY");
    // One that is fit is registered so, and may have yet to be checked.
    wait_until("each has been checked", || {
        let (_, text) = get(api, &format!("/health/{}", service.as_str().unwrap()));
        let page: serde_json::Value = serde_json::from_str(&text).unwrap();
        let instances = page["instances"].as_array().unwrap();
        instances.len() == 2 && instances.iter().all(|instance| instance["last"]["latency_ms"].is_number())
    });
    (daemon, there, pages)
}

#[test]
fn the_command_says_how_instances_are_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let (daemon, _there, pages) = daemon(folder.path());
    let endpoint = daemon.api.to_string();
    let (code, said, _) = run(&mut cartonym(&["health", "web.shop.example", "--endpoint", &endpoint]));
    assert_eq!(code, Some(0));
    let line = |id: &str| said.lines().find(|line| line.starts_with(id)).unwrap_or_default().to_owned();
    assert!(line("web-1").contains(" HEALTHY ") && line("web-1").ends_with(" ms"), "{said}");
    assert!(line("web-2").ends_with("no connection: connection refused"), "{said}");
    let (_, metrics) = get(pages, "/metrics");
    assert!(metrics.contains("cartonym_health_transitions_total{store=\"memory\"} 1\n"), "{metrics}");
    assert!(
        metrics.contains("cartonym_health_checks_total{store=\"memory\",result=\"failed\"} "),
        "{metrics}"
    );
    assert_eq!(get(daemon.api, "/health/srv-aaaaaaaaaaaaaaaa").0, 404);
}

#[test]
fn who_watches_sees_each_change() {
    let folder = tempfile::tempdir().unwrap();
    let (daemon, there, _) = daemon(folder.path());
    let mut watch = cartonym(&["health", "web", "--namespace", "shop.example", "--watch", "--endpoint"]);
    watch.arg(daemon.api.to_string()).stdout(Stdio::piped());
    let mut watch = Process(watch.spawn().unwrap());
    let mut lines = BufReader::new(watch.0.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert!(next().starts_with("INSTANCE"));
    assert!(next().contains(" HEALTHY") && next().contains(" UNHEALTHY"));
    drop(there);
    let line = next();
    assert!(line.starts_with("web-1") && line.ends_with("no connection: connection refused"), "{line}");
}
