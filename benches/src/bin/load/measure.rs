//! Measuring a running daemon.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use cartonym::wire::{Message, Type};
use cartonym_benches::query;
use serde_json::json;
use tokio::task::JoinSet;

use crate::client::{Client, registration};
use crate::{Result, figures};

/// Registrations from many clients; each has a service of its own with so many ids, which it goes round.
pub(crate) async fn register(api: SocketAddr, clients: usize, instances: usize, seconds: u64) -> Result<()> {
    let begin = Instant::now();
    let end = begin + Duration::from_secs(seconds);
    let mut running = JoinSet::new();
    for number in 0..clients {
        running.spawn(async move {
            let mut client = Client::connect(api).await?;
            let (service, _) = client.service(&format!("reg-{number}")).await?;
            let mut latencies = Vec::new();
            while Instant::now() < end {
                let request = registration(&service, latencies.len() % instances, latencies.len());
                let sent = Instant::now();
                client.send("RegisterInstance", &request).await?;
                latencies.push(sent.elapsed());
            }
            Result::Ok(latencies)
        });
    }
    let latencies = collect(running).await?;
    figures::rate(
        &format!("RegisterInstance, {clients} clients, each a service of {instances} instances"),
        latencies.len(),
        begin.elapsed(),
    );
    figures::latencies("  reply", latencies);
    Ok(())
}

pub(crate) async fn discover(api: SocketAddr, clients: usize, seconds: u64) -> Result<()> {
    let mut first = Client::connect(api).await?;
    let (service, namespace) = first.service("discover").await?;
    for instance in 0..10 {
        first.send("RegisterInstance", &registration(&service, instance, instance)).await?;
    }
    let request = json!({ "NamespaceName": namespace, "ServiceName": "svc" }).to_string();
    let begin = Instant::now();
    let end = begin + Duration::from_secs(seconds);
    let mut running = JoinSet::new();
    for _ in 0..clients {
        let request = request.clone();
        running.spawn(async move {
            let mut client = Client::connect(api).await?;
            let mut latencies = Vec::new();
            while Instant::now() < end {
                let sent = Instant::now();
                client.send("DiscoverInstances", &request).await?;
                latencies.push(sent.elapsed());
            }
            Result::Ok(latencies)
        });
    }
    let latencies = collect(running).await?;
    figures::rate(&format!("DiscoverInstances, {clients} clients"), latencies.len(), begin.elapsed());
    figures::latencies("  reply", latencies);
    Ok(())
}

/// Changes one instance's address again and again; sockets of different ports reach different workers.
pub(crate) async fn visible(api: SocketAddr, dns: SocketAddr, changes: usize, sockets: usize) -> Result<()> {
    let mut client = Client::connect(api).await?;
    let (service, namespace) = client.service("visible").await?;
    let query = query(&format!("svc.{namespace}."), Type::A);
    let sockets = (0..sockets).map(|_| connect(dns)).collect::<Result<Vec<_>>>()?;
    let (mut replies, mut latencies, mut stale) = (Vec::new(), Vec::new(), 0);
    for change in 0..changes {
        let request = registration(&service, 0, change);
        let sent = Instant::now();
        client.send("RegisterInstance", &request).await?;
        let replied = Instant::now();
        replies.push(replied - sent);
        let mut waiting: Vec<_> = sockets.iter().collect();
        while !waiting.is_empty() {
            if replied.elapsed() > Duration::from_secs(2) {
                return Err("DNS does not follow".into());
            }
            for socket in &waiting {
                socket.send(&query)?;
            }
            waiting = not_yet(waiting, change as u8)?;
            stale += waiting.len();
        }
        latencies.push(replied.elapsed());
    }
    figures::latencies("RegisterInstance, one client", replies);
    figures::latencies(
        &format!("reply to new answer on all of {} ports, asked at once", sockets.len()),
        latencies,
    );
    figures::value("  stale answers after the reply", stale);
    Ok(())
}

fn connect(dns: SocketAddr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(dns)?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    Ok(socket)
}

/// Those of `sockets` whose answer is another one.
fn not_yet(sockets: Vec<&UdpSocket>, expected: u8) -> Result<Vec<&UdpSocket>> {
    let mut others = Vec::new();
    for socket in sockets {
        if answer(socket)? != Some(expected) {
            others.push(socket);
        }
    }
    Ok(others)
}

/// The last octet of the first address.
pub(crate) fn ask(socket: &UdpSocket, query: &[u8]) -> Result<Option<u8>> {
    socket.send(query)?;
    answer(socket)
}

fn answer(socket: &UdpSocket) -> Result<Option<u8>> {
    let mut buffer = [0; 4096];
    let len = socket.recv(&mut buffer)?;
    let message = Message::new(buffer.get(..len).unwrap_or_default())?;
    let first = message.records().next().transpose()?;
    Ok(first.filter(|record| record.rtype == Type::A).and_then(|record| record.rdata.last().copied()))
}

async fn collect(mut running: JoinSet<Result<Vec<Duration>>>) -> Result<Vec<Duration>> {
    let mut all = Vec::new();
    while let Some(latencies) = running.join_next().await {
        all.extend(latencies??);
    }
    Ok(all)
}
