//! Calls to a cluster.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, ConnectError, Request, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::messages::{
    Authenticate, AuthenticateResponse, Header, LeaseGrant, LeaseGrantResponse, LeaseKeepAlive,
    LeaseKeepAliveResponse, LeaseRevoke, LeaseRevokeResponse, LeaseTimeToLive, LeaseTimeToLiveResponse,
    Range, RangeResponse, Txn, TxnResponse, WatchCreate, WatchRequest, WatchResponse,
};

/// Where a cluster is, and how it is talked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Its endpoints: `http://HOST:PORT`, `https://HOST:PORT`, or `HOST:PORT` for plain HTTP.
    pub endpoints: Vec<String>,
    /// Who asks, where the cluster wants to know.
    pub credentials: Option<Credentials>,
    /// Certificates, for `https`; the system's have no say.
    pub tls: Option<Tls>,
    /// How long a call may take.
    pub timeout: Duration,
}

/// A user of etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: String,
}

/// Files in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authority that signed the cluster's certificates.
    pub authority: Option<PathBuf>,
    /// This client's certificate and key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// An endpoint that is not one, or none at all.
    #[error("`{0}` is not an endpoint such as http://127.0.0.1:2379")]
    Endpoint(String, #[source] Option<tonic::transport::Error>),
    /// A file that cannot be read.
    #[error("{}", .0.display())]
    File(PathBuf, #[source] std::io::Error),
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The revision asked for is forgotten.
    #[error("etcd has forgotten the revision")]
    Compacted,
    /// The lease has ended.
    #[error("the lease has ended")]
    Lapsed,
    /// No member answered, or not in time; whether the call had an effect is not known.
    #[error("etcd at {endpoint}: {}", .status.message())]
    Away {
        /// Who was asked.
        endpoint: String,
        /// What came of it.
        #[source]
        status: Box<Status>,
    },
}

/// A client of a cluster; its copies share their connections.
#[derive(Debug, Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    members: Vec<(String, Channel)>,
    /// Which of them is asked.
    current: AtomicUsize,
    credentials: Option<Credentials>,
    /// Guards the pass that the cluster gave for the credentials, for the length of asking for it.
    token: Mutex<Option<Pass>>,
    timeout: Duration,
}

type Pass = MetadataValue<Ascii>;

/// Changes as they are made; it ends with an error.
#[derive(Debug)]
pub struct Watch {
    stream: Streaming<WatchResponse>,
    endpoint: String,
    client: Client,
    member: usize,
    // A watch ends when nothing more can be asked of it.
    _requests: mpsc::Sender<WatchRequest>,
}

impl Options {
    /// Whether a client can be made of them; unlike making one, this needs no runtime.
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    pub fn check(&self) -> Result<(), ConfigError> {
        self.members().map(drop)
    }

    fn members(&self) -> Result<Vec<(String, Endpoint)>, ConfigError> {
        if self.endpoints.is_empty() {
            return Err(ConfigError::Endpoint(String::new(), None));
        }
        let tls = self.tls.as_ref().map(tls_config).transpose()?;
        let member = |text: &String| {
            let wrong = |error| ConfigError::Endpoint(text.clone(), Some(error));
            Ok((text.clone(), endpoint(text, tls.as_ref(), self.timeout).map_err(wrong)?))
        };
        self.endpoints.iter().map(member).collect()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            endpoints: vec!["http://127.0.0.1:2379".to_owned()],
            credentials: None,
            tls: None,
            timeout: Duration::from_secs(3),
        }
    }
}

impl Client {
    /// A client that has not called anybody yet. It needs a tokio runtime to be made and to call.
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    pub fn new(options: &Options) -> Result<Self, ConfigError> {
        let members = options.members()?;
        Ok(Self(Arc::new(Inner {
            members: members.into_iter().map(|(text, endpoint)| (text, endpoint.connect_lazy())).collect(),
            current: AtomicUsize::new(0),
            credentials: options.credentials.clone(),
            token: Mutex::new(None),
            timeout: options.timeout,
        })))
    }

