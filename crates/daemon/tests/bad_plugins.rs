//! A plugin that does not keep the contract, in the whole program: its queries fail, others do not, and it is named.
//!
//! The test is its own daemon: with `serve` as its first argument it is the program, with two plugins more.

#![allow(clippy::print_stdout, reason = "it has no harness, and says what it does as one would")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use cartonym::plugin::corefile::Error;
use cartonym::plugin::{Configure, Place, Plugin, Query, Response, Setup, Step};
use cartonym_daemon::standard;
use cartonym_testing::{Answer, Ask, free_address};

/// Panics, or blocks, for names that ask for it.
struct Bad;

impl Plugin for Bad {
    fn name(&self) -> &'static str {
        "bad"
    }

    fn answer(&self, query: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        match query.name().to_string().as_str() {
            "panic.example." => panic!("as asked"),
            "block.example." => std::thread::sleep(Duration::from_millis(5)),
            _ => {}
        }
        Step::Next
    }
}

impl Configure for Bad {
    const NAME: &'static str = "bad";
    const PLACE: Place = Place::Before("whoami");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        setup.only()?.no_args()?;
        setup.plugin(Bad);
        Ok(())
    }
}

fn main() -> ExitCode {
    if std::env::args().any(|arg| arg == "-conf") {
        return cartonym_daemon::main(standard().with::<Bad>());
    }
    // A list is what `cargo test -- --list` asks for.
    if std::env::args().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    a_bad_plugin_costs_its_queries_and_is_named();
    println!("test a_bad_plugin_costs_its_queries_and_is_named ... ok");
    ExitCode::SUCCESS
}

fn a_bad_plugin_costs_its_queries_and_is_named() {
    let (dns, page) = (free_address().port(), free_address().port());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Corefile");
    let corefile = format!(
        ".:{dns} {{\n bind 127.0.0.1\n multisocket 1\n prometheus 127.0.0.1:{page}\n bad\n whoami\n}}\n"
    );
    std::fs::write(&path, corefile).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("-conf").arg(&path).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut daemon = Daemon(command.spawn().unwrap());
    let says = BufReader::new(daemon.0.stdout.take().unwrap());
    assert!(says.lines().map_while(Result::ok).any(|line| line.starts_with("cartonym-")));

    for _ in 0..20 {
        assert_eq!(ask(dns, "panic.example. A"), "SERVFAIL");
        assert_eq!(ask(dns, "good.example. A"), "NOERROR aa");
    }
    // After the first that is slow, calls are timed.
    for _ in 0..3 {
        assert_eq!(ask(dns, "block.example. A"), "NOERROR aa");
    }
    let metrics = metrics(page);
    let value = |name: &str| -> u64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in\n{metrics}")).trim().parse().unwrap()
    };
    assert_eq!(value("cartonym_plugin_panics_total{plugin=\"bad\"}"), 20);
    assert_eq!(value("coredns_panics_total"), 20);
    assert!(value("cartonym_plugin_slow_total{plugin=\"bad\"}") >= 2);

    // It is named within seconds, and what it panicked with is told of less often than it did.
    let mut errors = BufReader::new(daemon.0.stderr.take().unwrap());
    let (mut log, mut line) = (String::new(), String::new());
    while errors.read_line(&mut line).unwrap() > 0 && !line.contains("does not keep the contract") {
        log.push_str(&std::mem::take(&mut line));
    }
    assert!(line.contains("bad"), "{log}{line}");
    assert!(log.matches("panicked at").count() < 20, "{log}");
}

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The status of the answer.
fn ask(port: u16, question: &str) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.send_to(&Ask::new(question).to_message(), ("127.0.0.1", port)).unwrap();
    let mut answer = vec![0; 1232];
    let len = socket.recv(&mut answer).unwrap();
    answer.truncate(len);
    Answer::new(answer).to_string().lines().next().unwrap_or_default().to_owned()
}

fn metrics(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}
