//! Asks for the page as others do.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::Metrics;
use cartonym_plugin::metrics::{Counter, Durations, Kind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// The page to ask for, and what came of it.
#[derive(Debug)]
pub(crate) struct Probe {
    address: SocketAddr,
    failures: Counter,
    times: Durations,
}

impl Probe {
    /// A probe whose counts `metrics` tells.
    pub(crate) fn shown_by(metrics: &Metrics, address: SocketAddr) -> Arc<Probe> {
        let failures = metrics.counter(
            "coredns_health_request_failures_total",
            "Requests for the page of health that have failed.",
            &[],
            &[],
        );
        let probe = Arc::new(Probe { address, failures, times: Durations::new(Durations::COARSE, 1) });
        let shown = probe.clone();
        metrics.read(
            "coredns_health_request_duration_seconds",
            "Time that a request for the page of health took.",
            Kind::Histogram,
            move |samples| shown.times.tell(0, &[], samples),
        );
        probe
    }

    /// Asks once a second, for ever.
    pub(crate) async fn run(&self) {
        loop {
            sleep(INTERVAL).await;
            let began = Instant::now();
            if !matches!(timeout(LIMIT, ask(reachable(self.address))).await, Ok(Ok(()))) {
                self.failures.add_one();
            }
            self.times.add(0, 1, began.elapsed());
        }
    }
}

async fn ask(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await?;
    if head.ends_with(b" 200") { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// Where one's own listener is reached; all addresses are this host's too.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        // Where a host has IPv6, the listener is on both; where it has not, on IPv4.
        return SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port());
    }
    address
}

const INTERVAL: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_page_that_does_not_come_is_a_failure() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            for answer in ["HTTP/1.1 200 OK\r\n\r\nOK", "HTTP/1.1 503 No\r\n\r\n"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.read_exact(&mut [0; 50]).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        assert!(ask(address).await.is_ok());
        assert!(ask(address).await.is_err());
        assert!(ask(address).await.is_err());
    }
}
