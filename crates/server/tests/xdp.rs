//! An interface that brings datagrams past the sockets: two network namespaces with a pair of virtual interfaces between
//! them, a server in the one and clients in the other.
//!
//! Needs ip(8), leave to make namespaces, and leave to load programs. Where some of that is not to be had, a test says so
//! and is passed over, or fails with `CARTONYM_REQUIRE_XDP=1`; that sockets serve then is tested in any case.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use cartonym_plugin::{Plugin, Query, Response, Resumed, Step};
use cartonym_responder::{Chain, Responder};
use cartonym_server::{Listener, Running, Server, Traffic, Xdp};
use cartonym_wire::{Name, Section, Ttl, Type};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

#[test]
fn datagrams_of_both_families_come_by_the_interface() {
    let Some(net) = Net::new() else { return };
    for (listen, ask) in [("0.0.0.0:0", V4), ("[::]:0", V6), ("192.0.2.1:0", V4), ("[2001:db8::1]:0", V6)] {
        let Some(running) = net.serve(listen, 1) else { return };
        let address = SocketAddr::new(ask.parse().unwrap(), running.local_addrs()[0].port());
        // The second waits for a plugin, and leaves by the socket.
        for label in ["where", "later"] {
            let socket = net.client(address);
            let response = query(&socket, label).unwrap();
            let own = match socket.local_addr().unwrap().ip() {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            let local = match address.ip() {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            assert!(response.ends_with(&[own, local].concat()), "{listen} {label}: {response:?}");
        }
        eventually("all is counted", || {
            let udp = running.counters().udp;
            (udp.received, udp.sent, udp.deferred, udp.dropped) == (2, 2, 1, 0)
        });
        assert_eq!(net.waiting_in_sockets(), 0);
    }
}

#[test]
fn what_is_not_ours_goes_on_to_the_kernel() {
    let Some(net) = Net::new() else { return };
    let Some(running) = net.serve("192.0.2.1:0", 1) else { return };
    let address = running.local_addrs()[0];
    let mut stream = net.in_clients(|| TcpStream::connect(address)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let message = message(1, "where");
    stream.write_all(&[&(message.len() as u16).to_be_bytes(), &message[..]].concat()).unwrap();
    let mut response = [0; 2];
    stream.read_exact(&mut response).unwrap();
    assert!(net.ping("192.0.2.1") && net.ping("2001:db8::1"));
    // Another port is another program's.
    let other = net.in_servers(|| UdpSocket::bind("192.0.2.1:0")).unwrap();
    other.set_read_timeout(Some(PATIENCE)).unwrap();
    net.client(other.local_addr().unwrap()).send(b"for the other").unwrap();
    let mut buffer = [0; 64];
    assert_eq!(other.recv(&mut buffer).unwrap(), 13);
    // So is a datagram that comes in fragments, which the kernel puts together, and the socket gets.
    let before = running.counters().udp;
    assert_eq!(before.received, 0);
    let socket = net.client(address);
    let long = [&message[..], &[0; 3000]].concat();
    socket.send(&long).unwrap();
    eventually("the socket gets it", || running.counters().udp.received == 1);
}

#[test]
#[cfg(feature = "tls")]
fn datagrams_to_the_port_of_a_listener_under_tls_are_another_programs() {
    use cartonym_server::{ClientCertificates, Tls};
    let Some(net) = Net::new() else { return };
    let pem = cartonym_testing::certificate("ns.example");
    let tls = Tls::new(pem.as_bytes(), pem.as_bytes(), &ClientCertificates::None).unwrap();
    let any: SocketAddr = "192.0.2.1:0".parse().unwrap();
    let listeners = [Listener::dns(any, responder(1)), Listener::tls(any, responder(2), &tls)];
    let listeners = listeners.map(|listener| listener.xdp(net.xdp()));
    let server = listeners.into_iter().fold(Server::new().workers(1), Server::with);
    let Some(running) = net.start(server) else { return };
    let address = running.local_addrs()[1];
    let other = net.in_servers(|| UdpSocket::bind(address)).unwrap();
    other.set_read_timeout(Some(PATIENCE)).unwrap();
    net.client(address).send(b"for the other").unwrap();
    assert_eq!(other.recv(&mut [0; 64]).unwrap(), 13);
}

#[test]
fn a_response_that_no_frame_holds_is_truncated() {
    let Some(net) = Net::new() else { return };
    for (listen, headers) in [("192.0.2.1:0", 28), ("[2001:db8::1]:0", 48)] {
        let Some(running) = net.serve(listen, 1) else { return };
        let socket = net.client(running.local_addrs()[0]);
        let response = query(&socket, "huge").unwrap();
        assert!(response[2] & 2 != 0, "TC");
        assert!(response.len() <= 1500 - headers, "{}", response.len());
        // One that does is not.
        let response = query(&socket, "large").unwrap();
        assert!(response[2] & 2 == 0 && response.len() > 1000);
    }
}

#[test]
fn a_burst_is_answered_whole_and_allocates_no_frame_for_ever() {
    let Some(net) = Net::new() else { return };
    let Some(running) = net.serve("192.0.2.1:0", 1) else { return };
    let socket = net.client(running.local_addrs()[0]);
    // Several times as many as there are frames.
    for round in 0..120_u16 {
        for i in 0..50 {
            socket.send(&message(round * 50 + i, "where")).unwrap();
        }
        let mut ids: Vec<u16> = (0..50).map(|_| id(&hear(&socket).unwrap())).collect();
        ids.sort_unstable();
        assert_eq!(ids, (round * 50..round * 50 + 50).collect::<Vec<_>>());
    }
}

#[test]
fn each_address_is_answered_by_its_own_responder() {
    let Some(net) = Net::new() else { return };
    let asked = [("0.0.0.0:0", V4), ("[::]:0", V6), ("192.0.2.1:0", V4), ("[2001:db8::1]:0", V6)];
    let listeners = (1..).zip(asked).map(|(number, (listen, _))| {
        Listener::dns(listen.parse().unwrap(), responder(number)).xdp(net.xdp())
    });
    let Some(running) = net.start(listeners.fold(Server::new().workers(1), Server::with)) else { return };
    let sockets: Vec<_> = running
        .local_addrs()
        .iter()
        .zip(asked)
        .map(|(at, (_, ask))| net.client(SocketAddr::new(ask.parse().unwrap(), at.port())))
        .collect();
    // By turns, so that a batch is of all of them.
    for _ in 0..20 {
        sockets.iter().for_each(|socket| assert!(socket.send(&message(5, "number")).is_ok()));
    }
    for (number, socket) in (1..).zip(&sockets) {
        for _ in 0..20 {
            let response = hear(socket).unwrap();
            assert_eq!(response[response.len() - 12], number);
        }
    }
    assert_eq!(net.waiting_in_sockets(), 0);
}

#[test]
fn a_datagram_with_a_wrong_checksum_is_not_answered() {
    let Some(net) = Net::new() else { return };
    let Some(running) = net.serve("192.0.2.1:0", 1) else { return };
    let port = running.local_addrs()[0].port();
    let wire = net.in_clients(Wire::open);
    for (checksum, is_answered) in [(Checksum::Right, true), (Checksum::None, true), (Checksum::Wrong, false)]
    {
        let before = running.counters().udp;
        wire.send([192, 0, 2, 2], port, &message(7, "where"), checksum);
        let count = |udp: Traffic| if is_answered { udp.sent } else { udp.dropped };
        eventually("it is counted", || count(running.counters().udp) == count(before) + 1);
    }
    // What comes later is answered, and the wrong one was not.
    let before = running.counters().udp;
    wire.send([192, 0, 2, 2], port, &message(7, "where"), Checksum::Wrong);
    query(&net.client(running.local_addrs()[0]), "where").unwrap();
    eventually("one more", || running.counters().udp.sent == before.sent + 1);
    let after = running.counters().udp;
    assert_eq!((after.received, after.dropped), (before.received + 2, before.dropped + 1));
}

#[test]
fn nobody_is_answered_who_is_many_or_cannot_be() {
    let Some(net) = Net::new() else { return };
    let Some(running) = net.serve("192.0.2.1:0", 1) else { return };
    let port = running.local_addrs()[0].port();
    let wire = net.in_clients(Wire::open);
    // Everybody on the network and on any, a group, the loopback device, the server itself.
    for from in [[192, 0, 2, 255], [255; 4], [224, 0, 0, 1], [127, 0, 0, 1], [192, 0, 2, 1]] {
        wire.send(from, port, &message(7, "where"), Checksum::Right);
    }
    wire.send([192, 0, 2, 2], port, &message(7, "where"), Checksum::Right);
    eventually("the last is answered", || running.counters().udp.sent == 1);
    let udp = running.counters().udp;
    assert_eq!((udp.received, udp.dropped, net.waiting_in_sockets()), (6, 5, 0));
}

#[test]
fn what_is_for_a_group_or_longer_than_a_frame_comes_by_the_socket() {
    let Some(net) = Net::new() else { return };
    for (namespace, interface) in [(&net.servers, SERVER), (&net.clients, CLIENT)] {
        assert!(ip(&format!("-n {namespace} link set {interface} mtu 3000")));
    }
    let Some(running) = net.serve("192.0.2.1:0", 1) else { return };
    let address = running.local_addrs()[0];
    net.client(address).send(&[&message(1, "where")[..], &[0; 2000]].concat()).unwrap();
    eventually("the long one is there", || running.counters().udp.received == 1);
    assert_eq!(net.waiting_in_sockets(), 1);
    // Everybody's hardware address.
    assert!(ip(&format!("-n {} neigh replace {V4} lladdr ff:ff:ff:ff:ff:ff dev {CLIENT}", net.clients)));
    query(&net.client(address), "where").unwrap();
    assert_eq!(net.waiting_in_sockets(), 2);
}

#[test]
fn a_queue_that_cannot_send_is_left_to_the_sockets() {
    let Some(net) = Net::bare() else { return };
    // The client's datagrams come by all four of the server's queues, which has one to send by.
    if !net.plug_with("numrxqueues 4 numtxqueues 1", "numrxqueues 1 numtxqueues 4") {
        return passed_over("no queues of virtual interfaces").unwrap_or_default();
    }
    for asked in [None, Some(3)] {
        let listener = Listener::dns("192.0.2.1:0".parse().unwrap(), responder(1));
        let listener = listener.xdp(Xdp { queues: asked, ..net.xdp() });
        let log = Log::default();
        let Some(running) = net.start_and_tell(Server::new().workers(1).with(listener), &log) else { return };
        let said = log.text();
        assert!(said.contains("brings datagrams interface=\"ctx-server\" queues=1"), "{said}");
        let is_cut = said.contains("fewer queues interface=\"ctx-server\" asked=3 queues=1");
        assert_eq!(is_cut, asked.is_some(), "{said}");
        for _ in 0..40 {
            query(&net.client(running.local_addrs()[0]), "where").unwrap();
        }
        assert_ne!(net.waiting_in_sockets(), 0);
    }
}

#[test]
fn an_interface_that_was_down_brings_datagrams_again() {
    let Some(net) = Net::new() else { return };
    let Some(running) = net.serve("192.0.2.1:0", 1) else { return };
    let address = running.local_addrs()[0];
    query(&net.client(address), "where").unwrap();
    for state in ["down", "up"] {
        assert!(ip(&format!("-n {} link set {SERVER} {state}", net.servers)));
    }
    query(&net.client(address), "where").unwrap();
    assert_eq!(net.waiting_in_sockets(), 0);
}

#[test]
fn an_interface_that_was_taken_away_and_made_again_brings_datagrams_after_the_next_change() {
    let Some(net) = Net::new() else { return };
    let Some(mut running) = net.serve("192.0.2.1:0", 1) else { return };
    let address = running.local_addrs()[0];
    let mut update = |number| {
        let listener = Listener::dns("192.0.2.1:0".parse().unwrap(), responder(number)).xdp(net.xdp());
        net.in_servers(|| running.update(Server::new().with(listener)).unwrap());
        running.interfaces().len()
    };
    assert!(ip(&format!("-n {} link delete {SERVER}", net.servers)));
    assert_eq!(update(2), 0);
    assert!(net.plug());
    assert_eq!(query(&net.client(address), "number").unwrap().last(), Some(&2));
    assert_eq!(net.waiting_in_sockets(), 1);
    assert_eq!(update(3), 1);
    assert_eq!(query(&net.client(address), "number").unwrap().last(), Some(&3));
    assert_eq!(net.waiting_in_sockets(), 1);
}

#[test]
fn another_length_of_the_interfaces_packets_is_seen_at_the_next_change() {
    let Some(net) = Net::new() else { return };
    let Some(mut running) = net.serve("192.0.2.1:0", 1) else { return };
    let address = running.local_addrs()[0];
    let is_truncated = || query(&net.client(address), "large").unwrap()[2] & 2 != 0;
    assert!(!is_truncated());
    assert!(ip(&format!("-n {} link set {SERVER} mtu 600", net.servers)));
    let listener = Listener::dns("192.0.2.1:0".parse().unwrap(), responder(1)).xdp(net.xdp());
    net.in_servers(|| running.update(Server::new().with(listener)).unwrap());
    assert_eq!(running.interfaces(), [SERVER]);
    assert!(is_truncated());
    assert_eq!(net.waiting_in_sockets(), 0);
}

#[test]
fn another_configuration_moves_the_interface_and_the_end_leaves_nothing() {
    let Some(net) = Net::new() else { return };
    let Some(mut running) = net.serve("192.0.2.1:0", 1) else { return };
    let address = running.local_addrs()[0];
    assert!(net.has_program());
    let listener = |number| {
        Listener::dns(
            address.to_string().replace(&address.port().to_string(), "0").parse().unwrap(),
            responder(number),
        )
    };
    // The same, with another responder: nothing moves.
    running.update(Server::new().with(listener(2).xdp(net.xdp()))).unwrap();
    assert_eq!(running.local_addrs(), [address]);
    assert_eq!(query(&net.client(address), "number").unwrap().last(), Some(&2));
    // Without: by the socket.
    running.update(Server::new().with(listener(3))).unwrap();
    assert_eq!(running.interfaces(), Vec::<&str>::new());
    assert!(!net.has_program());
    assert_eq!(query(&net.client(address), "number").unwrap().last(), Some(&3));
    // And back.
    net.in_servers(|| running.update(Server::new().with(listener(4).xdp(net.xdp()))).unwrap());
    assert_eq!(running.interfaces(), [SERVER]);
    assert_eq!(query(&net.client(address), "number").unwrap().last(), Some(&4));
    assert!(net.has_program());
    drop(running);
    assert!(!net.has_program());
}

#[test]
fn an_interface_that_brings_nothing_leaves_the_sockets_alone() {
    check_sockets_serve("ctx-none", "there is no such interface");
    check_sockets_serve("a name that is longer than names are", "there is no such interface");
    check_sockets_serve("lo", "nothing from elsewhere comes by it");
}

fn check_sockets_serve(interface: &str, reason: &str) {
    let xdp = Xdp { interface: interface.to_owned(), queues: None };
    let listener = Listener::dns("127.0.0.1:0".parse().unwrap(), responder(1)).xdp(xdp);
    let log = Log::default();
    let start = || Server::new().workers(1).with(listener).start().unwrap();
    let running = tracing::subscriber::with_default(log.subscriber(), start);
    assert_eq!(running.interfaces(), Vec::<&str>::new());
    assert!(
        log.text().contains(&format!(
            "AF_XDP is not to be had: sockets serve alone interface=\"{interface}\" error=\"{reason}\""
        )),
        "{}",
        log.text()
    );
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(running.local_addrs()[0]).unwrap();
    assert_eq!(query(&socket, "number").unwrap().last(), Some(&1));
}

/// Two namespaces, with an interface in each, that see each other; gone when dropped.
struct Net {
    servers: String,
    clients: String,
}

impl Net {
    /// None where it may not be made.
    fn new() -> Option<Net> {
        let net = Net::bare()?;
        net.plug().then_some(net).or_else(|| passed_over("no virtual interfaces"))
    }

    /// Without the interfaces.
    fn bare() -> Option<Net> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let id = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let net = Net { servers: format!("ctx-s-{id}"), clients: format!("ctx-c-{id}") };
        let namespaces = [&net.servers, &net.clients].map(|name| format!("netns add {name}"));
        let up = [&net.servers, &net.clients].map(|name| format!("-n {name} link set lo up"));
        match namespaces.iter().chain(&up).find(|line| !ip(line)) {
            Some(line) => passed_over(&format!("no leave for `ip {line}`")),
            None => Some(net),
        }
    }

    /// Makes the interfaces.
    fn plug(&self) -> bool {
        self.plug_with("numrxqueues 1 numtxqueues 1", "numrxqueues 1 numtxqueues 1")
    }

    /// Makes them with so many queues.
    fn plug_with(&self, server: &str, client: &str) -> bool {
        let (s, c) = (&self.servers, &self.clients);
        let pair =
            format!("-n {s} link add {SERVER} {server} type veth peer name {CLIENT} {client} netns {c}");
        let hosts = [(s, SERVER, 1), (c, CLIENT, 2)].into_iter().flat_map(|(namespace, interface, host)| {
            [
                // No traffic but ours.
                format!("link set {interface} addrgenmode none multicast off"),
                format!("address add 192.0.2.{host}/24 broadcast + dev {interface}"),
                format!("address add 2001:db8::{host}/64 dev {interface} nodad"),
                format!("link set {interface} up"),
            ]
            .map(|words| format!("-n {namespace} {words}"))
        });
        std::iter::once(pair).chain(hosts).all(|line| ip(&line))
    }

    fn xdp(&self) -> Xdp {
        Xdp { interface: SERVER.to_owned(), queues: None }
    }

    /// A server to whom the interface brings datagrams; none where that is not allowed.
    fn serve(&self, address: &str, number: u8) -> Option<Running> {
        let listener = Listener::dns(address.parse().unwrap(), responder(number)).xdp(self.xdp());
        self.start(Server::new().workers(1).with(listener))
    }

    fn start(&self, server: Server) -> Option<Running> {
        self.start_and_tell(server, &Log::default())
    }

    fn start_and_tell(&self, server: Server, log: &Log) -> Option<Running> {
        let start = || server.start().unwrap();
        let running = self.in_servers(|| tracing::subscriber::with_default(log.subscriber(), start));
        if running.interfaces() == [SERVER] {
            return Some(running);
        }
        let said = log.text();
        let is_not_allowed = NOT_ALLOWED.iter().any(|code| said.contains(&format!("(os error {code})")));
        assert!(is_not_allowed && said.contains("sockets serve alone"), "{said}");
        passed_over(&said)
    }

    /// A socket of a client.
    fn client(&self, server: SocketAddr) -> UdpSocket {
        let any: SocketAddr = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse().unwrap();
        let socket = self.in_clients(|| UdpSocket::bind(any)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(server).unwrap();
        socket
    }

    fn in_servers<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        within(&self.servers, act)
    }

    fn in_clients<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        within(&self.clients, act)
    }

    fn ping(&self, address: &str) -> bool {
        // Without ping(8) there is nothing to be seen here.
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.clients, "ping", "-c1", "-W5", address]);
        let output = command.output().unwrap();
        String::from_utf8_lossy(&output.stderr).contains("No such file") || output.status.success()
    }

    fn has_program(&self) -> bool {
        let output = Command::new("ip").args(["-n", &self.servers, "link", "show", SERVER]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).contains("prog/xdp")
    }

    /// Datagrams that the kernel's UDP has received.
    fn waiting_in_sockets(&self) -> u64 {
        let table = self.in_servers(|| std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap());
        let udp = table.lines().filter(|line| line.starts_with("Udp:")).nth(1).unwrap();
        udp.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

/// What is said.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn subscriber(&self) -> impl tracing::Subscriber + Send + Sync + 'static {
        let log = self.clone();
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || log.clone()).finish()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for namespace in [&self.servers, &self.clients] {
            ip(&format!("netns delete {namespace}"));
        }
    }
}

