//! What a registry says while its backend is slow, away, or comes back as another.

mod common;

use std::sync::Arc;
use std::time::Duration;

use cartonym_registry::*;
use common::*;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::watch;

/// A backend whose watch tells nothing, or that it is away, while the test says so.
struct Moody {
    memory: MemoryBackend,
    mood: watch::Receiver<Mood>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Open,
    Silent,
    Away,
    Broken,
}

impl Backend for Moody {
    fn commit(&self, change: Change) -> BoxFuture<'_, Result<Revision, CommitError>> {
        match *self.mood.borrow() {
            Mood::Away => Box::pin(async { Err(CommitError::Unavailable("away".into())) }),
            _ => self.memory.commit(change),
        }
    }

    fn watch(&self, from: Revision) -> BoxStream<'static, Result<Event, BackendError>> {
        let state = (self.memory.watch(from), self.mood.clone());
        let next = |(mut events, mut mood): (BoxStream<'static, _>, watch::Receiver<Mood>)| async move {
            loop {
                let now = *mood.borrow_and_update();
                let event = match now {
                    // The mood first: what the test has said holds for the next event.
                    Mood::Open => tokio::select! {
                        biased;
                        _ = mood.changed() => continue,
                        event = events.next() => event,
                    },
                    Mood::Silent => {
                        mood.changed().await.ok()?;
                        continue;
                    }
                    Mood::Broken => panic!("a defect"),
                    // It says so as often as it is asked, and ends when it is back, as a connection does.
                    Mood::Away => {
                        let away = Err(BackendError::Unavailable("away".into()));
                        return Some((away, (stream::empty().boxed(), mood)));
                    }
                };
                return event.map(|event| (event, (events, mood)));
            }
        };
        stream::unfold(state, next).boxed()
    }
}

async fn moody(memory: &MemoryBackend) -> (Registry, watch::Sender<Mood>) {
    let (set, mood) = watch::channel(Mood::Open);
    let backend = Moody { memory: memory.clone(), mood };
    (Registry::open(Arc::new(backend), Options::default()).await.unwrap(), set)
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_dns_does_not_answer_yet_is_submitted_and_then_a_success() {
    let (registry, mood) = moody(&MemoryBackend::new()).await;
    let service = public_service(&registry, &[RecordType::A]).await;
    mood.send_replace(Mood::Silent);
    let operation = registry.register_instance(service, id("i"), at("192.0.2.1"), None).await.unwrap();
    assert_eq!(registry.operation(operation).unwrap().status, OperationStatus::Submitted);
    assert!(registry.model().instance(service, "i").is_none());

    let before = registry.published();
    mood.send_replace(Mood::Open);
    registry.wait_published(before.next()).await;
    assert_eq!(registry.operation(operation).unwrap().status, OperationStatus::Success);
    assert!(registry.model().instance(service, "i").is_some());
}

#[tokio::test(start_paused = true)]
async fn while_the_backend_is_away_reads_go_on_and_changes_are_refused() {
    let (registry, mood) = moody(&MemoryBackend::new()).await;
    let service = public_service(&registry, &[RecordType::A]).await;
    mood.send_replace(Mood::Away);
    while registry.away_since().is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let refused = registry.register_instance(service, id("i"), at("192.0.2.1"), None).await;
    assert!(matches!(refused, Err(RegisterInstanceError::Write(WriteError::Unavailable(_)))));
    assert!(registry.model().service(service).is_some());

    mood.send_replace(Mood::Open);
    registry.register_instance(service, id("i"), at("192.0.2.1"), None).await.unwrap();
    assert_eq!(registry.away_since(), None);
    assert!(registry.model().instance(service, "i").is_some());
}

#[tokio::test(start_paused = true)]
async fn while_the_publisher_panics_changes_are_refused_and_then_all_is_read_anew() {
    let memory = MemoryBackend::new();
    let (registry, mood) = moody(&memory).await;
    let (other, _mood) = moody(&memory).await;
    let service = public_service(&registry, &[RecordType::A]).await;
    other.wait_published(registry.published()).await;
    mood.send_replace(Mood::Broken);
    while !registry.has_panicked() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(registry.away_since().is_some());
    let goes_on = registry.goes_on();
    assert!(!goes_on());
    let refused = registry.register_instance(service, id("i"), at("192.0.2.1"), None).await;
    assert!(matches!(refused, Err(RegisterInstanceError::Write(WriteError::Unavailable(_)))));

    other.register_instance(service, id("i"), at("192.0.2.1"), None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(registry.has_panicked(), "it has panicked again");
    assert!(registry.model().instance(service, "i").is_none());

    mood.send_replace(Mood::Open);
    registry.wait_published(other.published()).await;
    assert!(registry.model().instance(service, "i").is_some());
    registry.register_instance(service, id("j"), at("192.0.2.2"), None).await.unwrap();
    assert!(goes_on() && !registry.has_panicked());
    assert_eq!(registry.away_since(), None);
}

#[tokio::test]
async fn changes_of_another_node_are_published_too() {
    let memory = MemoryBackend::new();
    let (one, _mood) = moody(&memory).await;
    let (other, _mood) = moody(&memory).await;
    let service = public_service(&one, &[RecordType::A]).await;
    one.register_instance(service, id("i"), at("192.0.2.1"), None).await.unwrap();
    other.wait_published(one.published()).await;
    assert_eq!(other.model().instance(service, "i").unwrap().instance.attributes(), &at("192.0.2.1"));
}

#[tokio::test]
async fn a_node_that_has_not_heard_of_a_change_plans_anew_after_the_conflict() {
    let memory = MemoryBackend::new();
    let (ahead, _mood) = moody(&memory).await;
    let (behind, mood) = moody(&memory).await;
    let service = public_service(&ahead, &[RecordType::A]).await;
    behind.wait_published(ahead.published()).await;
    mood.send_replace(Mood::Silent);
    ahead.tag(Resource::Service(service), vec![("by".into(), "ahead".into())]).await.unwrap();

    let late = behind.clone();
    let tags = vec![("too".into(), "behind".into())];
    let tagging = tokio::spawn(async move { late.tag(Resource::Service(service), tags).await });
    tokio::task::yield_now().await;
    mood.send_replace(Mood::Open);
    tagging.await.unwrap().unwrap();
    let tags = behind.tags(Resource::Service(service)).unwrap();
    assert_eq!(tags.iter().collect::<Vec<_>>(), [("by", "ahead"), ("too", "behind")]);
}

#[tokio::test]
async fn a_read_only_backend_says_so() {
    struct ReadOnly(MemoryBackend);

    impl Backend for ReadOnly {
        fn commit(&self, _: Change) -> BoxFuture<'_, Result<Revision, CommitError>> {
            Box::pin(async { Err(CommitError::ReadOnly) })
        }

        fn watch(&self, from: Revision) -> BoxStream<'static, Result<Event, BackendError>> {
            self.0.watch(from)
        }
    }

    let registry =
        Registry::open(Arc::new(ReadOnly(MemoryBackend::new())), Options::default()).await.unwrap();
    let refused = registry.create_namespace(http("h")).await;
    assert!(matches!(refused, Err(CreateNamespaceError::Write(WriteError::ReadOnly))));
}
