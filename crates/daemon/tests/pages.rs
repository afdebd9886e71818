//! The pages that operators and their machines look at.

mod common;

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use cartonym::wire::Type;
use common::{Process, ask, ask_tcp, cartonym, free_address, get, wait_until};

/// A daemon that answers everything with whoami, and has all pages at one address.
struct Watched {
    process: Process,
    folder: tempfile::TempDir,
    dns: SocketAddr,
    pages: SocketAddr,
}

impl Watched {
    fn start(lameduck: &str) -> Watched {
        let (folder, dns, pages) = (tempfile::tempdir().unwrap(), free_address(), free_address());
        let file = folder.path().join("Corefile");
        fs::write(&file, corefile(dns, pages, lameduck)).unwrap();
        let process = Process(cartonym(&["-quiet", "-conf"]).arg(&file).spawn().unwrap());
        wait_until("the daemon answers", || TcpStream::connect(dns).is_ok());
        Watched { process, folder, dns, pages }
    }

    fn write(&self, text: &str) {
        fs::write(self.folder.path().join("Corefile"), text).unwrap();
    }

    /// The number of a series; none if it is not there.
    fn metric(&self, series: &str) -> Option<f64> {
        let (status, text) = get(self.pages, "/metrics");
        assert_eq!(status, 200);
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map(|value| value.parse().unwrap())
    }
}

fn corefile(dns: SocketAddr, pages: SocketAddr, lameduck: &str) -> String {
    let port = dns.port();
    format!(
        "example:{port} {{\n bind 127.0.0.1\n prometheus {pages}\n health {pages} {{\n  lameduck {lameduck}\n }}\n \
         ready {pages}\n errors\n whoami\n}}\n"
    )
}

#[test]
fn queries_are_counted_and_timed() {
    let watched = Watched::start("0s");
    let server = format!("server=\"dns://{}\",zone=\"example.\",view=\"\"", watched.dns);
    for _ in 0..3 {
        ask(watched.dns, "www.example.", Type::A).unwrap();
    }
    ask_tcp(watched.dns, "www.example.", Type::AAAA).unwrap();
    // A query is timed when its reply is on its way.
    let times = format!("coredns_dns_request_duration_seconds_count{{{server}}}");
    wait_until("each is timed", || watched.metric(&times) == Some(4.0));
    let requests = |labels: &str| format!("coredns_dns_requests_total{{{server},{labels}}}");
    assert_eq!(watched.metric(&requests("proto=\"udp\",family=\"1\",type=\"A\"")), Some(3.0));
    assert_eq!(watched.metric(&requests("proto=\"tcp\",family=\"1\",type=\"AAAA\"")), Some(1.0));
    let responses = format!("coredns_dns_responses_total{{{server},rcode=\"NOERROR\",plugin=\"whoami\"}}");
    assert_eq!(watched.metric(&responses), Some(4.0));
    let slow = format!("coredns_dns_request_duration_seconds_bucket{{{server},le=\"8.192\"}}");
    assert_eq!(watched.metric(&slow), Some(4.0));
    assert_eq!(watched.metric(&format!("coredns_plugin_enabled{{{server},name=\"whoami\"}}")), Some(1.0));
    assert!(watched.metric("process_resident_memory_bytes") > Some(1e6));
    assert!(watched.metric("process_start_time_seconds") > Some(1.6e9));
    assert_eq!(watched.metric("coredns_panics_total"), Some(0.0));
}

