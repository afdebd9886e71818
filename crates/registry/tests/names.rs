//! What DNS answers where names and addresses are shared.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use cartonym_registry::RecordType::{A, Srv};
use cartonym_registry::*;
use cartonym_wire::{NameBuf, Type};
use common::*;

/// The last octets of the addresses that DNS answers, by name.
fn addresses(registry: &Registry) -> BTreeMap<String, Vec<u8>> {
    let snapshot = registry.table().snapshot();
    let zone = snapshot.zone(&"svc.example".parse::<NameBuf>().unwrap()).unwrap();
    let mut answered: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (owner, ..) in zone.records().filter(|(_, kind, ..)| *kind == Type::A) {
        answered.entry(owner.to_string()).or_default();
    }
    for (owner, octets) in &mut answered {
        let records =
            zone.records().filter(|(name, kind, ..)| name.to_string() == *owner && *kind == Type::A);
        octets.extend(records.map(|(.., rdata)| rdata[3]));
        octets.sort_unstable();
    }
    answered
}

async fn register(registry: &Registry, service: ServiceId, instance: &str, host: u8, port: &str) {
    let address = format!("192.0.2.{host}");
    let pairs = attributes(&[(key::IPV4, &address), (key::PORT, port)]);
    registry.register_instance(service, id(instance), pairs, None).await.unwrap();
}

/// The same of a registry that reads all anew.
async fn reopened(backend: &Arc<MemoryBackend>) -> Registry {
    Registry::open(backend.clone(), Options::default()).await.unwrap()
}

#[tokio::test]
async fn instances_of_two_services_may_have_one_name() {
    let backend = Arc::new(MemoryBackend::new());
    let registry = reopened(&backend).await;
    let namespace = create(&registry, public("svc.example")).await;
    let [db, replica] = ["db", "replica.db"].map(|name| service(namespace, name, &[Srv]));
    let db = registry.create_service(db).await.unwrap().id;
    let replica = registry.create_service(replica).await.unwrap().id;
    register(&registry, db, "1.replica", 1, "80").await;
    register(&registry, replica, "1", 2, "80").await;
    let both = BTreeMap::from([("1.replica.db.svc.example.".to_owned(), vec![1, 2])]);
    assert_eq!(addresses(&registry), both);
    assert_eq!(addresses(&reopened(&backend).await), both);
    registry.deregister_instance(replica, &id("1")).await.unwrap();
    let one = BTreeMap::from([("1.replica.db.svc.example.".to_owned(), vec![1])]);
    assert_eq!(addresses(&registry), one);
    assert_eq!(addresses(&reopened(&backend).await), one);
}

#[tokio::test]
async fn instances_that_share_an_address_are_one_record() {
    let backend = Arc::new(MemoryBackend::new());
    let registry = reopened(&backend).await;
    let service = public_service(&registry, &[A, Srv]).await;
    for (instance, host, port) in [("one", 1, "80"), ("two", 1, "81"), ("three", 3, "80"), ("four", 1, "82")]
    {
        register(&registry, service, instance, host, port).await;
    }
    let answered = addresses(&registry);
    assert_eq!(answered["web.svc.example."], [1, 3]);
    assert_eq!(answered["two.web.svc.example."], [1]);
    for instance in ["one", "four"] {
        registry.deregister_instance(service, &id(instance)).await.unwrap();
        assert_eq!(addresses(&registry)["web.svc.example."], [1, 3]);
    }
    assert_eq!(addresses(&reopened(&backend).await)["web.svc.example."], [1, 3]);
}