    /// Asks for keys.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn range(&self, range: Range) -> Result<RangeResponse, Error> {
        self.call("/etcdserverpb.KV/Range", range).await
    }

    /// Which cluster answers for a range of keys, and which revision it is at.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn position(&self, (key, range_end): (Vec<u8>, Vec<u8>)) -> Result<Header, Error> {
        let answer = self.range(Range { key, range_end, count_only: true, ..Range::default() }).await?;
        Ok(answer.header.unwrap_or_default())
    }

    /// Makes a transaction. After [`Error::Away`] it may have been made.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn txn(&self, txn: Txn) -> Result<TxnResponse, Error> {
        self.call("/etcdserverpb.KV/Txn", txn).await
    }

    /// Asks how long a lease still lasts.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn lease_time_to_live(&self, id: i64) -> Result<LeaseTimeToLiveResponse, Error> {
        self.call("/etcdserverpb.Lease/LeaseTimeToLive", LeaseTimeToLive { id }).await
    }

    /// Asks for a lease of some seconds; etcd may make it longer.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn lease_grant(&self, seconds: i64) -> Result<i64, Error> {
        let granted: LeaseGrantResponse =
            self.call("/etcdserverpb.Lease/LeaseGrant", LeaseGrant { ttl: seconds }).await?;
        Ok(granted.id)
    }

    /// Has a lease last as long again as it was asked for.
    ///
    /// # Errors
    ///
    /// [`Error::Lapsed`], if it has ended; [`Error::Away`].
    pub async fn lease_keep_alive(&self, id: i64) -> Result<(), Error> {
        let member = self.member();
        let (_, channel) = self.at(member);
        // A stream for one word: a lease outlives it, and one that breaks is one call that failed.
        let mut request = Request::new(tokio_stream::once(LeaseKeepAlive { id }));
        self.authorize(&mut request).await?;
        let mut grpc = Grpc::new(channel.clone());
        let ask = async {
            grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
            let path = PathAndQuery::from_static("/etcdserverpb.Lease/LeaseKeepAlive");
            let mut answers = grpc.streaming(request, path, ProstCodec::default()).await?.into_inner();
            let answer: Option<LeaseKeepAliveResponse> = answers.message().await?;
            answer.ok_or_else(|| Status::unavailable("no answer"))
        };
        let answer = tokio::time::timeout(self.0.timeout, ask).await.unwrap_or_else(|_| Err(too_late()));
        let answer = answer.map_err(|status| self.failed(member, status))?;
        if answer.ttl > 0 { Ok(()) } else { Err(Error::Lapsed) }
    }

    /// Ends a lease, and with it the keys that go with it.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn lease_revoke(&self, id: i64) -> Result<(), Error> {
        let _: LeaseRevokeResponse = self.call("/etcdserverpb.Lease/LeaseRevoke", LeaseRevoke { id }).await?;
        Ok(())
    }

    /// Begins a watch.
    ///
    /// # Errors
    ///
    /// [`Error::Away`]; that a revision is forgotten is said by the first answer.
    pub async fn watch(&self, create: WatchCreate) -> Result<Watch, Error> {
        let (requests, receiver) = mpsc::channel(1);
        _ = requests.try_send(WatchRequest { create: Some(create) });
        let member = self.member();
        let (endpoint, channel) = self.at(member);
        let mut request = Request::new(ReceiverStream::new(receiver));
        self.authorize(&mut request).await?;
        // A member that has lost the others must say so, and not keep silent.
        request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
        let mut grpc = Grpc::new(channel.clone()).max_decoding_message_size(MAX_ANSWER);
        let begin = async {
            grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
            let path = PathAndQuery::from_static("/etcdserverpb.Watch/Watch");
            grpc.streaming(request, path, ProstCodec::default()).await
        };
        let begun = tokio::time::timeout(self.0.timeout, begin).await.unwrap_or_else(|_| Err(too_late()));
        let stream = begun.map_err(|status| self.failed(member, status))?.into_inner();
        Ok(Watch { stream, endpoint: endpoint.clone(), client: self.clone(), member, _requests: requests })
    }

    async fn call<Q, A>(&self, path: &'static str, message: Q) -> Result<A, Error>
    where
        Q: prost::Message + Clone + 'static,
        A: prost::Message + Default + 'static,
    {
        let mut left = self.0.members.len();
        let mut renewed = false;
        loop {
            let member = self.member();
            let mut request = Request::new(message.clone());
            let pass = self.authorize(&mut request).await?;
            match self.send(member, path, request).await {
                Ok(answer) => return Ok(answer),
                Err(status) if is_compacted(&status) => return Err(Error::Compacted),
                // A pass that has ended; the call was not made.
                Err(status) if is_unauthenticated(&status) && self.0.credentials.is_some() && !renewed => {
                    // Unless another call that had it has got a new one already.
                    self.0.token.lock().await.take_if(|token| Some(&*token) == pass.as_ref());
                    renewed = true;
                }
                Err(status) => {
                    left -= 1;
                    let was_sent = !is_unconnected(&status);
                    let error = self.failed(member, status);
                    if was_sent || left == 0 {
                        return Err(error);
                    }
                }
            }
        }
    }

    async fn send<Q, A>(&self, member: usize, path: &'static str, request: Request<Q>) -> Result<A, Status>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let (_, channel) = self.at(member);
        let mut grpc = Grpc::new(channel.clone()).max_decoding_message_size(MAX_ANSWER);
        let call = async {
            grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
            grpc.unary(request, PathAndQuery::from_static(path), ProstCodec::default()).await
        };
        let answer = tokio::time::timeout(self.0.timeout, call).await.unwrap_or_else(|_| Err(too_late()));
        Ok(answer?.into_inner())
    }

    /// Adds the pass to a request, where there are credentials; gives it.
    async fn authorize<T>(&self, request: &mut Request<T>) -> Result<Option<Pass>, Error> {
        let Some(credentials) = &self.0.credentials else { return Ok(None) };
        let mut token = self.0.token.lock().await;
        if token.is_none() {
            let (name, password) = (credentials.user.clone(), credentials.password.clone());
            let ask = Request::new(Authenticate { name, password });
            let member = self.member();
            let answer: Result<AuthenticateResponse, _> =
                self.send(member, "/etcdserverpb.Auth/Authenticate", ask).await;
            let answer = answer.map_err(|status| self.failed(member, status))?;
            *token = answer.token.parse().ok();
        }
        if let Some(token) = token.as_ref() {
            request.metadata_mut().insert("token", token.clone());
        }
        Ok(token.clone())
    }

    fn member(&self) -> usize {
        self.0.current.load(Ordering::Relaxed) % self.0.members.len()
    }

    fn at(&self, member: usize) -> &(String, Channel) {
        &self.0.members[member]
    }

    /// What a failed call comes to. The next call goes to the next member.
    fn failed(&self, member: usize, status: Status) -> Error {
        let next = (member + 1) % self.0.members.len();
        // Unless another call that failed there went on already.
        _ = self.0.current.compare_exchange(member, next, Ordering::Relaxed, Ordering::Relaxed);
        Error::Away { endpoint: self.at(member).0.clone(), status: Box::new(status) }
    }
}

