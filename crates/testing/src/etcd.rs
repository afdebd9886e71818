//! A real etcd of a test's own.

#![allow(clippy::disallowed_methods, reason = "a test waits for another program")]

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::free_address;

/// An etcd with one member, on loopback, that ends with whoever started it.
#[derive(Debug)]
pub struct EtcdServer {
    folder: TempDir,
    client: u16,
    peer: u16,
    process: Option<Child>,
}

impl EtcdServer {
    /// Whether there is an etcd to test with; a test is passed over otherwise.
    ///
    /// # Panics
    ///
    /// Where there is none, and `CARTONYM_REQUIRE_PEERS` says that there must be one, as in CI.
    pub fn is_installed() -> bool {
        let there = Command::new("etcd").arg("--version").stdout(Stdio::null()).status().is_ok();
        assert!(there || std::env::var_os("CARTONYM_REQUIRE_PEERS").is_none(), "etcd is not installed");
        there
    }

    /// Starts one that is empty, and waits until it answers.
    ///
    /// # Panics
    ///
    /// It does not start.
    pub fn start() -> EtcdServer {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut server =
            EtcdServer { folder, client: free_address().port(), peer: free_address().port(), process: None };
        server.go_on();
        server
    }

    /// One for all tests of a program.
    pub fn shared() -> &'static EtcdServer {
        static SERVER: OnceLock<EtcdServer> = OnceLock::new();
        SERVER.get_or_init(EtcdServer::start)
    }

    /// Starts it again on what it left.
    ///
    /// # Panics
    ///
    /// It does not start.
    pub fn go_on(&mut self) {
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
        self.process = Some(command.spawn().expect("etcd can be started"));
        let end = Instant::now() + Duration::from_secs(30);
        while !self.ctl(&["endpoint", "health"]) {
            assert!(Instant::now() < end, "etcd does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Starts it again where those who knew it do not find it; gives the port it had.
    ///
    /// # Panics
    ///
    /// It does not start.
    pub fn go_on_elsewhere(&mut self) -> u16 {
        let before = std::mem::replace(&mut self.client, free_address().port());
        self.go_on();
        before
    }

    /// Starts it again at a port.
    ///
    /// # Panics
    ///
    /// It does not start.
    pub fn go_on_at(&mut self, port: u16) {
        self.client = port;
        self.go_on();
    }

    /// Ends it, as a power cut does.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.stdin.take());
            // One that cannot be waited for is gone.
            _ = process.wait();
        }
    }

    /// Runs `etcdctl`, and says whether it went well.
    pub fn ctl(&self, args: &[&str]) -> bool {
        if TcpStream::connect(("127.0.0.1", self.client)).is_err() {
            return false;
        }
        let mut command = self.etcdctl(args);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    /// What `etcdctl` says.
    ///
    /// # Panics
    ///
    /// It cannot be run.
    pub fn output(&self, args: &[&str]) -> String {
        let output = self.etcdctl(args).output().expect("etcdctl can be run");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Where it is, as clients are told.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.client)
    }

    fn etcdctl(&self, args: &[&str]) -> Command {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3");
        command.args(["--endpoints", &format!("127.0.0.1:{}", self.client)]).args(args);
        command
    }
}

impl Drop for EtcdServer {
    fn drop(&mut self) {
        self.stop();
    }
}
