//! One upstream: asking it, and what is known of it.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::metrics::Times;
use crate::options::Options;
use crate::outgoing::Outgoing;
use crate::pool::{Limits, Pool, Pooled};
use crate::tls::Tls;

/// Where an upstream is, and how its connections are encrypted, if they are.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Tls>,
}

/// A stream of messages, under TLS or not.
type Stream = Box<dyn Duplex>;

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug> Duplex for S {}

/// A server to ask.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    source: IpAddr,
    udp: Pool<UdpSocket>,
    tcp: Pool<Stream>,
    tls: Option<Tls>,
    /// Probes that have failed in a row.
    fails: AtomicU32,
    /// Told when it is in doubt whether the upstream answers.
    pub(crate) doubt: Notify,
    queries: AtomicU64,
    failed_probes: AtomicU64,
    /// Over UDP, and over TCP.
    opened: [AtomicU64; 2],
    reused: [AtomicU64; 2],
    pub(crate) times: Times,
}

/// What has been counted for one upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Queries sent to it.
    pub queries: u64,
    /// Probes that failed.
    pub failed_probes: u64,
    /// Sockets opened, and connections.
    pub opened: [u64; 2],
    /// Queries that used a socket that was open, and those that used a connection.
    pub reused: [u64; 2],
}

/// Why an upstream has not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error("i/o timeout")]
    Timeout,
    #[error("{}", .0.kind())]
    Io(#[from] io::Error),
}

impl Upstream {
    pub(crate) fn new(target: Target, options: &Options) -> Upstream {
        let Target { address, tls } = target;
        let limits = Limits { expire: options.expire, max_age: options.max_age, max_idle: options.max_idle };
        let unspecified = match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Upstream {
            address,
            source: options.source.unwrap_or(unspecified),
            udp: Pool::new(limits),
            tcp: Pool::new(limits),
            tls,
            fails: AtomicU32::new(0),
            doubt: Notify::new(),
            queries: AtomicU64::new(0),
            failed_probes: AtomicU64::new(0),
            opened: Default::default(),
            reused: Default::default(),
            times: Times::default(),
        }
    }

    /// Sends a query over UDP, and waits for its response.
    pub(crate) async fn ask_udp(&self, query: &Outgoing, limit: Duration) -> Result<Vec<u8>, ExchangeError> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        let pooled = match self.take(&self.udp, UDP) {
            Some(pooled) => pooled,
            None => Pooled::new(self.open_udp().await?),
        };
        // A socket whose answer is late is closed with it: a later query must not meet it.
        let answer = within(limit, exchange_datagrams(&pooled.socket, query)).await?;
        self.udp.put(pooled);
        Ok(answer)
    }

    /// Sends a query over TCP, and waits for its response.
    pub(crate) async fn ask_tcp(&self, query: &Outgoing, limit: Duration) -> Result<Vec<u8>, ExchangeError> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        if let Some(pooled) = self.take(&self.tcp, TCP) {
            match self.exchange_stream(pooled, query, limit).await {
                // It was closed while it was idle, and so, likely, were the others.
                Err(ExchangeError::Io(_)) => self.tcp.clear(),
                answered => return answered,
            }
        }
        let stream = within(limit, self.open_stream()).await?;
        self.exchange_stream(Pooled::new(stream), query, limit).await
    }

    async fn exchange_stream(
        &self,
        mut pooled: Pooled<Stream>,
        query: &Outgoing,
        limit: Duration,
    ) -> Result<Vec<u8>, ExchangeError> {
        let answer = within(limit, exchange_frames(&mut pooled.socket, query)).await?;
        self.tcp.put(pooled);
        Ok(answer)
    }

    fn take<S>(&self, pool: &Pool<S>, protocol: usize) -> Option<Pooled<S>> {
        let pooled = pool.take();
        let counts = if pooled.is_some() { &self.reused } else { &self.opened };
        if let Some(count) = counts.get(protocol) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        pooled
    }

    async fn open_udp(&self) -> io::Result<UdpSocket> {
        // Each socket has a port of the system's choice, which a stranger has to guess (RFC 5452 §4.5).
        let socket = UdpSocket::bind(SocketAddr::new(self.source, 0)).await?;
        socket.connect(self.address).await?;
        Ok(socket)
    }

    async fn open_stream(&self) -> io::Result<Stream> {
        let stream = self.open_tcp().await?;
        Ok(match &self.tls {
            None => Box::new(stream),
            Some(Tls { config, name }) => {
                let connector = TlsConnector::from(Arc::clone(config));
                let connected = connector.connect(name.clone(), stream).await;
                // What is wrong with a certificate is only in the whole error; answers tell its kind.
                let address = self.address;
                Box::new(connected.inspect_err(|error| tracing::debug!(%address, %error, "no TLS"))?)
            }
        })
    }

    async fn open_tcp(&self) -> io::Result<TcpStream> {
        let socket = match self.address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        if !self.source.is_unspecified() {
            socket.bind(SocketAddr::new(self.source, 0))?;
        }
        socket.set_nodelay(true)?;
        socket.connect(self.address).await
    }

    /// Says how a probe went.
    pub(crate) fn probed(&self, answered: bool) {
        if answered {
            self.fails.store(0, Ordering::Relaxed);
        } else {
            self.fails.fetch_add(1, Ordering::Relaxed);
            self.failed_probes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether so many probes have not failed in a row.
    pub(crate) fn is_fit(&self, max_fails: u32) -> bool {
        max_fails == 0 || self.fails.load(Ordering::Relaxed) < max_fails
    }

    /// Closes sockets that have been idle for too long.
    pub(crate) fn sweep(&self) {
        self.udp.sweep();
        self.tcp.sweep();
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            queries: read(&self.queries),
            failed_probes: read(&self.failed_probes),
            opened: self.opened.each_ref().map(read),
            reused: self.reused.each_ref().map(read),
        }
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Target {
        Target { address, tls: None }
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> Result<T, ExchangeError> {
    match timeout(limit, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(ExchangeError::Timeout),
    }
}

/// What does not answer the query is passed over: a stranger's guess must not end the wait for the truth.
async fn exchange_datagrams(socket: &UdpSocket, query: &Outgoing) -> io::Result<Vec<u8>> {
    socket.send(query.as_bytes()).await?;
    let mut datagram = vec![0; MAX_DATAGRAM_LEN];
    loop {
        let len = socket.recv(&mut datagram).await?;
        let Some(message) = datagram.get(..len) else { continue };
        if query.is_answered_by(message) {
            datagram.truncate(len);
            return Ok(datagram);
        }
    }
}

/// Two octets of length, then the message (RFC 1035 §4.2.2).
async fn exchange_frames(stream: &mut Stream, query: &Outgoing) -> io::Result<Vec<u8>> {
    let len = u16::try_from(query.as_bytes().len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // One write, so that it leaves in one packet (RFC 7766 §8).
    stream.write_all(&[&len.to_be_bytes(), query.as_bytes()].concat()).await?;
    stream.flush().await?;
    loop {
        let mut message = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut message).await?;
        if query.is_answered_by(&message) {
            return Ok(message);
        }
    }
}

const UDP: usize = 0;
const TCP: usize = 1;
/// More than any upstream was told to send.
const MAX_DATAGRAM_LEN: usize = 4096;
