//! A real etcd of the tests' own.

#![allow(dead_code, reason = "each test uses what it needs")]
#![allow(clippy::disallowed_methods, reason = "a test waits for another program")]

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use cartonym_backend_etcd::Options;
use tempfile::TempDir;

/// Whether there is an etcd to test with; passed over otherwise, unless CI says that there must be one.
pub(crate) fn has_etcd() -> bool {
    let there = Command::new("etcd").arg("--version").stdout(Stdio::null()).status().is_ok();
    assert!(there || std::env::var_os("CARTONYM_REQUIRE_PEERS").is_none(), "etcd is not installed");
    there
}

/// A server that ends with whoever started it.
pub(crate) struct Server {
    folder: TempDir,
    client: u16,
    peer: u16,
    process: Option<Child>,
}

impl Server {
    pub(crate) fn start() -> Server {
        let (client, peer) = (free_port(), free_port());
        let mut server = Server { folder: tempfile::tempdir().unwrap(), client, peer, process: None };
        server.go_on();
        server
    }

    /// One for all tests of this program.
    pub(crate) fn shared() -> &'static Server {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(Server::start)
    }

    /// Starts it again on what it left.
    pub(crate) fn go_on(&mut self) {
        // The shell outlives this program long enough to end the server: its input ends with us.
        let script = "\"$@\" & server=$!; cat >/dev/null; kill -9 $server; wait $server";
        let urls = [self.client, self.peer].map(|port| format!("http://127.0.0.1:{port}"));
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", "etcd", "--data-dir"]).arg(self.folder.path());
        command.args(["--listen-client-urls", &urls[0], "--advertise-client-urls", &urls[0]]);
        command.args(["--listen-peer-urls", &urls[1], "--initial-advertise-peer-urls", &urls[1]]);
        command.args(["--initial-cluster", &format!("default={}", urls[1])]);
        // The suite of all backends makes larger changes than a registry does.
        command.args(["--max-txn-ops", "100000", "--max-request-bytes", "67108864"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(command.spawn().unwrap());
        let end = Instant::now() + Duration::from_secs(30);
        while !self.ctl(&["endpoint", "health"]) {
            assert!(Instant::now() < end, "etcd does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Starts it again where those who knew it do not find it; gives its port.
    pub(crate) fn go_on_elsewhere(&mut self) -> u16 {
        let before = std::mem::replace(&mut self.client, free_port());
        self.go_on();
        before
    }

    /// Starts it again at a port.
    pub(crate) fn go_on_at(&mut self, port: u16) {
        self.client = port;
        self.go_on();
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.stdin.take());
            process.wait().unwrap();
        }
    }

    /// Runs `etcdctl`, and says whether it went well.
    pub(crate) fn ctl(&self, args: &[&str]) -> bool {
        if TcpStream::connect(("127.0.0.1", self.client)).is_err() {
            return false;
        }
        let mut command = Command::new("etcdctl");
        command
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &format!("127.0.0.1:{}", self.client)])
            .args(args);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }

    pub(crate) fn options(&self) -> Options {
        let endpoints = vec![format!("http://127.0.0.1:{}", self.client)];
        Options { endpoints, ..Options::default() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
