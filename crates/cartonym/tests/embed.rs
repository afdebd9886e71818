//! A server in a few lines: a registry's names, and all others from another server.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use cartonym::{Cache, Chain, Forward, Records, Registry, Server, ServerError};
use cartonym_testing::{Answer, Ask, Canned, Upstream};

#[tokio::test(flavor = "multi_thread")]
async fn names_of_the_registry_are_answered_and_others_forwarded() {
    let upstream = Upstream::of(Chain::new().then(Canned::new("www.example. 60 A 192.0.2.1")));
    let registry = Registry::in_memory();
    registry.register("web.svc.local", "web-1", "10.0.0.7:8080".parse().unwrap()).await.unwrap();

    let server = Server::new()
        .listen("127.0.0.1:0")
        .zone("svc.local", Chain::new().then(Records::of(&registry)))
        .zone(".", Chain::new().then(Cache::default()).then(Forward::to(upstream.address()).unwrap()))
        .start()
        .unwrap();

    let address = server.local_addrs()[0];
    assert_eq!(ask(address, "web.svc.local. A").await, ["web.svc.local. 5 A 10.0.0.7"]);
    assert_eq!(ask(address, "www.example. A").await, ["www.example. 60 A 192.0.2.1"]);
    assert_eq!(ask(address, "www.example. A").await.len(), 1);
    assert_eq!(upstream.heard().len(), 1, "the second answer came from the cache");
    server.shutdown().await;
}

#[test]
fn what_is_no_address_or_zone_is_said() {
    let start = |address: &str, zone: &str| Server::new().listen(address).zone(zone, Chain::new()).start();
    assert!(matches!(start("here", "."), Err(ServerError::Address { .. })));
    assert!(matches!(start("127.0.0.1:0", "a..b"), Err(ServerError::Zone { .. })));
    assert!(Forward::to("nothing").is_err());
}

#[test]
fn a_main_that_returns_what_is_wrong_prints_words() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let printed = |address: String, zone: &str| {
        format!("{:?}", Server::new().listen(address).zone(zone, Chain::new()).start().unwrap_err())
    };
    let said = printed(address.to_string(), ".");
    assert!(said.starts_with(&format!("{address} (UDP) is in use by ")), "{said}");
    assert_eq!(printed("127.0.0.1:0".into(), "a..b"), "`a..b` is no domain name: a label is empty");
}

/// The answer section.
async fn ask(address: SocketAddr, question: &'static str) -> Vec<String> {
    let asking = tokio::task::spawn_blocking(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.send_to(&Ask::new(question).to_message(), address).unwrap();
        let mut answer = vec![0; 1232];
        let len = socket.recv(&mut answer).unwrap();
        answer.truncate(len);
        Answer::new(answer).answers()
    });
    asking.await.unwrap()
}