fn ip(line: &str) -> bool {
    let mut command = Command::new("ip");
    command
        .args(line.split(' '))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What `act` gives on a thread of its own in a namespace. Sockets and threads that are made there stay there.
fn within<T: Send>(namespace: &str, act: impl FnOnce() -> T + Send) -> T {
    let file = File::open(format!("/run/netns/{namespace}")).unwrap();
    thread::scope(|scope| {
        let there = scope.spawn(|| {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            act()
        });
        there.join().unwrap()
    })
}

fn passed_over<T>(reason: &str) -> Option<T> {
    let is_required = std::env::var_os("CARTONYM_REQUIRE_XDP").is_some_and(|value| value == "1");
    assert!(!is_required, "AF_XDP is required: {reason}");
    // Shown with --nocapture.
    let _ = writeln!(std::io::stderr(), "passed over: {reason}");
    None
}

/// Answers with the client's address and its own, `later` by a promise, with a number, or at length.
struct Oracle(u8);

impl Plugin for Oracle {
    fn name(&self) -> &'static str {
        "oracle"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        let wire = query.name().as_wire();
        let label = wire.get(1..1 + usize::from(wire[0])).unwrap_or_default().to_vec();
        let mut put = |rdata: &[u8]| {
            let _ = response.record(Section::Answer, query.name(), Type::NULL, Ttl::ZERO, rdata);
        };
        match &label[..] {
            b"huge" => (0..10).for_each(|_| put(&[7; 300])),
            b"large" => put(&[7; 1000]),
            b"number" => put(&[self.0]),
            _ => {
                let client = query.client();
                let octets = |ip| match ip {
                    IpAddr::V4(ip) => ip.octets().to_vec(),
                    IpAddr::V6(ip) => ip.octets().to_vec(),
                };
                put(&[octets(client.address.ip()), octets(client.local.ip())].concat());
            }
        }
        if label == b"later" {
            let message = response.message().map(|message| message.as_bytes().to_vec());
            return Step::defer(async { message.map_or(Resumed::Drop, Resumed::Answered) });
        }
        Step::Answered
    }
}

