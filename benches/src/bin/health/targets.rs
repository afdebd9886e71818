//! What is checked: good endpoints, black holes, and those that mean no good.

use std::env::current_exe;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::Result;

/// Targets in another process, so that what is measured here is the checks.
pub(crate) struct Elsewhere {
    process: Child,
    /// Their ports, in the order in which they are served.
    pub(crate) ports: Vec<u16>,
}

impl Elsewhere {
    /// Starts this program again, to serve `what`.
    pub(crate) fn start(what: &str) -> Result<Elsewhere> {
        let mut command = Command::new(current_exe()?);
        let mut process = command.args(["targets", what]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("the targets say nothing")?).read_line(&mut line)?;
        let ports = line.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?;
        Ok(Elsewhere { process, ports })
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Serves what is asked for on all of 127.0.0.0/8, and says on which ports.
pub(crate) async fn serve(what: &str) -> Result<()> {
    if what == "hostile" {
        let ports: Vec<_> = futures_util::future::try_join_all(Malice::ALL.map(Malice::serve)).await?;
        println!("{}", ports.iter().map(u16::to_string).collect::<Vec<_>>().join(" "));
        return std::future::pending().await;
    }
    let (good, hole) = (listen(16_384)?, listen(1)?);
    let queue = fill(hole.local_addr()?.port()).await;
    println!("{} {}", good.local_addr()?.port(), hole.local_addr()?.port());
    serve_good(good).await;
    drop(queue);
    Ok(())
}

/// A good endpoint, and what is aborted to kill it with all its connections.
pub(crate) async fn good(address: Ipv4Addr) -> Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind((address, 0)).await?;
    Ok((listener.local_addr()?, tokio::spawn(serve_good(listener))))
}

async fn serve_good(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => _ = connections.spawn(answer(stream)),
            // No descriptor is left; one comes back.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(mut stream: TcpStream) {
    let mut request = [0; 512];
    while stream.read(&mut request).await.is_ok_and(|n| n > 0) {
        _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    }
}

fn listen(backlog: u32) -> Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([0, 0, 0, 0], 0).into())?;
    Ok(socket.listen(backlog)?)
}

/// Fills a listener's queue, so that it drops whoever else comes.
async fn fill(port: u16) -> Vec<TcpStream> {
    let mut queue = Vec::new();
    let patience = Duration::from_millis(100);
    while let Ok(Ok(stream)) = timeout(patience, TcpStream::connect((Ipv4Addr::LOCALHOST, port))).await {
        queue.push(stream);
    }
    queue
}

/// What a target does to who checks it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Malice {
    /// A head without an end.
    EndlessHead,
    /// An octet now and then.
    Drip,
    /// Ten gigabytes.
    HugeBody,
    /// What is no TLS, to who speaks it.
    BrokenTls,
    /// Sends back to itself.
    Redirect,
}

impl Malice {
    pub(crate) const ALL: [Malice; 5] =
        [Malice::EndlessHead, Malice::Drip, Malice::HugeBody, Malice::BrokenTls, Malice::Redirect];

    async fn serve(self) -> Result<u16> {
        let listener = listen(1024)?;
        let port = listener.local_addr()?.port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(self.torment(stream));
            }
        });
        Ok(port)
    }

    async fn torment(self, mut stream: TcpStream) {
        let mut request = [0; 512];
        if !stream.read(&mut request).await.is_ok_and(|n| n > 0) {
            return;
        }
        let (first, again, pause): (&[u8], &[u8], _) = match self {
            Malice::EndlessHead => (b"HTTP/1.1 200 OK\r\n", &[b'a'; 4096], Duration::ZERO),
            Malice::Drip => (b"HTTP/1.1 200 OK\r\n", b"x", Duration::from_millis(50)),
            Malice::HugeBody => {
                (b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", &[b'x'; 65536], Duration::ZERO)
            }
            Malice::BrokenTls => (b"\x16\x03\x03\x40\x00", &[0; 64], Duration::from_millis(10)),
            Malice::Redirect => {
                let head =
                    b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                _ = stream.write_all(head).await;
                return;
            }
        };
        let mut written = stream.write_all(first).await;
        while written.is_ok() {
            if !pause.is_zero() {
                sleep(pause).await;
            }
            written = stream.write_all(again).await;
        }
    }
}
