//! The whole program: a Corefile with both plugins, asked over loopback.

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cartonym_testing::{Answer, Ask, free_address};

#[test]
fn the_daemon_has_both_plugins() {
    let output = Command::new(env!("CARGO_BIN_EXE_outside")).arg("-plugins").output().unwrap();
    let names = String::from_utf8(output.stdout).unwrap();
    let place = |name: &str| names.lines().position(|line| line.ends_with(name)).unwrap_or(usize::MAX);
    assert!(place("canary") < place("registry") && place("policy") < place("cache"), "{names}");
}

#[test]
fn a_corefile_with_both_is_served() {
    let port = free_address().port();
    let corefile = format!(
        ".:{port} {{
            bind 127.0.0.1
            canary www.example 192.0.2.200 {{
                from 127.0.0.0/8
            }}
            whoami
        }}
        guarded.example:{port} {{
            bind 127.0.0.1
            policy http://127.0.0.1:1/nobody-is-there {{
                timeout 1s
            }}
            whoami
        }}"
    );
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("Corefile.{port}"));
    std::fs::write(&path, corefile).unwrap();
    let _daemon = Daemon::start(&path);
    assert_eq!(ask(port, "www.example. A"), "NOERROR aa\nanswer www.example. 30 A 192.0.2.200");
    assert!(ask(port, "other.example. A").starts_with("NOERROR aa\nadditional other.example. 0 A 127.0.0.1"));
    assert_eq!(ask(port, "a.guarded.example. A"), "REFUSED");
}

struct Daemon(Child);

impl Daemon {
    fn start(corefile: &Path) -> Daemon {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outside"));
        let mut child = command.arg("-conf").arg(corefile).stdout(Stdio::piped()).spawn().unwrap();
        let says = BufReader::new(child.stdout.take().unwrap());
        let greeting = says.lines().map_while(Result::ok).find(|line| line.starts_with("cartonym-"));
        assert!(greeting.is_some(), "it does not say that it serves");
        Daemon(child)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(port: u16, question: &str) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.send_to(&Ask::new(question).to_message(), ("127.0.0.1", port)).unwrap();
    let mut answer = vec![0; 1232];
    let len = socket.recv(&mut answer).unwrap();
    answer.truncate(len);
    Answer::new(answer).to_string()
}