fn responder(number: u8) -> std::sync::Arc<Responder> {
    let limits = cartonym_responder::Limits { udp_size: 4096, ..Default::default() };
    Responder::builder().limits(limits).zone(Name::ROOT, Chain::new().then(Oracle(number))).build()
}

/// A query with an OPT that allows 4096 octets.
fn message(id: u16, label: &str) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend(b"\0\0\0\x01\0\0\0\0\0\x01");
    message.push(label.len() as u8);
    message.extend(label.as_bytes());
    message.extend(b"\0\0\x0a\0\x01\0\0\x29\x10\0\0\0\0\0\0\0");
    message
}

/// The response without its OPT.
fn query(socket: &UdpSocket, label: &str) -> Option<Vec<u8>> {
    socket.send(&message(5, label)).unwrap();
    hear(socket).map(|response| response[..response.len() - 11].to_vec())
}

fn hear(socket: &UdpSocket) -> Option<Vec<u8>> {
    let mut buffer = [0; 65536];
    socket.recv(&mut buffer).ok().map(|len| buffer[..len].to_vec())
}

fn id(message: &[u8]) -> u16 {
    u16::from_be_bytes([message[0], message[1]])
}

#[track_caller]
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[derive(Clone, Copy)]
enum Checksum {
    Right,
    None,
    Wrong,
}

