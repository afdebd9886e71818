//! From a request to its response, without a connection.

use bytes::Bytes;
use cartonym_registry::{Registry, Timestamp};
use hyper::header::{HeaderName, HeaderValue, ORIGIN};
use hyper::http::request::Parts;
use hyper::{Request, Response};
use tracing::debug;

use crate::call::Call;
use crate::fault::{Code, Fault};
use crate::operations;
use crate::protocol::Protocol;
use crate::sigv4::{self, AccessKeys};

/// The Cloud Map API over a registry.
#[derive(Debug)]
pub struct Api {
    registry: Registry,
    config: Config,
}

/// What an [`Api`] says of itself, and whom it believes.
#[derive(Debug, Clone)]
pub struct Config {
    /// The account that owns everything: twelve digits.
    pub account: String,
    /// The region in ARNs where a request is not signed for one.
    pub region: String,
    /// The keys that requests must be signed with.
    pub keys: AccessKeys,
    /// The time, to which the date of a signature is compared.
    pub clock: fn() -> Timestamp,
    /// Chance, for request ids and the order of discovered instances; need not be secret.
    pub random: fn() -> u64,
}

impl Default for Config {
    /// Account 123456789012 in us-east-1, for everybody.
    fn default() -> Config {
        let cartonym_registry::Options { clock, random, .. } = Default::default();
        Config {
            account: "123456789012".into(),
            region: "us-east-1".into(),
            keys: AccessKeys::none(),
            clock,
            random,
        }
    }
}

impl Api {
    /// An API over `registry`.
    pub fn new(registry: Registry, config: Config) -> Api {
        Api { registry, config }
    }

    /// Whether a request is for the API, by its method and path; the Host header says nothing.
    pub fn serves(request: &Parts) -> bool {
        Protocol::of(request).is_some()
    }

    /// Answers a request; what is wrong with it is in the answer.
    ///
    /// Returns when the change that was asked for is durable and this node's DNS answers it.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (request, body) = request.into_parts();
        let protocol = Protocol::of(&request).unwrap_or(Protocol::Json);
        match self.answer(protocol, &request, &body).await {
            Ok(body) => self.stamp(protocol.success(body)),
            Err(fault) => self.refuse(&request, &fault),
        }
    }

    /// Answers a request that is not handled, for what its connection did or for want of a signature.
    pub(crate) fn refuse(&self, request: &Parts, fault: &Fault) -> Response<Bytes> {
        debug!(code = fault.code().name(), message = fault.message(), "a request is refused");
        self.stamp(Protocol::of(request).unwrap_or(Protocol::Json).failure(fault))
    }

    /// Whether a request is signed by one of the keys; where there are none, whether it is from no page in a browser, which says
    /// where it is from (RFC 6454 §7) and may be anybody's.
    pub(crate) fn verify(&self, request: &Parts, body: &[u8]) -> Result<(), Fault> {
        if self.config.keys.is_empty() {
            return match request.headers.get(ORIGIN) {
                None => Ok(()),
                Some(_) => {
                    Err(Fault::new(Code::AccessDenied, "a page in a browser may not ask this without a key"))
                }
            };
        }
        sigv4::verify(request, body, &self.config.keys, (self.config.clock)())
    }

    async fn answer(&self, protocol: Protocol, request: &Parts, body: &[u8]) -> Result<Bytes, Fault> {
        let operation = protocol.operation(request)?;
        self.verify(request, body)?;
        let region = sigv4::region(&request.headers).unwrap_or(&self.config.region);
        let call = Call { registry: &self.registry, config: &self.config, protocol, region };
        operations::run(&call, operation, protocol.read(body)?).await
    }

    /// Gives the response an id, which SDKs print with what went wrong.
    fn stamp(&self, mut response: Response<Bytes>) -> Response<Bytes> {
        let [high, low] = [(self.config.random)(), (self.config.random)()];
        // The form of a random UUID (RFC 9562 §5.4).
        let id = format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff
        );
        if let Ok(id) = HeaderValue::try_from(id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
