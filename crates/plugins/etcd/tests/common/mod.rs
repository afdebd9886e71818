//! A responder that answers from an etcd.

#![allow(dead_code, reason = "each test uses what it needs")]
#![allow(clippy::disallowed_methods, reason = "a test waits for another program")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use cartonym_etcd::{Client, Op, Options as Etcd, Txn};
use cartonym_plugin::Plugin;
use cartonym_plugin_etcd::{EtcdRecords, Options};
use cartonym_responder::{Chain, Responder};
use cartonym_testing::{Answer, Canned, Tester};
use cartonym_wire::NameBuf;
use tokio::task::JoinHandle;

pub(crate) use cartonym_testing::EtcdServer as Server;

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
