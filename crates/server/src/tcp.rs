//! Accepts connections, and gives each a place and a task.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use cartonym_plugin::Client;
use tokio::net::{TcpListener, TcpStream};
#[cfg(feature = "tls")]
use tokio::time::Instant;
use tokio::time::{sleep, timeout};

use crate::connection::{Connection, Service};
use crate::connections::{Connections, Full, Place};
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
            match self.connections.admit(peer.ip()) {
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
        let visit = Visit { client, place, service: self.service.load_full(), life: self.life.clone() };
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
}

impl Visit {
    async fn plain(self, stream: TcpStream) {
        Connection::new(stream, self.client, self.place, self.service).run(self.life).await;
    }
}

#[cfg(feature = "tls")]
impl Visit {
    async fn encrypted(self, stream: TcpStream, keys: Keys) {
        let Visit { mut life, client, place, service } = self;
        let born = Instant::now();
        let limit = service.limits.first_message;
        if let Some(stream) = handshake(keys.load_full(), stream, limit, &mut life).await {
            Connection::new(stream, client, place, service).since(born).run(life).await;
        }
    }

    async fn https(self, stream: TcpStream, keys: Keys) {
        let Visit { mut life, client, place, service } = self;
        let born = Instant::now();
        let limit = service.limits.first_message;
        if let Some(stream) = handshake(keys.load_full(), stream, limit, &mut life).await {
            https::serve(stream, Guest::new(client, place, service, born), life).await;
        }
    }
}

const RETRY: Duration = Duration::from_millis(50);