#[test]
fn counts_rise_through_a_reload_which_is_counted_too() {
    let watched = Watched::start("0s");
    let server = format!("server=\"dns://{}\",zone=\"example.\",view=\"\"", watched.dns);
    let requests = format!("coredns_dns_requests_total{{{server},proto=\"udp\",family=\"1\",type=\"A\"}}");
    ask(watched.dns, "www.example.", Type::A).unwrap();
    let good = corefile(watched.dns, watched.pages, "1ms");
    watched.write("example {\n whoamy\n}");
    watched.process.signal("USR1");
    wait_until("it is refused", || watched.metric("coredns_reload_failed_total") == Some(1.0));
    assert!(!get(watched.pages, "/metrics").1.contains("coredns_reload_version_info{"));
    watched.write(&good);
    watched.process.signal("USR1");
    wait_until("it is loaded", || get(watched.pages, "/metrics").1.contains("coredns_reload_version_info{"));
    ask(watched.dns, "www.example.", Type::A).unwrap();
    assert_eq!(watched.metric(&requests), Some(2.0));
    assert_eq!(watched.metric("coredns_reload_failed_total"), Some(1.0));
}

#[test]
fn plugins_tell_what_they_have_counted() {
    let watched = Watched::start("0s");
    let (port, pages) = (watched.dns.port(), watched.pages);
    watched.write(&format!(
        ".:{port} {{\n bind 127.0.0.1\n prometheus {pages}\n acl {{\n  block type TXT\n }}\n cache\n \
         hosts /dev/null {{\n  192.0.2.1 a.example\n }}\n}}\n"
    ));
    watched.process.signal("USR1");
    wait_until("it is loaded", || {
        ask(watched.dns, "a.example.", Type::A).is_some_and(|(_, hosts)| hosts == [1])
    });
    ask(watched.dns, "a.example.", Type::A).unwrap();
    ask(watched.dns, "a.example.", Type::TXT).unwrap();
    let server = format!("server=\"dns://{}\"", watched.dns);
    for (series, value) in [
        (format!("coredns_acl_blocked_requests_total{{{server},zone=\".\",view=\"\"}}"), 1.0),
        (format!("coredns_cache_hits_total{{{server},view=\"\",type=\"success\",zones=\".\"}}"), 1.0),
        (format!("coredns_cache_entries{{{server},view=\"\",type=\"success\",zones=\".\"}}"), 1.0),
        ("coredns_hosts_entries{hostsfile=\"/dev/null\"}".to_owned(), 1.0),
    ] {
        assert_eq!(watched.metric(&series), Some(value), "{series}");
    }
}

#[test]
fn it_says_that_it_lives_and_is_ready_until_it_ends() {
    let mut watched = Watched::start("5s");
    assert_eq!(get(watched.pages, "/health"), (200, "OK".to_owned()));
    assert_eq!(get(watched.pages, "/ready"), (200, "OK".to_owned()));
    assert_eq!(get(watched.pages, "/nothing").0, 404);
    let told = Instant::now();
    watched.process.signal("TERM");
    wait_until("it is not ready", || get(watched.pages, "/ready").0 == 503);
    assert_eq!(get(watched.pages, "/health").0, 200);
    assert!(ask(watched.dns, "www.example.", Type::A).is_some());
    assert_eq!(watched.process.wait(), Some(0));
    assert!(told.elapsed().as_millis() >= 5000);
}

#[test]
fn a_forwarding_loop_is_found() {
    let mut watched = Watched::start("0s");
    let (dns, pages) = (watched.dns, watched.pages);
    watched.process.signal("TERM");
    watched.process.wait();
    watched.write(&format!(
        ".:{} {{\n bind 127.0.0.1\n ready {pages}\n loop\n forward . {dns}\n}}\n",
        dns.port()
    ));
    let file = watched.folder.path().join("Corefile");
    watched.process = Process(cartonym(&["-quiet", "-conf"]).arg(file).spawn().unwrap());
    wait_until("the page is there", || TcpStream::connect(pages).is_ok());
    wait_until("the loop is found", || get(pages, "/ready") == (503, "loop".to_owned()));
}

#[test]
fn who_asks_twice_is_not_kept_waiting() {
    let mut watched = Watched::start("1h");
    watched.process.signal("INT");
    wait_until("it is not ready", || get(watched.pages, "/ready").0 == 503);
    watched.process.signal("INT");
    assert_eq!(watched.process.wait(), Some(2));
}
