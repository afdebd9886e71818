//! Zones changed over the wire by the clients that people have, and a server that dies at any moment.

mod common;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cartonym::wire::{Rcode, Type};
use common::{Process, ask, cartonym, free_address, wait_until};

const SECRET: &str = "c2VjcmV0IG9mIDI0IG9jdGV0cyE=";

/// A server of `example.`, which `key.` may change.
struct Server {
    process: Process,
    address: SocketAddr,
}

impl Server {
    fn start(folder: &Path, address: SocketAddr) -> Server {
        let corefile = format!(
            "example.:{} {{\n root {}\n bind 127.0.0.1\n tsig {{\n  secret key. {SECRET}\n  secret other. {SECRET}\n }}\n \
             file db {{\n  update key.\n }}\n}}\n",
            address.port(),
            folder.display()
        );
        std::fs::write(folder.join("Corefile"), corefile).unwrap();
        let mut command = cartonym(&["-quiet", "-conf"]);
        command.arg(folder.join("Corefile")).stderr(Stdio::null());
        let process = Process(command.spawn().unwrap());
        wait_until("the daemon answers", || ask(address, "example.", Type::SOA).is_some());
        Server { process, address }
    }

    /// Runs a client with these commands; its exit says whether the server acknowledged.
    fn client(&self, program: &str, key: &str, commands: &str) -> (bool, String) {
        let mut child = Command::new(program)
            .args(["-y", &format!("hmac-sha256:{key}:{SECRET}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let script = format!("server 127.0.0.1 {}\nzone example.\n{commands}\nsend\n", self.address.port());
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = "$TTL 60\n@ SOA ns host 1 60 10 3600 5\n@ NS ns\nns A 192.0.2.53\n";
    std::fs::write(folder.path().join("db"), text).unwrap();
    folder
}

#[test]
fn nsupdate_and_knsupdate_change_a_zone() {
    let folder = folder();
    let server = Server::start(folder.path(), free_address());
    let mut expected = Vec::new();
    for (host, program) in [(1, "nsupdate"), (2, "knsupdate")] {
        let (ok, text) = server.client(program, "key.", &format!("add www.example. 60 A 192.0.2.{host}"));
        assert!(ok, "{program}: {text}");
        expected.push(host);
        assert_eq!(ask(server.address, "www.example.", Type::A), Some((Rcode::NOERROR, expected.clone())));
        let (ok, text) =
            server.client(program, "key.", "prereq nxdomain www.example.\nadd x.example. 60 A 192.0.2.9");
        assert!(!ok && text.contains("YXDOMAIN"), "{program}: {text}");
        let (ok, text) = server.client(program, "other.", "add x.example. 60 A 192.0.2.9");
        assert!(!ok && text.contains("REFUSED"), "{program}: {text}");
        assert_eq!(ask(server.address, "x.example.", Type::A), Some((Rcode::NXDOMAIN, vec![])));
    }
    let (ok, text) = server.client(
        "nsupdate",
        "key.",
        "prereq yxrrset www.example. A\nprereq nxrrset www.example. TXT\ndelete www.example. A 192.0.2.1\nadd www.example. 60 A 192.0.2.3",
    );
    assert!(ok, "{text}");
    assert_eq!(ask(server.address, "www.example.", Type::A), Some((Rcode::NOERROR, vec![2, 3])));
}

#[test]
fn what_was_acknowledged_is_there_after_kills_at_any_moment() {
    let folder = folder();
    let address = free_address();
    let acknowledged = Mutex::new(Vec::new());
    for round in 0..ROUNDS {
        let mut server = Server::start(folder.path(), address);
        for host in acknowledged.lock().unwrap().iter() {
            let found = ask(address, &format!("n{host}.example."), Type::A);
            assert_eq!(found, Some((Rcode::NOERROR, vec![7])), "n{host}");
        }
        let (is_over, before) = (AtomicBool::new(false), acknowledged.lock().unwrap().len());
        std::thread::scope(|scope| {
            for writer in 0..2 {
                let (server, is_over, acknowledged) = (&server, &is_over, &acknowledged);
                scope.spawn(move || {
                    for number in 0.. {
                        if is_over.load(Ordering::Relaxed) {
                            break;
                        }
                        let host = format!("{round}-{writer}-{number}");
                        let line = format!("add n{host}.example. 60 A 192.0.2.7");
                        // A client that has lost its server waits for long; it is not waited for.
                        if timed(server, &line) {
                            acknowledged.lock().unwrap().push(host);
                        }
                    }
                });
            }
            // No panic here: the writers would go on for ever. Whether anything was written is asserted in the end.
            let end = Instant::now() + Duration::from_secs(60);
            while acknowledged.lock().unwrap().len() == before && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
            std::thread::sleep(Duration::from_millis(120 + 37 * round));
            server.process.signal("KILL");
            is_over.store(true, Ordering::Relaxed);
        });
        let end = Instant::now() + Duration::from_secs(60);
        while server.process.0.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "the daemon does not die");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    assert!(acknowledged.lock().unwrap().len() >= ROUNDS as usize, "hardly anything was written");
}

#[test]
fn a_configuration_that_takes_over_loses_no_update() {
    let folder = folder();
    let server = Server::start(folder.path(), free_address());
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                server.process.signal("USR1");
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        for number in 0..20 {
            // A lost query is the client's to ask again; a lost update would be seen below.
            while !timed(&server, &format!("add n{number}.example. 60 A 192.0.2.7")) {}
        }
        is_over.store(true, Ordering::Relaxed);
    });
    for number in 0..20 {
        let name = format!("n{number}.example.");
        wait_until(&name, || ask(server.address, &name, Type::A) == Some((Rcode::NOERROR, vec![7])));
    }
}

/// One update, for a second at most.
fn timed(server: &Server, line: &str) -> bool {
    let mut child = Command::new("nsupdate")
        .args(["-t", "1", "-u", "1", "-r", "0", "-y", &format!("hmac-sha256:key.:{SECRET}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let script = format!("server 127.0.0.1 {}\nzone example.\n{line}\nsend\n", server.address.port());
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    child.wait().unwrap().success()
}

const ROUNDS: u64 = 5;
