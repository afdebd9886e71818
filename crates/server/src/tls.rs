//! Keys, certificates, and the agreement on keys that a connection under TLS begins with.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoClientAuth, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, KeyLog, RootCertStore, ServerConfig, SignatureScheme,
};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::begun::Begun;
use crate::life::Life;

/// What a listener under TLS 1.2 or 1.3 shows its clients, and what it wants to see of them. Prints without the key.
#[derive(Clone)]
pub struct Tls(Arc<ServerConfig>);

/// Which certificates clients show. Those of authorities are PEM.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum ClientCertificates {
    /// None; none is asked for.
    #[default]
    None,
    /// One if the client likes; whose it is does not matter, but the client must have its key.
    Requested,
    /// One; whose it is does not matter, but the client must have its key.
    Required,
    /// None, or one that one of these authorities vouches for.
    VerifiedIfGiven(Vec<u8>),
    /// One that one of these authorities vouches for.
    Verified(Vec<u8>),
}

/// Why keys and certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The server's certificates are no PEM, or no certificates.
    #[error("no certificate in PEM that can be read")]
    Certificate(#[source] Option<Unreadable>),
    /// There is no private key, or one that is not known how to use.
    #[error("no private key in PEM that can be used")]
    Key(#[source] Option<Unreadable>),
    /// The key is another certificate's.
    #[error("the private key does not fit the certificate")]
    Mismatch,
    /// The authorities of clients are no PEM, or no certificates.
    #[error("no authority's certificate in PEM that can be read")]
    Authorities(#[source] Option<Unreadable>),
}

/// What is wrong with a file of keys or certificates.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

impl Tls {
    /// Shows the certificates of `chain`, the server's own first, and proves to have their `key`; both are PEM.
    ///
    /// # Errors
    ///
    /// [`TlsError`], by what is wrong with which.
    pub fn new(chain: &[u8], key: &[u8], clients: &ClientCertificates) -> Result<Tls, TlsError> {
        let chain = certificates(chain).map_err(TlsError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::Key(unreadable(error)))?;
        let provider = Arc::new(ring::default_provider());
        // Looked at alone, so that the error says which of the two is wrong.
        provider
            .key_provider
            .load_private_key(key.clone_key())
            .map_err(|error| TlsError::Key(Some(Unreadable(error.to_string()))))?;
        let verifier = clients.verifier(&provider)?;
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has suites for both versions")
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => TlsError::Mismatch,
                error => TlsError::Certificate(Some(Unreadable(error.to_string()))),
            })?;
        Ok(Tls(Arc::new(config)))
    }

    /// Writes what decrypts each connection to `file`, in the form of `SSLKEYLOGFILE`; for debugging alone.
    #[must_use]
    pub fn key_log(&self, file: File) -> Tls {
        let mut config = ServerConfig::clone(&self.0);
        config.key_log = Arc::new(KeyFile(Mutex::new(file)));
        Tls(Arc::new(config))
    }

    /// For one protocol above it.
    pub(crate) fn speaking(&self, protocols: &[&[u8]]) -> Arc<ServerConfig> {
        let mut config = ServerConfig::clone(&self.0);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }
}

/// Agrees on keys with a client; none if it does not, or not within `limit`, or the server drains.
pub(crate) async fn handshake(
    config: Arc<ServerConfig>,
    stream: Begun,
    due: Instant,
    life: &mut Life,
) -> Option<TlsStream<Begun>> {
    let acceptor = TlsAcceptor::from(config);
    // What the session holds counts as taken by the client, so it holds little.
    let accepting = acceptor.accept_with(stream, |session| session.set_buffer_limit(Some(HELD)));
    let accepted = tokio::select! {
        accepted = timeout_at(due, accepting) => accepted.ok()?,
        () = life.draining() => return None,
    };
    accepted.inspect_err(|error| tracing::debug!(%error, "no agreement on keys")).ok()
}

impl ClientCertificates {
    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let verified = |authorities| {
            let mut roots = RootCertStore::empty();
            for authority in certificates(authorities).map_err(TlsError::Authorities)? {
                roots
                    .add(authority)
                    .map_err(|error| TlsError::Authorities(Some(Unreadable(error.to_string()))))?;
            }
            Ok(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)))
        };
        let failed = |error: VerifierBuilderError| TlsError::Authorities(Some(Unreadable(error.to_string())));
        let anyone = |mandatory| {
            Arc::new(Anyone { mandatory, provider: Arc::clone(provider) }) as Arc<dyn ClientCertVerifier>
        };
        Ok(match self {
            ClientCertificates::None => Arc::new(NoClientAuth),
            ClientCertificates::Requested => anyone(false),
            ClientCertificates::Required => anyone(true),
            ClientCertificates::VerifiedIfGiven(authorities) => {
                verified(authorities)?.allow_unauthenticated().build().map_err(failed)?
            }
            ClientCertificates::Verified(authorities) => verified(authorities)?.build().map_err(failed)?,
        })
    }
}

/// Takes any certificate whose key the client has.
#[derive(Debug)]
struct Anyone {
    mandatory: bool,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Anyone {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A file of secrets, a line for each.
#[derive(Debug)]
struct KeyFile(
    // Handshakes of several threads write; a line must stay whole.
    Mutex<File>,
);

impl KeyLog for KeyFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let line = format!("{label} {} {}\n", Hex(client_random), Hex(secret));
        if let Err(error) = self.0.lock().write_all(line.as_bytes()) {
            tracing::debug!(%error, "cannot write to the key log");
        }
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// At least one certificate; its octets are looked at by who uses it.
fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Option<Unreadable>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let all = all.map_err(unreadable)?;
    if all.is_empty() { Err(None) } else { Ok(all) }
}

/// What is wrong, unless it is that there is nothing.
fn unreadable(error: pem::Error) -> Option<Unreadable> {
    match error {
        pem::Error::NoItemsFound => None,
        error => Some(Unreadable(error.to_string())),
    }
}

/// Octets that a session holds at most for a client that does not take them.
const HELD: usize = 16 * 1024;
