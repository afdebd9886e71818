//! Accepts connections, and gives each a place and a task.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::{Client, Transport};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::connection::{Connection, Service};
use crate::connections::{Connections, Full, Place};
use crate::life::Life;

/// One listener's loop, and what it gives to its connections.
pub(crate) struct Acceptor {
    pub(crate) listener: TcpListener,
    pub(crate) connections: Arc<Connections>,
    pub(crate) service: Arc<Service>,
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
        let client = Client { address: peer, local, transport: Transport::Tcp };
        let id = place.id();
        let connection = Connection::new(stream, client, place, Arc::clone(&self.service));
        let task = tokio::spawn(connection.run(self.life.clone()));
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

const RETRY: Duration = Duration::from_millis(50);