impl Watch {
    /// The next changes.
    ///
    /// # Errors
    ///
    /// [`Error`]; the watch has ended then.
    pub async fn next(&mut self) -> Result<WatchResponse, Error> {
        let status = match self.stream.message().await {
            Ok(Some(answer)) if answer.compact_revision > 0 => return Err(Error::Compacted),
            Ok(Some(answer)) if answer.canceled => Status::unavailable(answer.cancel_reason),
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => Status::unavailable("the watch has ended"),
            Err(status) => status,
        };
        Err(self.client.failed(self.member, status))
    }

    /// Who tells the changes.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

fn endpoint(
    text: &str,
    tls: Option<&ClientTlsConfig>,
    timeout: Duration,
) -> Result<Endpoint, tonic::transport::Error> {
    let uri = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let endpoint = Endpoint::from_shared(uri)?
        .connect_timeout(timeout)
        .tcp_nodelay(true)
        // A watch is silent for long: this is how a member that is gone is noticed.
        // Not more often than twice the five seconds that etcd takes for an attack, and not without a call.
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(timeout);
    match tls {
        Some(tls) if text.starts_with("https://") => endpoint.tls_config(tls.clone()),
        _ => Ok(endpoint),
    }
}

fn tls_config(tls: &Tls) -> Result<ClientTlsConfig, ConfigError> {
    let read = |path: &PathBuf| std::fs::read(path).map_err(|error| ConfigError::File(path.clone(), error));
    let mut config = ClientTlsConfig::new();
    if let Some(authority) = &tls.authority {
        config = config.ca_certificate(Certificate::from_pem(read(authority)?));
    }
    if let Some((certificate, key)) = &tls.identity {
        config = config.identity(Identity::from_pem(read(certificate)?, read(key)?));
    }
    Ok(config)
}

fn too_late() -> Status {
    Status::deadline_exceeded("no answer in time")
}

fn is_compacted(status: &Status) -> bool {
    status.code() == Code::OutOfRange && status.message().contains("compacted")
}

fn is_unauthenticated(status: &Status) -> bool {
    let said = |words| status.message().contains(words);
    // What etcd says of a pass that it does not know, that is older than a change of its users, or that is missing.
    status.code() == Code::Unauthenticated
        || said("invalid auth token")
        || said("revision of auth store is old")
        || said("user name is empty")
}

/// Whether the call was not sent at all.
fn is_unconnected(status: &Status) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(status);
    while let Some(error) = cause {
        if error.is::<ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Octets of the largest answer that is taken.
const MAX_ANSWER: usize = 64 << 20;
