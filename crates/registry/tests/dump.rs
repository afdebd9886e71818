//! A registry as text, and back.

use std::sync::Arc;

use cartonym_registry::{
    Attributes, Backend, BackendError, Change, CommitError, DnsRecord, Edit, Event, HealthCheckConfig,
    HealthCheckType, Import, ImportError, Imported, LineError, MemoryBackend, NamespaceKind, NewNamespace,
    Options, Record, RecordType, Registry, Revision, ServiceChange, Verdict, WriteError,
};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use parking_lot::Mutex;

async fn some() -> Registry {
    let registry = Registry::in_memory();
    for n in 0..200u8 {
        let name = format!("svc-{}.ns-{}.example", n % 7, n % 3);
        registry.register(&name, &format!("i{n}"), ([192, 0, 2, n], 80).into()).await.unwrap();
    }
    registry
}

fn text(registry: &Registry) -> String {
    registry.export().collect()
}

/// What does not depend on how the registry became what it is.
fn lines(text: &str) -> &str {
    text.split_once('\n').unwrap().1
}

fn read(text: &str) -> Result<Vec<Record>, LineError> {
    let mut import = Import::default();
    let mut records = Vec::new();
    for line in text.lines() {
        records.extend(import.line(line)?.map(|stored| stored.record));
    }
    assert!(import.expected() >= records.len());
    import.finish()?;
    Ok(records)
}

#[tokio::test]
async fn what_is_exported_imported_and_exported_is_the_same() {
    let text_of_one = text(&some().await);
    let other = Registry::in_memory();
    let records = read(&text_of_one).unwrap();
    let (all, none) = (records.len(), 0);
    assert_eq!(other.import(records.clone()).await.unwrap(), Imported { changed: all, same: none });
    assert_eq!(lines(&text(&other)), lines(&text_of_one));
    let before = other.published();
    assert_eq!(other.import(records).await.unwrap(), Imported { changed: none, same: all });
    assert_eq!(other.published(), before, "the second time nothing is written");
}

#[tokio::test]
async fn an_export_that_is_cut_short_or_broken_is_refused() {
    let text = text(&some().await);
    let without_last = &text[..text.trim_end().rfind('\n').unwrap()];
    assert!(matches!(read(without_last), Err(LineError::Short(1))));
    assert!(matches!(read(&text[..text.len() - 5]), Err(LineError::Form(_))));
    assert!(matches!(read(""), Err(LineError::Short(1))));
    assert!(matches!(read("{\"version\":7,\"records\":0}"), Err(LineError::Version(7))));
    let most = format!("{{\"version\":1,\"revision\":{},\"records\":0}}", u64::MAX);
    assert!(matches!(read(&most), Err(LineError::Revision(u64::MAX))));
    assert!(read(&text.replace("namespace/ns-", "namespace/nss-")).is_err());
}

/// A name that DNS cannot hold must not come in by the back door.
#[tokio::test]
async fn what_the_registry_would_not_make_is_not_imported() {
    let text = text(&some().await);
    let import = async |from: &str, to: &str| {
        let records = read(&text.replace(from, to)).unwrap();
        Registry::in_memory().import(records).await.unwrap_err()
    };
    assert!(matches!(
        import("\"name\":\"ns-1.example", "\"name\":\"ns..example").await,
        ImportError::Namespace(..)
    ));
    assert!(matches!(import("\"name\":\"svc-1", "\"name\":\"svc 1").await, ImportError::Service(..)));
    assert!(matches!(import("AWS_INSTANCE_IPV4", "SOMETHING_ELSE").await, ImportError::Instance(..)));
    assert!(matches!(
        import("AWS_INSTANCE_PORT\":\"80", "AWS_INSTANCE_PORT\":\"80\",\"AWS_ALIAS_DNS_NAME\":\"x").await,
        ImportError::Instance(..)
    ));
    assert!(matches!(
        import("\"hosted_zone_id\":\"Z", "\"hosted_zone_id\":\"Y").await,
        ImportError::Other(..)
    ));
    assert!(matches!(import("\"name\":\"svc-1", "\"name\":\"svc-9").await, ImportError::Other(..)));
    assert!(matches!(
        import("\"name\":\"svc-1\"", "\"name\":\"svc-1\",\"attributes\":{\"cartonym.max-answers\":\"0\"}")
            .await,
        ImportError::ServiceAttributes(..)
    ));
    assert!(matches!(
        import("\"name\":\"svc-1\"", "\"name\":\"svc-1\",\"tags\":{\"aws:x\":\"y\"}").await,
        ImportError::Service(..)
    ));
    let mut records = read(&text).unwrap();
    records.retain(|record| !matches!(record, Record::Namespace(_)));
    let refused = Registry::in_memory().import(records).await.unwrap_err();
    assert!(matches!(refused, ImportError::Orphan(_)), "{refused}");
}

