//! Checks by HTTPS and by TCP.

mod common;

use std::net::SocketAddr;
use std::sync::Arc;

use cartonym_health::Failure;
use cartonym_registry::{HealthCheckType::*, HealthStatus};
use common::*;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A target with a certificate that nobody signed, for another name, and long expired.
async fn tls_target(answer: &'static str) -> SocketAddr {
    let certificate = CertificateDer::from_slice(include_bytes!("data/expired.crt.der"));
    let key = PrivateKeyDer::try_from(include_bytes!("data/expired.key.der").as_slice()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    target(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut request = [0; 1024];
            while stream.read(&mut request).await.is_ok_and(|n| n > 0) {
                _ = stream.write_all(answer.as_bytes()).await;
                _ = stream.flush().await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn any_certificate_will_do_and_the_status_decides() {
    let good = tls_target("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(World::verdict_on(Https, good).await, Ok(()));
    let bad = tls_target("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(World::verdict_on(Https, bad).await, Err(Failure::Status(500)));
}

#[tokio::test]
async fn a_tls_connection_is_used_again() {
    let target = tls_target("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let world = World::new(options()).await;
    let service = world.service(Https, None).await;
    world.register(service, "i", target).await;
    soon(|| (world.checker.counts().checks >= 4).then_some(())).await;
    assert_eq!(world.checker.counts().failures, 0);
}

#[tokio::test]
async fn a_port_is_healthy_while_it_is_open() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let world = World::new(options()).await;
    let service = world.service(Tcp, None).await;
    world.register(service, "i", target).await;
    assert_eq!(world.report(service, "i").await.failure, None);
    drop(listener);
    world.is_soon(service, "i", HealthStatus::Unhealthy).await;
    let _listener = TcpListener::bind(target).await.unwrap();
    world.is_soon(service, "i", HealthStatus::Healthy).await;
}
