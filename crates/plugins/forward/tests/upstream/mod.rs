//! An upstream on the loopback interface, as a test wants it to be.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// A server whose responses a function makes, over UDP and TCP on one port; it ends when it is dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

/// How a query came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Over {
    Udp,
    Tcp,
}

/// A query, and how it came.
pub(crate) type Seen = (Over, Vec<u8>);
type Handler = Arc<dyn Fn(Over, &[u8]) -> Vec<Vec<u8>> + Send + Sync>;

impl Upstream {
    pub(crate) async fn start(
        handler: impl Fn(Over, &[u8]) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Upstream {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let udp = UdpSocket::bind(address).await.unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = seen.clone();
        let handler: Handler = Arc::new(move |over, query| {
            record.lock().unwrap().push((over, query.to_vec()));
            handler(over, query)
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, handler.clone()));
        tasks.spawn(serve_tcp(tcp, handler));
        Upstream { address, seen, _tasks: tasks }
    }

    /// Answers with a TXT record that tells `word`, and RA.
    pub(crate) async fn saying(word: &'static str) -> Upstream {
        Upstream::start(move |_, query| vec![txt(query, word)]).await
    }

    /// Hears, and says nothing.
    pub(crate) async fn silent() -> Upstream {
        Upstream::start(|_, _| Vec::new()).await
    }

    /// The queries it has seen.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve_udp(socket: UdpSocket, handler: Handler) {
    let mut query = vec![0; 4096];
    while let Ok((len, from)) = socket.recv_from(&mut query).await {
        for answer in handler(Over::Udp, &query[..len]) {
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, handler: Handler) {
    let mut streams = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        streams.spawn(serve_stream(stream, handler.clone()));
    }
}

/// A handler that says nothing closes the connection.
async fn serve_stream(mut stream: TcpStream, handler: Handler) {
    while let Ok(len) = stream.read_u16().await {
        let mut query = vec![0; usize::from(len)];
        if stream.read_exact(&mut query).await.is_err() {
            return;
        }
        let answers = handler(Over::Tcp, &query);
        if answers.is_empty() {
            return;
        }
        for answer in answers {
            let mut frame = (answer.len() as u16).to_be_bytes().to_vec();
            frame.extend_from_slice(&answer);
            let _ = stream.write_all(&frame).await;
        }
    }
}

/// The end of the question; the queries here have a plain one.
fn question_end(query: &[u8]) -> usize {
    let mut at = 12;
    while query[at] != 0 {
        at += 1 + usize::from(query[at]);
    }
    at + 5
}

/// A response without records.
pub(crate) fn empty(query: &[u8], rcode: u8) -> Vec<u8> {
    let mut answer = query[..question_end(query)].to_vec();
    answer[2] |= 0x80;
    answer[3] = 0x80 | rcode;
    answer[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
    answer
}

/// A response of one TXT record.
pub(crate) fn txt(query: &[u8], word: &str) -> Vec<u8> {
    let mut answer = empty(query, 0);
    answer[7] = 1;
    let len = word.len() as u8;
    answer.extend_from_slice(&[0xC0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, len + 1, len]);
    answer.extend_from_slice(word.as_bytes());
    answer
}
