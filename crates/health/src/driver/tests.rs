//! Schedules in virtual time, with targets that do as they are told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use cartonym_registry::*;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::time::{Instant, advance, sleep};

use super::*;
use crate::probe::{Kept, Outcome, Target};
use crate::{Checker, Failure, Options};

/// What a target does when it is checked.
#[derive(Debug, Clone, Copy)]
enum Does {
    Pass,
    Fail,
    /// Says nothing, for four seconds.
    Silent,
    /// Has this side say that it is its own fault.
    Ours,
    Panic,
}

/// A prober of targets by port, that keeps a diary.
#[derive(Debug, Clone, Default)]
struct Script {
    does: Arc<Mutex<HashMap<u16, Does>>>,
    diary: Arc<Mutex<Vec<(u16, Instant)>>>,
    /// Told when a check ends without having come to its end.
    broken_off: Arc<AtomicBool>,
}

impl Prober for Script {
    async fn probe(self, target: Target, _kept: Option<Kept>) -> Probed {
        struct OnDrop(Arc<AtomicBool>);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let port = target.address.port();
        self.diary.lock().push((port, Instant::now()));
        let does = self.does.lock().get(&port).copied().unwrap_or(Does::Pass);
        let begun = OnDrop(self.broken_off);
        sleep(Duration::from_millis(if matches!(does, Does::Silent) { 4000 } else { 1 })).await;
        std::mem::forget(begun);
        let outcome = match does {
            Does::Pass => Outcome::Passed,
            Does::Fail => Outcome::Failed(Failure::Status(500)),
            Does::Silent => Outcome::Failed(Failure::ConnectTimeout),
            Does::Ours => Outcome::Inconclusive,
            Does::Panic => panic!("as the test told it to"),
        };
        Probed { outcome, kept: None }
    }
}

impl Script {
    fn set(&self, port: u16, does: Does) {
        self.does.lock().insert(port, does);
    }

    /// When the target of `port` was checked.
    fn checks(&self, port: u16) -> Vec<Instant> {
        self.diary.lock().iter().filter(|(checked, _)| *checked == port).map(|(_, at)| *at).collect()
    }

    fn forget(&self) {
        self.diary.lock().clear();
    }
}

struct World {
    registry: Registry,
    service: ServiceId,
    script: Script,
}

const SECOND: Duration = Duration::from_secs(1);

fn every_second() -> Options {
    Options { interval: SECOND, ..Options::default() }
}

impl World {
    /// A registry with one service checked by TCP.
    async fn new(threshold: u8) -> Self {
        Self::over(Registry::in_memory(), threshold).await
    }

    async fn over(registry: Registry, threshold: u8) -> Self {
        let namespace = NewNamespace {
            name: "svc.example".into(),
            kind: NamespaceKind::DnsPublic,
            description: None,
            soa_ttl: None,
            creator_request_id: None,
            tags: Tags::default(),
        };
        let operation = registry.create_namespace(namespace).await.unwrap();
        let namespace = registry.operation(operation).unwrap().operation.targets.namespace.unwrap();
        let records = vec![DnsRecord { kind: RecordType::A, ttl: 1 }];
        let new = NewService {
            namespace,
            name: "web".into(),
            description: None,
            dns: Some(DnsConfig { policy_given: None, records }),
            health: HealthCheck::Active(tcp(threshold)),
            creator_request_id: None,
            tags: Tags::default(),
        };
        let service = registry.create_service(new).await.unwrap().id;
        Self { registry, service, script: Script::default() }
    }

    fn start(&self, options: Options) -> Checker {
        let driver = Driver::new(self.registry.clone(), &options, self.script.clone());
        Checker::run(self.registry.clone(), driver)
    }

    /// Registers the instance `i<port>`.
    async fn register(&self, port: u16) {
        self.register_as(&format!("i{port}"), port).await;
    }

    async fn register_as(&self, id: &str, port: u16) {
        let pairs = [(key::IPV4, "192.0.2.1"), (key::PORT, &port.to_string())];
        let attributes = Attributes::new(pairs).unwrap();
        let id = id.parse().unwrap();
        self.registry.register_instance(self.service, id, attributes, None).await.unwrap();
    }

    async fn deregister(&self, port: u16) {
        let id = format!("i{port}").parse().unwrap();
        self.registry.deregister_instance(self.service, &id).await.unwrap();
    }

    fn is_healthy(&self, port: u16) -> bool {
        let id = format!("i{port}").parse().unwrap();
        self.registry.model().health_of(self.service, &id) == Some(HealthStatus::Healthy)
    }
}

fn tcp(threshold: u8) -> HealthCheckConfig {
    let kind = HealthCheckType::Tcp;
    HealthCheckConfig { kind, resource_path: None, failure_threshold: Some(threshold) }
}

