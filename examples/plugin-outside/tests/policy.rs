//! A service that says who may ask for what, and what happens when it does not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cartonym_plugin::Plugin;
use cartonym_testing::{Ask, Canned, Tester, configure, conformance_of_directive};
use outside::Policy;
use tokio::runtime::Runtime;

/// A service that answers each request with what a function makes of its first line; silence if that is nothing.
struct Service {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Service {
    fn new(answer: fn(&str) -> Option<&'static str>) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let record = heard.clone();
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming() {
                let (mut stream, mut request) = (stream.unwrap(), [0; 1024]);
                let len = stream.read(&mut request).unwrap_or(0);
                let text = String::from_utf8_lossy(&request[..len]);
                let line = text.lines().next().unwrap_or_default().to_owned();
                record.lock().unwrap().push(line.clone());
                match answer(&line) {
                    Some(status) => drop(write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")),
                    None => silent.push(stream),
                }
            }
        });
        Service { address, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// The plugin, in front of one that always answers.
    fn tester(&self, block: &str) -> Tester {
        // A busy machine has more time than is usual, unless a test says otherwise.
        let directive = format!("policy http://{}/dns {{\ntimeout 10s\n{block}\n}}", self.address);
        let chain = configure::<Policy>(&directive).unwrap();
        Tester::new(chain.then(Canned::new("www.example. 60 A 192.0.2.1")))
    }
}

fn by_name(line: &str) -> Option<&'static str> {
    Some(if line.contains("name=www.example.&") { "200 OK" } else { "403 Forbidden" })
}

/// Asks within a runtime, as the server would.
fn ask(tester: &Tester, ask: impl Into<Ask>) -> String {
    let runtime = Runtime::new().unwrap();
    let answer = runtime.block_on(tester.wait(ask)).unwrap().to_string();
    answer.lines().next().unwrap().to_owned()
}

#[test]
fn it_keeps_the_contract() {
    conformance_of_directive::<Policy>("policy http://127.0.0.1:1/dns");
}

#[test]
fn what_is_allowed_goes_on_and_what_is_denied_is_refused() {
    let service = Service::new(by_name);
    let tester = service.tester("");
    assert_eq!(ask(&tester, "www.example. A"), "NOERROR");
    assert_eq!(ask(&tester, "secret.example. A"), "REFUSED");
    assert_eq!(service.heard()[0], "GET /dns?name=www.example.&client=192.0.2.53 HTTP/1.1");
}

#[test]
fn a_verdict_is_kept_for_its_time_and_costs_no_wait() {
    let service = Service::new(by_name);
    let tester = service.tester("cache 10s").now(Duration::from_secs(1000));
    assert_eq!(ask(&tester, "www.example. A"), "NOERROR");
    assert_eq!(ask(&tester, "secret.example. A"), "REFUSED");
    let tester = tester.now(Duration::from_secs(1009));
    assert_eq!(tester.ask("www.example. AAAA").to_string().lines().next(), Some("NOERROR"));
    assert_eq!(tester.ask("secret.example. A").to_string(), "REFUSED");
    assert_eq!(service.heard().len(), 2);
    let tester = tester.now(Duration::from_secs(1010));
    assert_eq!(ask(&tester, "www.example. A"), "NOERROR");
    assert_eq!(service.heard().len(), 3);
}

#[test]
fn another_client_has_another_verdict() {
    let service =
        Service::new(|line| Some(if line.contains("client=192.0.2.1 ") { "204 Fine" } else { "403 No" }));
    let tester = service.tester("");
    assert_eq!(ask(&tester, Ask::new("www.example. A").from("192.0.2.1")), "NOERROR");
    assert_eq!(ask(&tester, Ask::new("www.example. A").from("192.0.2.2")), "REFUSED");
}

#[test]
fn a_service_that_is_too_slow_or_out_of_order_leaves_it_to_the_operator() {
    let silent = Service::new(|_| None);
    assert_eq!(ask(&silent.tester("timeout 50ms"), "www.example. A"), "REFUSED");
    assert_eq!(ask(&silent.tester("timeout 50ms\nwithout allow"), "www.example. A"), "NOERROR");
    let broken = Service::new(|_| Some("500 Oh"));
    assert_eq!(ask(&broken.tester("timeout 5s"), "www.example. A"), "REFUSED");
    assert_eq!(ask(&broken.tester("timeout 5s\nwithout allow"), "www.example. A"), "NOERROR");
}

#[test]
fn a_name_cannot_break_out_of_the_request() {
    let service = Service::new(|_| Some("200 OK"));
    let tester = service.tester("");
    assert_eq!(ask(&tester, "a\\032b\\013\\010c&d.example. A"), "NOERROR");
    assert_eq!(service.heard()[0].split(' ').count(), 3, "{:?}", service.heard());
}

#[test]
fn it_is_ready_once_the_service_has_been_reached() {
    let service = Service::new(by_name);
    let chain = configure::<Policy>(&format!("policy http://{}", service.address)).unwrap();
    let policy: Arc<dyn Plugin> = chain.plugins().next().unwrap().clone();
    assert!(!policy.ready());
    Runtime::new().unwrap().block_on(policy.clone().background().unwrap());
    assert!(policy.ready());
}
