//! What the measurements share: a registry that is checked, DNS in front of it, and figures with their limits.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use cartonym::health::{Checker, Options};
use cartonym::registry::{
    Attributes, DnsConfig, DnsRecord, HealthCheck, HealthCheckConfig, HealthCheckType, NamespaceId,
    NamespaceKind, NewNamespace, NewService, RecordType, Registry, ServiceId, Tags, key,
};
use cartonym::server::Running;
use cartonym::{Chain, Records, Server};
use cartonym_benches::query;
use cartonym_wire::{Message, Type};
use tokio::net::UdpSocket;
use tokio::runtime::{Builder, Runtime};

use crate::Result;

/// A registry, its checks, and DNS that answers from it.
pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) checker: Checker,
    namespace: NamespaceId,
    server: Running,
}

/// A client of DNS that asks for one name.
pub(crate) struct Asker {
    socket: UdpSocket,
    query: Vec<u8>,
}

/// What this process has used of the processor, and holds of memory.
pub(crate) struct Usage {
    pub(crate) seconds: f64,
    pub(crate) megabytes: f64,
}

/// Figures that were printed, and whether one of them fell short.
#[derive(Default)]
pub(crate) struct Figures {
    short: Vec<String>,
}

pub(crate) fn threads() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().build()?)
}

pub(crate) fn thread() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

impl World {
    pub(crate) async fn new(interval: Duration) -> Result<World> {
        let registry = Registry::in_memory();
        let namespace = NewNamespace {
            name: ZONE.into(),
            kind: NamespaceKind::DnsPublic,
            description: None,
            soa_ttl: None,
            creator_request_id: None,
            tags: Tags::default(),
        };
        let operation = registry.create_namespace(namespace).await?;
        let operation = registry.operation(operation).ok_or("no operation")?.operation;
        let namespace = operation.targets.namespace.ok_or("no namespace")?;
        let server =
            Server::new().listen("127.0.0.1:0").zone(ZONE, Chain::new().then(Records::of(&registry)));
        let server = server.start()?;
        let checker = Checker::start(registry.clone(), Options { interval, ..Options::default() });
        Ok(World { registry, checker, namespace, server })
    }

    /// A service with A records whose instances are checked; one result decides.
    pub(crate) async fn service(&self, name: &str, kind: HealthCheckType) -> Result<ServiceId> {
        let config = HealthCheckConfig { kind, resource_path: None, failure_threshold: Some(1) };
        let records = vec![DnsRecord { kind: RecordType::A, ttl: 1 }];
        let new = NewService {
            namespace: self.namespace,
            name: name.into(),
            description: None,
            dns: Some(DnsConfig { policy_given: None, records }),
            health: HealthCheck::Active(config),
            creator_request_id: None,
            tags: Tags::default(),
        };
        Ok(self.registry.create_service(new).await?.id)
    }

    pub(crate) async fn register(&self, service: ServiceId, id: &str, target: SocketAddr) -> Result<()> {
        let pairs = [(key::IPV4, target.ip().to_string()), (key::PORT, target.port().to_string())];
        self.registry.register_instance(service, id.parse()?, Attributes::new(pairs)?, None).await?;
        Ok(())
    }

    pub(crate) async fn asker(&self, service: &str) -> Result<Asker> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        socket.connect(self.server.local_addrs()[0]).await?;
        Ok(Asker { socket, query: query(&format!("{service}.{ZONE}"), Type::A) })
    }
}

impl Asker {
    /// The addresses that DNS answers.
    pub(crate) async fn ask(&self) -> Result<Vec<Ipv4Addr>> {
        self.socket.send(&self.query).await?;
        let mut response = [0; 4096];
        let received = tokio::time::timeout(PATIENCE, self.socket.recv(&mut response)).await;
        let len = received.map_err(|_| "DNS does not answer")??;
        let message = Message::new(&response[..len])?;
        let mut addresses = Vec::new();
        for record in message.records() {
            let record = record?;
            if record.section == 0 && record.rtype == Type::A {
                let octets: [u8; 4] = record.rdata.try_into()?;
                addresses.push(octets.into());
            }
        }
        Ok(addresses)
    }
}

impl Usage {
    /// What proc(5) says now.
    pub(crate) fn now() -> Result<Usage> {
        let stat = fs::read_to_string("/proc/self/stat")?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| -> Result<f64> { Ok(fields.get(at).ok_or("no times")?.parse()?) };
        let status = fs::read_to_string("/proc/self/status")?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kilobytes: f64 = resident.trim().trim_end_matches("kB").trim().parse()?;
        // A tick is a hundredth of a second on every Linux there is.
        Ok(Usage { seconds: (ticks(11)? + ticks(12)?) / 100.0, megabytes: kilobytes / 1024.0 })
    }
}

impl Figures {
    pub(crate) fn at_most(&mut self, what: &str, value: f64, limit: f64, unit: &str) {
        self.tell(what, value <= limit, format!("{value:.1} {unit}, at most {limit} {unit}"));
    }

    pub(crate) fn at_least(&mut self, what: &str, value: f64, limit: f64, unit: &str) {
        self.tell(what, value >= limit, format!("{value:.1} {unit}, at least {limit} {unit}"));
    }

    /// Fails if one fell short.
    pub(crate) fn end(self) -> Result<()> {
        if self.short.is_empty() { Ok(()) } else { Err(format!("too bad: {}", self.short.join("; ")).into()) }
    }

    fn tell(&mut self, what: &str, is_reached: bool, figure: String) {
        println!("{:<4} {what}: {figure}", if is_reached { "ok" } else { "BAD" });
        if !is_reached {
            self.short.push(what.to_owned());
        }
    }
}

/// The value below which are so many of a hundred, and the greatest.
pub(crate) fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values
        .get((values.len() * percent / 100).min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

const ZONE: &str = "svc.example";
const PATIENCE: Duration = Duration::from_secs(2);