fn gaps(moments: &[Instant]) -> Vec<Duration> {
    moments.windows(2).map(|two| two[1] - two[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn an_instance_is_checked_soon_and_then_once_an_interval_or_a_little_later() {
    let world = World::new(1).await;
    let _checker = world.start(every_second());
    let registered = Instant::now();
    world.register(1).await;
    sleep(100 * SECOND).await;
    let checks = world.script.checks(1);
    assert!(checks[0] - registered <= SECOND / 9, "{:?}", checks[0] - registered);
    let gaps = gaps(&checks);
    assert!(gaps.iter().all(|gap| (SECOND..=SECOND * 21 / 20 + SECOND / 500).contains(gap)), "{gaps:?}");
    assert!((95..=100).contains(&checks.len()), "{}", checks.len());
}

#[tokio::test(start_paused = true)]
async fn what_is_there_at_a_start_is_checked_all_over_the_interval() {
    let world = World::new(1).await;
    for port in 1..=200 {
        world.register(port).await;
    }
    let _checker = world.start(every_second());
    let start = Instant::now();
    sleep(SECOND - SECOND / 100).await;
    let mut tenths = [0; 11];
    world
        .script
        .diary
        .lock()
        .iter()
        .for_each(|(_, at)| tenths[(*at - start).as_millis() as usize / 100] += 1);
    assert!(tenths[..10].iter().all(|n| (5..50).contains(n)), "{tenths:?}");
}

#[tokio::test(start_paused = true)]
async fn the_threshold_counts_both_ways() {
    let world = World::new(3).await;
    let checker = world.start(every_second());
    world.register(1).await;
    sleep(SECOND / 2).await;
    world.script.set(1, Does::Fail);
    sleep(2 * SECOND + SECOND / 5).await;
    let status = checker.status(world.service, &"i1".parse().unwrap()).unwrap();
    assert!(world.is_healthy(1));
    assert_eq!((status.contrary, status.threshold, status.verdict), (2, 3, Verdict::Unset));
    assert_eq!(status.last.unwrap().failure, Some(Failure::Status(500)));
    sleep(SECOND + SECOND / 5).await;
    assert!(!world.is_healthy(1));
    world.script.set(1, Does::Pass);
    sleep(2 * SECOND + SECOND / 10).await;
    assert!(!world.is_healthy(1));
    sleep(SECOND + SECOND / 5).await;
    let status = checker.status(world.service, &"i1".parse().unwrap()).unwrap();
    assert!(world.is_healthy(1));
    assert_eq!(status.last.unwrap().failure, None);
    assert_eq!(status.last_failure.unwrap().failure, Some(Failure::Status(500)));
    assert_eq!(checker.counts().transitions, 2);
}

#[tokio::test(start_paused = true)]
async fn black_holes_delay_nobody() {
    let world = World::new(1).await;
    let options = Options { running: 40, ..every_second() };
    for port in 1..=200 {
        world.script.set(port, Does::Silent);
        world.register(port).await;
    }
    let checker = world.start(options);
    // Until each black hole is known for one.
    sleep(120 * SECOND).await;
    (201..=300).for_each(|port| world.script.set(port, Does::Pass));
    for port in 201..=300 {
        world.register(port).await;
    }
    sleep(SECOND).await;
    world.script.forget();
    sleep(20 * SECOND).await;
    for port in 201..=300 {
        let checks = world.script.checks(port);
        assert!(checks.len() >= 18, "{port} was checked {} times", checks.len());
        assert!(gaps(&checks).iter().all(|gap| *gap <= SECOND * 11 / 10), "{port}");
    }
    assert!(checker.counts().running <= 40 && checker.counts().postponed > 0);
    assert!((1..=200).all(|port| !world.is_healthy(port)));
    assert!((201..=300).all(|port| world.is_healthy(port)));
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_nothing_is_made_up_for() {
    let world = World::new(1).await;
    for port in 1..=200 {
        world.register(port).await;
    }
    let _checker = world.start(every_second());
    sleep(5 * SECOND).await;
    world.script.forget();
    advance(600 * SECOND).await;
    let woken = Instant::now();
    sleep(SECOND - SECOND / 100).await;
    let checks: Vec<_> = world.script.diary.lock().iter().map(|(_, at)| *at - woken).collect();
    assert!((150..=200).contains(&checks.len()), "{}", checks.len());
    assert!((50..150).contains(&checks.iter().filter(|at| **at < SECOND / 2).count()), "{checks:?}");
}

#[tokio::test(start_paused = true)]
async fn deregistering_ends_the_checks_and_one_that_runs() {
    let world = World::new(1).await;
    let checker = world.start(every_second());
    world.script.set(1, Does::Silent);
    world.register(1).await;
    sleep(SECOND).await;
    assert_eq!(checker.counts().running, 1);
    world.deregister(1).await;
    sleep(SECOND / 100).await;
    let counts = checker.counts();
    assert_eq!((counts.running, counts.instances), (0, 0));
    assert!(world.script.broken_off.load(Ordering::Relaxed));
    world.script.forget();
    sleep(10 * SECOND).await;
    assert_eq!(world.script.diary.lock().len(), 0);
    assert_eq!(checker.status(world.service, &"i1".parse().unwrap()), None);
}

#[tokio::test(start_paused = true)]
async fn registering_again_replaces_the_check() {
    let world = World::new(1).await;
    let checker = world.start(every_second());
    world.script.set(1, Does::Fail);
    world.register_as("i", 1).await;
    sleep(2 * SECOND).await;
    world.register_as("i", 2).await;
    sleep(SECOND / 5).await;
    world.script.forget();
    sleep(10 * SECOND).await;
    assert_eq!(world.script.checks(1).len(), 0);
    assert!(world.script.checks(2).len() >= 9);
    let status = checker.status(world.service, &"i".parse().unwrap()).unwrap();
    assert_eq!((status.verdict, status.last_failure), (Verdict::Unset, None));
    assert_eq!(checker.counts().instances, 1);
}

#[tokio::test(start_paused = true)]
async fn who_registers_again_and_again_is_not_checked_faster() {
    let world = World::new(1).await;
    let _checker = world.start(every_second());
    for _ in 0..200 {
        world.register(1).await;
        sleep(SECOND / 20).await;
    }
    let gaps = gaps(&world.script.checks(1));
    assert!(gaps.len() >= 3 && gaps.iter().all(|gap| *gap >= SECOND), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_the_fault_of_this_side_says_nothing() {
    let world = World::new(1).await;
    let checker = world.start(every_second());
    world.script.set(1, Does::Ours);
    world.script.set(2, Does::Panic);
    world.register(1).await;
    world.register(2).await;
    sleep(10 * SECOND).await;
    let counts = checker.counts();
    assert!(world.is_healthy(1) && world.is_healthy(2));
    assert_eq!((counts.checks, counts.running), (0, 0));
    assert!(counts.inconclusive >= 18, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_changes_its_check_changes_the_checks() {
    let world = World::new(10).await;
    let checker = world.start(every_second());
    world.script.set(1, Does::Fail);
    world.register(1).await;
    sleep(5 * SECOND).await;
    assert!(world.is_healthy(1));
    let records = vec![DnsRecord { kind: RecordType::A, ttl: 1 }];
    let change =
        |check| ServiceChange { records: records.clone(), health_check: check, ..Default::default() };
    world.registry.update_service(world.service, change(Some(tcp(1)))).await.unwrap();
    sleep(2 * SECOND).await;
    assert!(!world.is_healthy(1));
    world.registry.update_service(world.service, change(None)).await.unwrap();
    sleep(SECOND).await;
    assert_eq!(checker.counts().instances, 0);
    world.script.forget();
    sleep(5 * SECOND).await;
    assert_eq!(world.script.diary.lock().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn many_verdicts_are_few_changes() {
    let world = World::new(1).await;
    for port in 1..=1000 {
        world.script.set(port, Does::Fail);
        world.register(port).await;
    }
    let before = world.registry.published().0;
    // All of them at one address, and all of them at once.
    let _checker = world.start(Options { interval: Options::MIN_INTERVAL, ..Options::default() });
    sleep(SECOND).await;
    assert!((1..=1000).all(|port| !world.is_healthy(port)));
    let changes = world.registry.published().0 - before;
    assert!(changes <= 500, "{changes} changes");
}

#[tokio::test(start_paused = true)]
async fn a_verdict_that_cannot_be_written_is_written_later() {
    let backend = Arc::new(Moody { inner: MemoryBackend::new(), away: AtomicBool::new(false) });
    let registry = Registry::open(backend.clone(), cartonym_registry::Options::default()).await.unwrap();
    let world = World::over(registry, 1).await;
    let _checker = world.start(every_second());
    for port in 1..=3 {
        world.script.set(port, Does::Fail);
        world.register(port).await;
    }
    backend.away.store(true, Ordering::Relaxed);
    sleep(5 * SECOND).await;
    world.script.set(3, Does::Pass);
    sleep(5 * SECOND).await;
    assert!((1..=3).all(|port| world.is_healthy(port)));
    backend.away.store(false, Ordering::Relaxed);
    sleep(SECOND).await;
    assert_eq!([1, 2, 3].map(|port| world.is_healthy(port)), [false, false, true]);
}

/// A backend in memory that takes no change while it is away.
struct Moody {
    inner: MemoryBackend,
    away: AtomicBool,
}

impl Backend for Moody {
    fn commit(&self, change: Change) -> BoxFuture<'_, Result<Revision, CommitError>> {
        match self.away.load(Ordering::Relaxed) {
            true => Box::pin(async { Err(CommitError::Unavailable("away".into())) }),
            false => self.inner.commit(change),
        }
    }

    fn watch(&self, from: Revision) -> BoxStream<'static, Result<Event, BackendError>> {
        self.inner.watch(from)
    }
}