#[tokio::test]
async fn health_is_exported_too() {
    let registry = some().await;
    let (service, instance) = {
        let model = registry.model();
        let entry = model.services().next().unwrap();
        (
            entry.service.id,
            entry.instances.iter().next().unwrap().instance.with_health(
                Verdict::Unhealthy,
                Default::default(),
                None,
            ),
        )
    };
    let record = Record::Instance { service, instance };
    assert_eq!(registry.import(vec![record.clone()]).await.unwrap().changed, 1);
    assert!(read(&text(&registry)).unwrap().contains(&record));
    let error: ImportError = WriteError::ReadOnly.into();
    assert_eq!(error.to_string(), "the registry is read-only");
}

#[tokio::test]
async fn an_import_takes_no_name_from_what_is_there() {
    let text = text(&some().await);
    let registry = Registry::in_memory();
    registry.register("web.NS-1.example", "i", ([192, 0, 2, 1], 80).into()).await.unwrap();
    let refused = registry.import(read(&text).unwrap()).await.unwrap_err();
    assert!(matches!(refused, ImportError::Renamed(_)), "{refused}");

    let registry = Registry::in_memory();
    let other = NewNamespace {
        name: "ns-1.example".to_owned(),
        kind: NamespaceKind::Http,
        description: None,
        soa_ttl: None,
        creator_request_id: None,
        tags: Default::default(),
    };
    registry.create_namespace(other).await.unwrap();
    let refused = registry.import(read(&text).unwrap()).await.unwrap_err();
    assert!(matches!(refused, ImportError::Taken(_)), "{refused}");
    let model = registry.model();
    assert_eq!(model.namespace_by_http_name("ns-1.example").unwrap().namespace.kind, NamespaceKind::Http);
}

/// A registry that was changed after it was made must not be one that cannot be restored.
#[tokio::test]
async fn what_updates_leave_is_imported_again() {
    let options = Options { private_checks: true, ..Options::default() };
    let registry = Registry::open(Arc::new(MemoryBackend::new()), options).await.unwrap();
    for name in ["one.svc.example", "two.svc.example"] {
        registry.register(name, "i", ([192, 0, 2, 1], 80).into()).await.unwrap();
    }
    let [one, two] = ["one", "two"].map(|name| {
        let model = registry.model();
        model.services().find(|entry| entry.service.name == name).unwrap().service.id
    });
    registry.update_service(one, ServiceChange::default()).await.unwrap();
    let records = vec![DnsRecord { kind: RecordType::A, ttl: 5 }];
    let without_check = ServiceChange { records, ..ServiceChange::default() };
    registry.update_service(two, without_check.clone()).await.unwrap();
    let portless = Attributes::new([("AWS_INSTANCE_IPV4", "192.0.2.2")]).unwrap();
    registry.register_instance(two, "portless".parse().unwrap(), portless, None).await.unwrap();
    let check =
        HealthCheckConfig { kind: HealthCheckType::Tcp, resource_path: None, failure_threshold: None };
    let checked = ServiceChange { health_check: Some(check), ..without_check };
    registry.update_service(two, checked).await.unwrap();

    let text_of_it = text(&registry);
    let other = Registry::in_memory();
    other.import(read(&text_of_it).unwrap()).await.unwrap();
    assert_eq!(lines(&text(&other)), lines(&text_of_it));
}

/// Somebody else changes the registry between the look and the write.
#[tokio::test]
async fn an_import_is_decided_anew_when_another_came_first() {
    let text = text(&some().await);
    let backend = Arc::new(Interrupted::default());
    let registry = Registry::open(backend.clone(), Options::default()).await.unwrap();
    let namespaces = read(&text).unwrap().into_iter();
    let (namespaces, others): (Vec<_>, Vec<_>) =
        namespaces.partition(|record| record.key().to_string().contains("name"));
    registry.import(namespaces.clone()).await.unwrap();
    let gone = namespaces.iter().map(|record| Edit::Delete(record.key())).collect();
    *backend.next.lock() = Some(Change { expect: vec![], edits: gone });
    let refused = registry.import(others).await.unwrap_err();
    assert!(matches!(refused, ImportError::Orphan(_)), "{refused}");
    assert_eq!(registry.model().services().len(), 0);
}

/// A store in which another makes a change just before the next one.
#[derive(Debug, Default)]
struct Interrupted {
    memory: MemoryBackend,
    next: Mutex<Option<Change>>,
}

impl Backend for Interrupted {
    fn commit(&self, change: Change) -> BoxFuture<'_, Result<Revision, CommitError>> {
        let next = self.next.lock().take();
        Box::pin(async move {
            if let Some(next) = next {
                self.memory.commit(next).await?;
            }
            self.memory.commit(change).await
        })
    }

    fn watch(&self, from: Revision) -> BoxStream<'static, Result<Event, BackendError>> {
        self.memory.watch(from)
    }
}
