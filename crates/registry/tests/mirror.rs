//! What is kept elsewhere passes the suite's part for those that only read, and says when it cannot be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use cartonym_registry::conformance::Store;
use cartonym_registry::{
    Attributes, Backend, BackendError, Change, Edit, Event, Instance, Key, Mirror, Namespace, NamespaceKind,
    NewNamespace, NewService, Record, Revision, Service, Tags, Timestamp, Verdict,
};
use futures_util::StreamExt;
use parking_lot::Mutex;

/// What is kept elsewhere, and the mirror that is open.
struct Elsewhere(Mutex<(BTreeMap<Key, Record>, Arc<Mirror>)>);

impl Elsewhere {
    fn new() -> Self {
        Self(Mutex::new((BTreeMap::new(), Arc::new(Mirror::new(Revision::ZERO)))))
    }
}

impl Store for Elsewhere {
    async fn open(&self) -> Arc<dyn Backend> {
        let (records, mirror) = &mut *self.0.lock();
        *mirror = Arc::new(Mirror::new(Revision(mirror.revision().0 + 1)));
        mirror.replace(records.clone());
        mirror.clone()
    }

    async fn turn(&self, _backend: &Arc<dyn Backend>, n: usize) -> Revision {
        let (records, mirror) = &mut *self.0.lock();
        let mut part = part(n);
        match n % 5 {
            4 => records.retain(|key, _| !part.contains_key(key)),
            _ => records.append(&mut part),
        }
        mirror.replace(records.clone())
    }
}

cartonym_registry::conformance_suite!(read_only Elsewhere::new());

#[tokio::test]
async fn until_it_was_read_nothing_is_told_but_what_is_wrong() {
    let mirror = Mirror::new(Revision(5));
    let mut events = mirror.watch(Revision::ZERO);
    mirror.fail(BackendError::Unavailable("no network".into()));
    assert!(matches!(events.next().await, Some(Err(BackendError::Unavailable(_)))));
    mirror.replace(part(1));
    assert_eq!(events.next().await.unwrap().unwrap(), Event::Reset);
}

#[tokio::test]
async fn what_is_wrong_is_told_until_it_is_not() {
    let mirror = Mirror::new(Revision(5));
    let at = mirror.replace(part(1));
    let mut events = mirror.watch(Revision::ZERO);
    while events.next().await.unwrap().unwrap() != Event::CaughtUp(at) {}
    mirror.fail(BackendError::Damaged("line 3".into()));
    assert!(matches!(events.next().await, Some(Err(BackendError::Damaged(_)))));

    // A change of health goes on, and does not make it look well.
    let changed = mirror.commit(unwell()).await.unwrap();
    let told = events.next().await.unwrap().unwrap();
    assert!(matches!(told, Event::Changed { revision, .. } if revision == changed));
    assert!(matches!(events.next().await, Some(Err(BackendError::Damaged(_)))));

    assert_eq!(mirror.replace(part(1)), changed, "what was found meanwhile is not undone");
    assert_eq!(events.next().await.unwrap().unwrap(), Event::CaughtUp(changed));
}

#[tokio::test]
async fn health_is_the_one_thing_that_the_registry_changes() {
    let mirror = Mirror::new(Revision(5));
    mirror.replace(part(1));
    let mut change = unwell();
    mirror.commit(change.clone()).await.unwrap();
    change.expect.clear();
    change.edits.push(Edit::Delete(change.edits[0].key()));
    mirror.commit(change).await.unwrap_err();
}

/// The instance of part 1 is found unwell.
fn unwell() -> Change {
    let edits = part(1).into_values().filter_map(|record| match record {
        Record::Instance { service, instance } => {
            let instance = instance.with_health(Verdict::Unhealthy, Timestamp::from_millis(9), None);
            Some(Edit::Put(Record::Instance { service, instance }))
        }
        _ => None,
    });
    Change { expect: vec![], edits: edits.collect() }
}

/// A namespace with a service with an instance; every fifth number is the part of two before.
fn part(n: usize) -> BTreeMap<Key, Record> {
    let n = if n % 5 == 4 { n - 2 } else { n };
    let namespace = namespace(n);
    let service = service(&namespace);
    let attributes = Attributes::new([("AWS_INSTANCE_IPV4", "192.0.2.1")]).unwrap();
    let now = Timestamp::from_millis(1);
    let instance = Instance::new("i".parse().unwrap(), attributes, None, now, &service, &namespace).unwrap();
    let records = [
        Record::HttpName { name: namespace.http_name.clone(), namespace: namespace.id },
        Record::Instance { service: service.id, instance },
        Record::Service(service),
        Record::Namespace(namespace),
    ];
    records.into_iter().map(|record| (record.key(), record)).collect()
}

fn namespace(n: usize) -> Namespace {
    let new = NewNamespace {
        name: format!("n{n}.example"),
        kind: NamespaceKind::DnsPublic,
        description: None,
        soa_ttl: None,
        creator_request_id: None,
        tags: Tags::default(),
    };
    new.make(Timestamp::default(), |_| false).unwrap()
}

fn service(namespace: &Namespace) -> Service {
    let new = NewService {
        namespace: namespace.id,
        name: "web".to_owned(),
        description: None,
        dns: None,
        health: Default::default(),
        creator_request_id: None,
        tags: Tags::default(),
    };
    new.make(namespace, false, Timestamp::default()).unwrap()
}
