//! A registry that is checked, and targets on loopback that behave as a test says.
#![allow(dead_code, reason = "each test file uses its part")]

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cartonym_health::{Checker, Failure, Limits, Options, Report};
use cartonym_registry::{
    Attributes, DnsConfig, DnsRecord, HealthCheck, HealthCheckConfig, HealthCheckType, HealthStatus,
    InstanceId, MemoryBackend, NamespaceId, NamespaceKind, NewNamespace, NewService, RecordType, Registry,
    ServiceId, Tags, Timestamp, key,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) checker: Checker,
    namespace: NamespaceId,
}

/// Limits of a test's patience, and an interval as short as there is.
pub(crate) fn options() -> Options {
    let most = Duration::from_millis(400);
    Options { interval: Options::MIN_INTERVAL, limits: Limits::default().at_most(most), ..Options::default() }
}

impl World {
    pub(crate) async fn new(options: Options) -> Self {
        let asked = cartonym_registry::Options { private_checks: true, clock: tick, ..Default::default() };
        let registry = Registry::open(std::sync::Arc::new(MemoryBackend::new()), asked).await.unwrap();
        let new = NewNamespace {
            name: "svc.example".into(),
            kind: NamespaceKind::DnsPrivate { vpc: "vpc-1".into() },
            description: None,
            soa_ttl: None,
            creator_request_id: None,
            tags: Tags::default(),
        };
        let operation = registry.create_namespace(new).await.unwrap();
        let namespace = registry.operation(operation).unwrap().operation.targets.namespace.unwrap();
        let checker = Checker::start(registry.clone(), options);
        Self { registry, checker, namespace }
    }

    /// A service whose instances are checked, with a threshold of one.
    pub(crate) async fn service(&self, kind: HealthCheckType, path: Option<&str>) -> ServiceId {
        let config =
            HealthCheckConfig { kind, resource_path: path.map(Into::into), failure_threshold: Some(1) };
        self.service_of(HealthCheck::Active(config)).await
    }

    pub(crate) async fn service_of(&self, health: HealthCheck) -> ServiceId {
        let records = [RecordType::A, RecordType::Aaaa].map(|kind| DnsRecord { kind, ttl: 1 }).to_vec();
        let new = NewService {
            namespace: self.namespace,
            name: "web".into(),
            description: None,
            dns: Some(DnsConfig { policy_given: None, records }),
            health,
            creator_request_id: None,
            tags: Tags::default(),
        };
        self.registry.create_service(new).await.unwrap().id
    }

    pub(crate) async fn register(&self, service: ServiceId, instance: &str, at: SocketAddr) {
        let ip = if at.is_ipv4() { key::IPV4 } else { key::IPV6 };
        self.register_with(service, instance, &[(ip, &at.ip().to_string())], at.port()).await;
    }

    pub(crate) async fn register_with(
        &self,
        service: ServiceId,
        instance: &str,
        pairs: &[(&str, &str)],
        port: u16,
    ) {
        let port = port.to_string();
        let pairs = pairs.iter().copied().chain([(key::PORT, port.as_str())]);
        let attributes = Attributes::new(pairs).unwrap();
        self.registry.register_instance(service, id(instance), attributes, None).await.unwrap();
    }

    /// The last report on an instance, when there is one.
    pub(crate) async fn report(&self, service: ServiceId, instance: &str) -> Report {
        soon(|| self.checker.status(service, &id(instance))?.last).await
    }

    /// What the checks of one target come to.
    pub(crate) async fn verdict_on(kind: HealthCheckType, target: SocketAddr) -> Result<(), Failure> {
        let world = Self::new(options()).await;
        let service = world.service(kind, None).await;
        world.register(service, "i", target).await;
        match world.report(service, "i").await.failure {
            None => Ok(()),
            Some(failure) => Err(failure),
        }
    }

    pub(crate) async fn is_soon(&self, service: ServiceId, instance: &str, status: HealthStatus) {
        let instance = id(instance);
        soon(|| (self.registry.model().health_of(service, &instance)? == status).then_some(())).await;
    }
}

/// A clock that never shows the same time twice, since virtual time does not move it.
fn tick() -> Timestamp {
    static MILLIS: AtomicU64 = AtomicU64::new(1);
    Timestamp::from_millis(MILLIS.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn id(text: &str) -> InstanceId {
    text.parse().unwrap()
}

/// What `find` finds, as soon as it does.
pub(crate) async fn soon<T>(mut find: impl FnMut() -> Option<T>) -> T {
    for _ in 0..2000 {
        if let Some(found) = find() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("nothing found in ten seconds");
}

/// A target that does `what` with each connection.
pub(crate) async fn target<F, W>(what: F) -> SocketAddr
where
    F: Fn(TcpStream) -> W + Send + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    target_at("127.0.0.1:0", what).await
}

pub(crate) async fn target_at<F, W>(address: &str, what: F) -> SocketAddr
where
    F: Fn(TcpStream) -> W + Send + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(what(stream));
        }
    });
    address
}

/// A target that answers each request with `answer`, as long as it is asked.
pub(crate) async fn answering(answer: impl Into<String>) -> SocketAddr {
    let answer: &'static str = answer.into().leak();
    target(move |mut stream| async move {
        while !request(&mut stream).await.is_empty() && stream.write_all(answer.as_bytes()).await.is_ok() {}
    })
    .await
}

/// The head of the next request; nothing where the connection ends.
pub(crate) async fn request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(octet) => head.push(octet),
            Err(_) => return String::new(),
        }
    }
    String::from_utf8(head).unwrap()
}
