//! Kills targets one by one and prints how long it takes until DNS leaves them out: `cargo run --release -p
//! cartonym-health --example kill -- [TARGETS] [INTERVAL IN MS]`, by default `200 1000`, with a threshold of one.
#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use cartonym_health::{Checker, Options};
use cartonym_registry::{
    Attributes, Changes, DnsConfig, DnsRecord, HealthCheck, HealthCheckConfig, HealthCheckType, HealthStatus,
    InstanceId, NamespaceKind, NewNamespace, NewService, RecordType, Registry, ServiceId, Tags, Timestamp,
    key,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse::<u64>());
    let (targets, interval) = (number(200)?, Duration::from_millis(number(1000)?));
    let registry = Registry::in_memory();
    let service = service(&registry).await?;
    let mut running = Vec::new();
    for n in 0..targets {
        let (address, target) = target().await?;
        let id: InstanceId = format!("i-{n}").parse()?;
        let pairs = [(key::IPV4, address.ip().to_string()), (key::PORT, address.port().to_string())];
        registry.register_instance(service, id.clone(), Attributes::new(pairs)?, None).await?;
        running.push((id, target));
    }
    let checker = Checker::start(registry.clone(), Options { interval, ..Options::default() });
    tokio::time::sleep(2 * interval).await;

    let (mut gone, mut lag) = (Vec::new(), Vec::new());
    let mut changes = registry.changes();
    for (n, (id, target)) in running.into_iter().enumerate() {
        // At all moments of the interval.
        tokio::time::sleep(interval.mul_f64((n as f64 * 0.618).fract())).await;
        let killed = Instant::now();
        target.abort();
        until_unhealthy(&registry, &mut changes, service, &id).await;
        gone.push(killed.elapsed().as_millis());
        let report = checker.status(service, &id).and_then(|status| status.last);
        lag.push(report.map_or(0, |report| Timestamp::now().as_millis() - report.at.as_millis()).into());
    }
    print("from the kill until DNS knows", gone);
    print("from the check until DNS knows", lag);
    Ok(())
}

fn print(what: &str, mut times: Vec<u128>) {
    times.sort_unstable();
    let at =
        |part: f64| times.get((part * (times.len().saturating_sub(1)) as f64) as usize).copied().unwrap_or(0);
    println!("{what}: half {} ms, p99 {} ms, most {} ms of {}", at(0.5), at(0.99), at(1.0), times.len());
}

/// Changes are told when DNS answers them.
async fn until_unhealthy(registry: &Registry, changes: &mut Changes, service: ServiceId, id: &InstanceId) {
    loop {
        changes.next().await;
        if registry.model().health_of(service, id) == Some(HealthStatus::Unhealthy) {
            return;
        }
    }
}

async fn service(registry: &Registry) -> Result<ServiceId> {
    let new = NewNamespace {
        name: "svc.example".into(),
        kind: NamespaceKind::DnsPublic,
        description: None,
        soa_ttl: None,
        creator_request_id: None,
        tags: Tags::default(),
    };
    let operation = registry.create_namespace(new).await?;
    let operation = registry.operation(operation).ok_or("no operation")?.operation;
    let kind = HealthCheckType::Http;
    let config = HealthCheckConfig { kind, resource_path: None, failure_threshold: Some(1) };
    let records = vec![DnsRecord { kind: RecordType::A, ttl: 1 }];
    let new = NewService {
        namespace: operation.targets.namespace.ok_or("no namespace")?,
        name: "web".into(),
        description: None,
        dns: Some(DnsConfig { policy_given: None, records }),
        health: HealthCheck::Active(config),
        creator_request_id: None,
        tags: Tags::default(),
    };
    Ok(registry.create_service(new).await?.id)
}

/// A target, and what is aborted to kill it with all its connections.
async fn target() -> Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let target = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(answer(stream));
        }
    });
    Ok((address, target))
}

async fn answer(mut stream: TcpStream) {
    let mut request = [0; 512];
    while stream.read(&mut request).await.is_ok_and(|n| n > 0) {
        _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    }
}
