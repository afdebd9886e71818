//! Each program is started, asked over loopback, and says what it should.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cartonym_testing::{Answer, Ask};

#[test]
fn fifteen_lines_answer_what_they_have_registered() {
    let program = Program::start(env!("CARGO_BIN_EXE_fifteen_lines"));
    assert_eq!(program.ask("web.svc.local. A"), ["web.svc.local. 5 A 10.0.0.7"]);
    assert_eq!(program.ask("web.svc.local. SRV"), ["web.svc.local. 5 SRV 1 1 8080 web-1.web.svc.local."]);
}

#[test]
fn fifteen_lines_are_what_the_readme_shows() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = fs::read_to_string(folder.join("fifteen_lines.rs")).unwrap();
    let code = &program[program.find("use ").unwrap()..];
    assert!(fs::read_to_string(folder.join("../README.md")).unwrap().contains(code));
    assert!(code.lines().filter(|line| !line.is_empty()).count() <= 15);
}

#[test]
fn a_service_that_registers_itself_is_found_where_it_listens() {
    let program = Program::start(env!("CARGO_BIN_EXE_self_registering"));
    assert_eq!(program.ask("hello.svc.local. A"), ["hello.svc.local. 5 A 127.0.0.1"]);
    let service = program.ask("hello.svc.local. SRV");
    let port: u16 = service[0].split_whitespace().nth(5).unwrap().parse().unwrap();
    let mut said = String::new();
    TcpStream::connect(("127.0.0.1", port)).unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "hello\n");
}

#[test]
fn a_service_deregisters_before_it_goes() {
    let mut program = Program::start(env!("CARGO_BIN_EXE_self_registering"));
    let killed = Command::new("kill").args(["-INT", &program.child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let mut line = String::new();
    program.says.read_line(&mut line).unwrap();
    assert_eq!(line, "deregistered\n");
    assert!(program.child.wait().unwrap().success());
}

#[test]
fn a_responder_in_a_foreign_event_loop_answers() {
    let program = Program::start(env!("CARGO_BIN_EXE_event_loop"));
    assert_eq!(program.ask("www.example. A"), ["www.example. 60 A 192.0.2.1"]);
    assert_eq!(program.ask("nothing.example. A"), Vec::<String>::new());
}

#[test]
fn a_zone_that_changes_is_answered_as_it_is() {
    let program = Program::start(env!("CARGO_BIN_EXE_hundred_changes"));
    let number = || -> u64 {
        let answers = program.ask("now.example. TXT");
        answers.first().map_or(0, |answer| answer.split('"').nth(1).unwrap().parse().unwrap())
    };
    // Half a second of changes; a machine that is busy takes longer over them.
    let mut last = number();
    let end = last + 50;
    while last < end {
        let next = number();
        assert!(next >= last, "{next} after {last}");
        last = next;
    }
}

#[test]
fn a_registry_over_a_hash_map_is_answered() {
    let program = Program::start(env!("CARGO_BIN_EXE_hash_map_backend"));
    assert_eq!(program.ask("web.svc.local. A"), ["web.svc.local. 5 A 192.0.2.7"]);
}

/// A program that has said where it listens.
struct Program {
    child: Child,
    says: BufReader<std::process::ChildStdout>,
    address: SocketAddr,
}

impl Program {
    fn start(path: &str) -> Program {
        let mut child = Command::new(path).arg("127.0.0.1:0").stdout(Stdio::piped()).spawn().unwrap();
        let mut says = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        says.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("DNS at [").and_then(|rest| rest.strip_suffix(']'));
        let address = address.unwrap_or_else(|| panic!("{path} says {line:?}")).parse().unwrap();
        Program { child, says, address }
    }

    /// The answer section.
    fn ask(&self, question: &str) -> Vec<String> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.send_to(&Ask::new(question).to_message(), self.address).unwrap();
        let mut answer = vec![0; 1232];
        let len = socket.recv(&mut answer).unwrap();
        answer.truncate(len);
        Answer::new(answer).answers()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
