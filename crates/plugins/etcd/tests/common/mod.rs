//! A real etcd of the tests' own, and a responder that answers from it.

#![allow(dead_code, reason = "each test uses what it needs")]
#![allow(clippy::disallowed_methods, reason = "a test waits for another program")]

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cartonym_etcd::{Client, Op, Options as Etcd, Txn};
use cartonym_plugin::Plugin;
use cartonym_plugin_etcd::{EtcdRecords, Options};
use cartonym_responder::{Chain, Responder};
use cartonym_testing::{Answer, Canned, Tester};
use cartonym_wire::NameBuf;
use tempfile::TempDir;
use tokio::task::JoinHandle;

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

    /// What `etcdctl` says.
    pub(crate) fn output(&self, args: &[&str]) -> String {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", &format!("127.0.0.1:{}", self.client)]);
        String::from_utf8(command.args(args).output().unwrap().stdout).unwrap()
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.client)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A server with the plugin for zones of a path, kept up to date until it is dropped.
pub(crate) struct Served {
    pub(crate) tester: Tester,
    follow: JoinHandle<()>,
    pub(crate) plugin: Arc<EtcdRecords>,
}

impl Served {
    pub(crate) async fn start(server: &Server, path: &str) -> Served {
        let served = Served::begin(server, path);
        served.until("everything is read", || served.plugin.ready()).await;
        served
    }

    pub(crate) fn begin(server: &Server, path: &str) -> Served {
        let zones = ["skydns.test.", "0.0.10.in-addr.arpa."].map(|zone| zone.parse::<NameBuf>().unwrap());
        let plugin = EtcdRecords::new(Options::new(zones).endpoints([server.endpoint()]).path(path));
        let chain = Chain::new().then(plugin.clone());
        let outside = Chain::new().then(Canned::new("target.example.net. 30 A 198.51.100.1"));
        let responder = Responder::builder()
            .zone(&"test.".parse::<NameBuf>().unwrap(), chain.clone())
            .zone(&"arpa.".parse::<NameBuf>().unwrap(), chain)
            .zone(&"target.example.net.".parse::<NameBuf>().unwrap(), outside)
            .build();
        let plugin = Arc::new(plugin);
        let follow = tokio::spawn(Arc::clone(&plugin).background().unwrap());
        Served { tester: Tester::with(responder), follow, plugin }
    }

    /// What is said now.
    pub(crate) fn ask(&self, question: &str) -> Answer {
        self.tester.ask(question)
    }

    pub(crate) fn answers(&self, question: &str) -> Vec<String> {
        let mut answers = self.ask(question).answers();
        answers.sort();
        answers
    }

    pub(crate) async fn until(&self, what: &str, is: impl Fn() -> bool) -> Duration {
        let begin = Instant::now();
        while !is() {
            assert!(begin.elapsed() < Duration::from_secs(20), "{what}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        begin.elapsed()
    }

    /// Waits until a name has an address.
    pub(crate) async fn until_there(&self, name: &str) -> Duration {
        self.until(name, || !self.answers(&format!("{name} A")).is_empty()).await
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.follow.abort();
    }
}

pub(crate) fn client(server: &Server) -> Client {
    Client::new(&Etcd { endpoints: vec![server.endpoint()], ..Etcd::default() }).unwrap()
}

pub(crate) async fn put(client: &Client, key: &str, value: &str) {
    let success = vec![Op::put(key.into(), value.into())];
    client.txn(Txn { success, ..Txn::default() }).await.unwrap();
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
