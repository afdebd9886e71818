//! What another keeps passes the suite's part for those that only read.

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cartonym_backend_remote::{Options, Remote};
use cartonym_registry::conformance::Store;
use cartonym_registry::{
    Attributes, Backend, Change, DnsConfig, DnsRecord, Edit, Event, HealthCheck, Instance, Key, NamespaceId,
    NamespaceKind, NewNamespace, NewService, Record, RecordType, Revision, Tags, Timestamp,
};
use futures_util::StreamExt;
use tokio::sync::{Mutex, OnceCell};

use common::Other;

/// The other side, and how often it was turned.
struct Followed {
    other: OnceCell<Other>,
    /// Held for each turn until it is told: of two at once, one look may see both.
    turns: Mutex<u32>,
}

impl Followed {
    fn new() -> Self {
        Self { other: OnceCell::new(), turns: Mutex::new(0) }
    }

    async fn other(&self) -> &Other {
        self.other.get_or_init(Other::start).await
    }
}

impl Store for Followed {
    async fn open(&self) -> Arc<dyn Backend> {
        // None makes more than ten changes a second all its life.
        let turns = *self.turns.lock().await;
        tokio::time::sleep(Duration::from_millis(100) * turns * 2).await;
        Arc::new(Remote::open(Options { allow_empty: true, ..self.other().await.options() }))
    }

    async fn turn(&self, backend: &Arc<dyn Backend>, n: usize) -> Revision {
        let mut turns = self.turns.lock().await;
        *turns += 1;
        let (namespace, edits) = match n % 5 {
            4 => {
                let (namespace, records) = part(n - 2);
                (namespace, records.iter().rev().map(|record| Edit::Delete(record.key())).collect())
            }
            _ => {
                let (namespace, records) = part(n);
                (namespace, records.into_iter().map(Edit::Put).collect())
            }
        };
        self.other().await.backend.commit(Change { expect: vec![], edits }).await.unwrap();
        told(backend, namespace, n % 5 != 4).await
    }
}

cartonym_registry::conformance_suite!(read_only Followed::new());

/// The revision by which `backend` tells that a namespace is there, or is not.
async fn told(backend: &Arc<dyn Backend>, namespace: NamespaceId, is_there: bool) -> Revision {
    let mut events = backend.watch(Revision::ZERO);
    let mut keys = BTreeSet::new();
    loop {
        let at = match events.next().await.unwrap().unwrap() {
            Event::Reset => continue,
            Event::Records(records) => {
                keys.extend(records.into_iter().map(|stored| stored.record.key()));
                continue;
            }
            Event::CaughtUp(revision) => revision,
            Event::Changed { revision, edits } => {
                for edit in edits {
                    match edit {
                        Edit::Put(record) => _ = keys.insert(record.key()),
                        Edit::Delete(key) => _ = keys.remove(&key),
                    }
                }
                revision
            }
        };
        if keys.contains(&Key::Namespace(namespace)) == is_there {
            return at;
        }
    }
}

/// A namespace, and now and then one with a service with an instance. None of those is removed: listing both takes two calls, and
/// what goes in between goes in two steps.
fn part(n: usize) -> (NamespaceId, Vec<Record>) {
    let now = Timestamp::from_millis(1);
    let namespace = NewNamespace {
        name: format!("n{n}.example"),
        kind: NamespaceKind::DnsPublic,
        description: None,
        soa_ttl: Some(5),
        creator_request_id: None,
        tags: Tags::default(),
    };
    let namespace = namespace.make(now, |_| false).unwrap();
    let http_name = Record::HttpName { name: namespace.http_name.clone(), namespace: namespace.id };
    if !n.is_multiple_of(20) {
        return (namespace.id, vec![Record::Namespace(namespace), http_name]);
    }
    let service = NewService {
        namespace: namespace.id,
        name: "web".to_owned(),
        description: None,
        dns: Some(DnsConfig { policy_given: None, records: vec![DnsRecord { kind: RecordType::A, ttl: 5 }] }),
        health: HealthCheck::None,
        creator_request_id: None,
        tags: Tags::default(),
    };
    let service = service.make(&namespace, false, now).unwrap();
    let attributes = Attributes::new([("AWS_INSTANCE_IPV4", "192.0.2.1")]).unwrap();
    let instance = Instance::new("i".parse().unwrap(), attributes, None, now, &service, &namespace).unwrap();
    let (id, within) = (namespace.id, service.id);
    let namespace = Record::Namespace(namespace);
    let instance = Record::Instance { service: within, instance };
    (id, vec![namespace, http_name, Record::Service(service), instance])
}
