//! Connections, in the clear and under TLS.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Failure;

/// A connection to a target.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection that may be used again.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) stream: Stream,
    pub(crate) until: Instant,
}

/// Why a check did not come to its end.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The target's fault.
    Failure(Failure),
    /// Not the target's.
    Ours,
}

/// How late a limit may end before it says nothing of the target: this process was stopped, or starved.
const STALL: Duration = Duration::from_millis(500);

/// What `work` comes to, if it does so by `end`.
pub(crate) async fn until<T>(
    end: Instant,
    late: Failure,
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout_at(end, work).await {
        Ok(result) => result,
        Err(_) if Instant::now() > end + STALL => Err(Trouble::Ours),
        Err(_) => Err(Trouble::Failure(late)),
    }
}

pub(crate) async fn connect(address: SocketAddr, end: Instant) -> Result<TcpStream, Trouble> {
    let work = async { TcpStream::connect(address).await.map_err(|error| blame(&error, Failure::Connect)) };
    until(end, Failure::ConnectTimeout, work).await
}

impl Stream {
    /// Speaks TLS on a connection; `host` goes into the server name indication where it can.
    pub(crate) async fn secure(tls: &TlsConnector, tcp: TcpStream, host: &str) -> Result<Self, Trouble> {
        let ip = tcp.peer_addr().map_err(|error| blame(&error, Failure::Broken))?.ip();
        let name = ServerName::try_from(host.to_owned()).unwrap_or_else(|_| ServerName::IpAddress(ip.into()));
        match tls.connect(name, tcp).await {
            Ok(stream) => Ok(Self::Tls(Box::new(stream))),
            Err(error) => Err(blame(&error, |_| Failure::Tls(error.to_string().into()))),
        }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// Adds to `buffer` some of what comes; `Ok(0)` where nothing more does.
    pub(crate) async fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read_buf(buffer).await,
            Self::Tls(stream) => stream.read_buf(buffer).await,
        }
    }

    /// Whether the target has sent nothing since it was last read, nor closed.
    fn is_quiet(&mut self) -> bool {
        let tcp = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_mut().0,
        };
        let mut octet = [0];
        // Nobody is woken: all that is asked is whether there is something now.
        tcp.poll_peek(&mut Context::from_waker(Waker::noop()), &mut ReadBuf::new(&mut octet)).is_pending()
    }
}

impl Kept {
    /// The connection, if it is likely to work.
    pub(crate) fn take(mut self) -> Option<Self> {
        // What came unasked, such as a 408 before a close, would be read as the answer to the next request.
        (Instant::now() < self.until && self.stream.is_quiet()).then_some(self)
    }
}

/// Whose fault an error is.
pub(crate) fn blame(error: &io::Error, of: impl FnOnce(io::ErrorKind) -> Failure) -> Trouble {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    let ours = matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory)
        || matches!(error.raw_os_error(), Some(ENFILE | EMFILE));
    if ours { Trouble::Ours } else { Trouble::Failure(of(error.kind())) }
}

/// TLS 1.2 and 1.3 with whoever answers.
pub(crate) fn tls() -> TlsConnector {
    let provider = Arc::new(ring::default_provider());
    let anybody = Arc::new(Anybody(Arc::clone(&provider)));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the suites of the default versions")
        .dangerous()
        .with_custom_certificate_verifier(anybody)
        .with_no_client_auth();
    // A session resumed would not ask whether the target still has its key.
    config.resumption = Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}

/// Takes every certificate, as Route 53 does: a check asks whether the target works, and sends it no secret.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