/// A socket that sends IPv4 packets as they are given.
struct Wire(socket2::Socket);

impl Wire {
    fn open() -> Wire {
        // IPPROTO_RAW.
        let raw = socket2::Protocol::from(255);
        Wire(socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::RAW, Some(raw)).unwrap())
    }

    /// Sends a datagram from port 9 of `from`; the kernel adds length and checksum to the IP header, and nothing to the rest.
    fn send(&self, from: [u8; 4], port: u16, payload: &[u8], checksum: Checksum) {
        let len = (8 + payload.len()) as u16;
        let udp =
            [&9_u16.to_be_bytes()[..], &port.to_be_bytes(), &len.to_be_bytes(), &[0, 0], payload].concat();
        let to = [192, 0, 2, 1];
        let pseudo = [&from[..], &to, &[0, 17, (len >> 8) as u8, len as u8]].concat();
        let octets = [&pseudo[..], &udp[..]].concat();
        let words =
            octets.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0)));
        let mut sum: u32 = words.sum();
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        let right = !(sum as u16);
        let written = match checksum {
            Checksum::Right => right,
            Checksum::None => 0,
            Checksum::Wrong => right ^ 0x0100,
        };
        let header = [&[0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0][..], &from, &to].concat();
        let mut packet = [header, udp].concat();
        packet[26..28].copy_from_slice(&written.to_be_bytes());
        let server: SocketAddr = "192.0.2.1:0".parse().unwrap();
        self.0.send_to(&packet, &server.into()).unwrap();
    }
}

const SERVER: &str = "ctx-server";
const CLIENT: &str = "ctx-client";
const V4: &str = "192.0.2.1";
const V6: &str = "2001:db8::1";
/// What a system says that has no AF_XDP for us: no leave, no such sockets, no such operation, and no locked memory.
const NOT_ALLOWED: [i32; 5] =
    [libc::EPERM, libc::EACCES, libc::EAFNOSUPPORT, libc::EOPNOTSUPP, libc::ENOBUFS];
const PATIENCE: Duration = Duration::from_secs(10);
