//! Accepts connections, and gives each a place and a task.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use cartonym_plugin::Client;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout, timeout_at};
#[cfg(feature = "tls")]
use tokio_rustls::server::TlsStream;

use crate::begun::Begun;
use crate::connection::{Connection, Service};
use crate::connections::{Connections, Door, Full, Place};
#[cfg(feature = "tls")]
use crate::https::{self, Guest};
use crate::life::Life;
use crate::listener::Carrier;
#[cfg(feature = "tls")]
use crate::listener::Keys;
#[cfg(feature = "tls")]
use crate::tls::handshake;

/// One listener's loop, and what it gives to its connections.
pub(crate) struct Acceptor {
    pub(crate) listener: TcpListener,
    pub(crate) local: SocketAddr,
    pub(crate) carrier: Carrier,
    pub(crate) connections: Arc<Connections>,
    pub(crate) service: Arc<ArcSwap<Service>>,
    pub(crate) life: Life,
}

impl Acceptor {
    /// Accepts until the server drains.
    pub(crate) async fn run(self) {
        let mut life = self.life.clone();
        tokio::select! {
            () = life.draining() => {}
            () = self.accept_all() => {}
        }
    }

    async fn accept_all(&self) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => self.admit(stream, peer).await,
                Err(error) => self.accept_failed(&error).await,
            }
        }
    }

    /// Finds a place for a connection. Others wait in the kernel's queue meanwhile.
    async fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        loop {
            let service = self.service.load();
            // Behind a balancer are many, who have one address: whose place it is, a header will say.
            let is_proxy = service.proxies.as_ref().is_some_and(|proxies| proxies.include(peer.ip()));
            let door = Door { listener: self.local, most: service.limits.connections, is_for_many: is_proxy };
            drop(service);
            match self.connections.admit(peer.ip(), door) {
                Ok(place) => return self.serve(stream, peer, place),
                Err(Full::Client) => return self.connections.refuse(),
                // Also looks now and then: a busy connection may have become idle.
                Err(Full::Server) => {
                    let _ = timeout(RETRY, self.connections.left()).await;
                }
            }
        }
    }

    fn serve(&self, stream: TcpStream, peer: SocketAddr, place: Place) {
        // Answers are written whole; to wait for more would only delay them.
        let (Ok(()), Ok(local)) = (stream.set_nodelay(true), stream.local_addr()) else { return };
        let client = Client { address: peer, local, transport: self.carrier.transport() };
        let id = place.id();
        let service = self.service.load_full();
        let born = Instant::now();
        let visit = Visit { client, place, service, life: self.life.clone(), born };
        let task = match &self.carrier {
            Carrier::Dns => tokio::spawn(visit.plain(stream)),
            #[cfg(feature = "tls")]
            Carrier::Tls(keys) => tokio::spawn(visit.encrypted(stream, Arc::clone(keys))),
            #[cfg(feature = "tls")]
            Carrier::Https(keys) => tokio::spawn(visit.https(stream, Arc::clone(keys))),
        };
        self.connections.seat(id, task.abort_handle());
    }

    async fn accept_failed(&self, error: &io::Error) {
        match error.kind() {
            io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted => {}
            // Files or memory have run out. The client still waits, so asking at once would spin.
            _ => {
                tracing::debug!(%error, "cannot accept a connection");
                self.connections.evict_one();
                sleep(RETRY).await;
            }
        }
    }
}

/// A client that has a place.
struct Visit {
    client: Client,
    place: Place,
    service: Arc<Service>,
    life: Life,
    /// When it came: all that it may take before its first message is counted from here.
    born: Instant,
}

impl Visit {
    /// Finds out for whom a balancer speaks; none if the connection is not to be served.
    async fn greet(&mut self, stream: TcpStream) -> Option<Begun> {
        let Some(proxies) = self.service.proxies.clone() else { return Some(Begun::new(stream, &[])) };
        let due = self.due();
        let stream = tokio::select! {
            greeted = timeout_at(due, proxies.greet(stream, &mut self.client)) => greeted.ok()?.ok()?,
            () = self.life.draining() => return None,
        };
        self.place.is_for(self.client.address.ip()).then_some(stream)
    }

    /// When the first message must have come.
    fn due(&self) -> Instant {
        self.born + self.service.limits.first_message
    }

    async fn plain(mut self, stream: TcpStream) {
        let Some(stream) = self.greet(stream).await else { return };
        let Visit { client, place, service, life, born } = self;
        Connection::new(stream, client, place, service).since(born).run(life).await;
    }
}

#[cfg(feature = "tls")]
impl Visit {
    /// A stream under these keys; none if the client does not agree in time.
    async fn agree(&mut self, stream: TcpStream, keys: &Keys) -> Option<TlsStream<Begun>> {
        let stream = self.greet(stream).await?;
        handshake(keys.load_full(), stream, self.due(), &mut self.life).await
    }

    async fn encrypted(mut self, stream: TcpStream, keys: Keys) {
        let Some(stream) = self.agree(stream, &keys).await else { return };
        let Visit { client, place, service, life, born } = self;
        Connection::new(stream, client, place, service).since(born).run(life).await;
    }

    async fn https(mut self, stream: TcpStream, keys: Keys) {
        let Some(stream) = self.agree(stream, &keys).await else { return };
        let Visit { client, place, service, life, born } = self;
        https::serve(stream, Guest::new(client, place, service, born), life).await;
    }
}

const RETRY: Duration = Duration::from_millis(50);
