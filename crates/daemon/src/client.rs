//! A client of the Cloud Map API, and of what is beside it, for the commands that need one.

use std::env;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::Duration;

use bytes::Bytes;
use cartonym::cloudmap::Credentials;
use cartonym::registry::{ServiceId, Timestamp};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Where an API is: one connection for each call.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// `HOST:PORT`.
    authority: String,
    /// How long a call may take.
    patience: Duration,
    /// Who asks; an API that wants no signatures does not look at them.
    credentials: Option<Credentials>,
}

/// An answer's body as it comes.
#[derive(Debug)]
pub(crate) struct Parts {
    client: Client,
    body: Incoming,
}

/// A service as the API knows it.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: String,
    /// `<service>.<namespace>`, or the id where it was asked for so.
    pub(crate) name: String,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The text is no address of an API.
    #[error("`{0}` is not an endpoint such as http://127.0.0.1:8053")]
    Endpoint(String),
    /// The environment has a key that no request can be signed with.
    #[error("{0} is set to what cannot stand in a header; a line end at its end, perhaps")]
    Environment(&'static str),
    /// Nobody answers, or not in time, or not in HTTP.
    #[error("the API at {authority} does not answer: {reason}")]
    Away { authority: String, reason: String },
    /// The API says no.
    #[error("{operation}: {code}: {message}{}", hint(code))]
    Refused { operation: String, code: String, message: String, status: StatusCode },
    /// The API has no such service.
    #[error("there is no service {0} at the API")]
    NoService(String),
    /// The API is on this host, and no way leads out of it.
    #[error("no address is known at which other hosts reach this one; --address says it")]
    NoAddress,
}

/// What helps against a refusal.
fn hint(code: &str) -> &'static str {
    match code {
        "MissingAuthenticationTokenException"
        | "UnrecognizedClientException"
        | "InvalidSignatureException" => {
            "; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY say with which key to sign"
        }
        _ => "",
    }
}

/// How long a call may take where nobody says.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long one may take that writes a lot.
const LONG_PATIENCE: Duration = Duration::from_secs(60);

/// Octets of the longest answer that is taken.
const MOST: usize = 16 << 20;

impl Client {
    /// The API at `http://HOST:PORT`; the scheme and the port, which is 80 then, may be missing. Calls are signed with the
    /// access key that the environment names.
    pub(crate) fn new(endpoint: &str) -> Result<Client, CallError> {
        let wrong = || CallError::Endpoint(endpoint.to_owned());
        let rest = endpoint.strip_prefix("http://").unwrap_or(endpoint).trim_end_matches('/');
        let authority: hyper::http::uri::Authority = rest.parse().map_err(|_| wrong())?;
        if endpoint.contains("://") && !endpoint.starts_with("http://") || authority.as_str().contains('@') {
            return Err(wrong());
        }
        let port = authority.port_u16().unwrap_or(80);
        let authority = format!("{}:{port}", authority.host());
        Ok(Client { authority, patience: PATIENCE, credentials: of_environment()? })
    }

    /// The same API, for calls that take no longer than that.
    pub(crate) fn within(&self, patience: Duration) -> Client {
        Client { patience: patience.min(self.patience), ..self.clone() }
    }

    /// The same API, for calls that write a lot.
    pub(crate) fn unhurried(&self) -> Client {
        Client { patience: LONG_PATIENCE, ..self.clone() }
    }

    /// Makes a call of the API.
    pub(crate) async fn call(&self, operation: &str, request: &Value) -> Result<Value, CallError> {
        let asked = Request::builder()
            .method(Method::POST)
            .uri("/")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("Route53AutoNaming_v20170314.{operation}"));
        let (status, body) = self.exchange(asked, request.to_string()).await?;
        match status.is_success() {
            true if body.is_empty() => Ok(Value::Null),
            true => serde_json::from_slice(&body).map_err(|error| self.away(error)),
            false => Err(refused(operation, status, &body)),
        }
    }

    /// A page beside the API, in JSON.
    pub(crate) async fn page(&self, path: &str) -> Result<Value, CallError> {
        let (status, body) = self.exchange(Request::builder().uri(path), String::new()).await?;
        match status.is_success() {
            true => serde_json::from_slice(&body).map_err(|error| self.away(error)),
            false => Err(refused(path, status, &body)),
        }
    }

    /// A page beside the API, part after part, each within the time of a call: of any length.
    pub(crate) async fn stream(&self, path: &str) -> Result<Parts, CallError> {
        let sent = timeout(self.patience, self.send(Request::builder().uri(path), String::new())).await;
        let response = sent.unwrap_or_else(|_| Err(self.late()))?;
        let status = response.status();
        let mut parts = Parts { client: self.clone(), body: response.into_body() };
        match status.is_success() {
            true => Ok(parts),
            false => Err(refused(path, status, &parts.next().await?.unwrap_or_default())),
        }
    }

    /// Gives a page beside the API what it takes; what it says.
    pub(crate) async fn post(&self, path: &str, media_type: &str, body: String) -> Result<String, CallError> {
        let asked = Request::builder().method(Method::POST).uri(path).header("content-type", media_type);
        let (status, said) = self.exchange(asked, body).await?;
        match status.is_success() {
            true => Ok(String::from_utf8_lossy(&said).into_owned()),
            false => Err(refused(path, status, &said)),
        }
    }

    /// The address of this host on the way to the API; if that is loopback, on the way out.
    pub(crate) async fn own_address(&self) -> Result<IpAddr, CallError> {
        let stream = timeout(self.patience, self.connect()).await.map_err(|_| self.late())??;
        let address = stream.local_addr().map_err(|error| self.away(error))?.ip();
        if !address.is_loopback() {
            return Ok(address);
        }
        // By a loopback address, each other host would find itself.
        ELSEWHERE.into_iter().find_map(on_the_way_to).ok_or(CallError::NoAddress)
    }

    /// The service that is called `name`: its id, its name in `namespace`, or its DNS name.
    pub(crate) async fn service(&self, name: &str, namespace: Option<&str>) -> Result<Found, CallError> {
        // A DNS name may begin as an id does.
        if namespace.is_none() && (name.parse::<ServiceId>().is_ok() || name.starts_with("arn:")) {
            let found = self.call("GetService", &json!({ "Id": name })).await?;
            let id = found["Service"]["Id"].as_str().unwrap_or(name);
            return Ok(Found { id: id.to_owned(), name: name.to_owned() });
        }
        let name = name.trim_end_matches('.');
        let full = namespace.map_or_else(|| name.to_owned(), |namespace| format!("{name}.{namespace}"));
        for within in self.all("ListNamespaces", json!({}), "Namespaces").await? {
            let text = |key: &str| within[key].as_str().unwrap_or_default();
            let service = match namespace {
                Some(asked) => {
                    (text("Id") == asked || text("Name").eq_ignore_ascii_case(asked)).then_some(name)
                }
                None => before(name, text("Name")),
            };
            let Some(service) = service else { continue };
            let filter = json!([{ "Name": "NAMESPACE_ID", "Values": [text("Id")], "Condition": "EQ" }]);
            let services = self.all("ListServices", json!({ "Filters": filter }), "Services").await?;
            let is_it = |there: &&Value| {
                there["Name"].as_str().is_some_and(|there| there.eq_ignore_ascii_case(service))
            };
            if let Some(id) = services.iter().find(is_it).and_then(|there| there["Id"].as_str()) {
                return Ok(Found { id: id.to_owned(), name: format!("{service}.{}", text("Name")) });
            }
        }
        Err(CallError::NoService(full))
    }

    /// All that a listing has, page after page.
    pub(crate) async fn all(
        &self,
        operation: &str,
        mut request: Value,
        key: &str,
    ) -> Result<Vec<Value>, CallError> {
        let mut all = Vec::new();
        loop {
            let mut page = self.call(operation, &request).await?;
            if let Value::Array(entries) = page[key].take() {
                all.extend(entries);
            }
            match page["NextToken"].take() {
                Value::Null => return Ok(all),
                token => request["NextToken"] = token,
            }
        }
    }

    async fn exchange(
        &self,
        request: hyper::http::request::Builder,
        body: String,
    ) -> Result<(StatusCode, Bytes), CallError> {
        let exchange = async {
            let response = self.send(request, body).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MOST).collect().await;
            let body = body.map_err(|error| match error.is::<LengthLimitError>() {
                true => self.away("the answer is too long"),
                false => self.away(error),
            })?;
            Ok((status, body.to_bytes()))
        };
        timeout(self.patience, exchange).await.unwrap_or_else(|_| Err(self.late()))
    }

    /// Sends a request; the answer up to its body.
    async fn send(
        &self,
        request: hyper::http::request::Builder,
        body: String,
    ) -> Result<Response<Incoming>, CallError> {
        let request = request.header("host", &self.authority).body(Bytes::from(body));
        let signed = request.and_then(|request| match &self.credentials {
            Some(credentials) => credentials.sign(request, Timestamp::now()),
            None => Ok(request),
        });
        let request = signed.map_err(|error| self.away(error))?.map(Full::new);
        let stream = TokioIo::new(self.connect().await?);
        let (mut sender, connection) = http1::handshake(stream).await.map_err(|error| self.away(error))?;
        // It ends with the sender and the answer, and its errors are theirs.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(|error| self.away(error))
    }

    async fn connect(&self) -> Result<TcpStream, CallError> {
        TcpStream::connect(&self.authority).await.map_err(|error| self.away(error))
    }

    fn late(&self) -> CallError {
        self.away("no answer in time")
    }

    fn away(&self, reason: impl ToString) -> CallError {
        CallError::Away { authority: self.authority.clone(), reason: reason.to_string() }
    }
}

impl Parts {
    /// The next part; nothing at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        loop {
            let frame = timeout(self.client.patience, self.body.frame()).await;
            let Some(frame) = frame.map_err(|_| self.client.late())? else { return Ok(None) };
            // What is no data are trailers.
            if let Ok(part) = frame.map_err(|error| self.client.away(error))?.into_data() {
                return Ok(Some(part));
            }
        }
    }
}

impl CallError {
    /// Whether the API refused with that code.
    pub(crate) fn is(&self, refusal: &str) -> bool {
        matches!(self, CallError::Refused { code, .. } if code == refusal)
    }

    /// Whether the same call may be answered later.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            CallError::Away { .. } => true,
            CallError::Refused { status, .. } => status.is_server_error(),
            CallError::Endpoint(_)
            | CallError::Environment(_)
            | CallError::NoService(_)
            | CallError::NoAddress => false,
        }
    }
}

/// What the API says instead of what was asked for: in JSON, or as a page beside it does, in words.
fn refused(asked: &str, status: StatusCode, said: &[u8]) -> CallError {
    let fault: Value = serde_json::from_slice(said).unwrap_or_default();
    let text = |key: &str| fault[key].as_str().map(str::to_owned);
    let in_words = || String::from_utf8_lossy(said).trim_end().to_owned();
    CallError::Refused {
        operation: asked.to_owned(),
        code: text("__type").map_or_else(
            || status.to_string(),
            |code| code.rsplit('#').next().unwrap_or_default().to_owned(),
        ),
        message: text("message").or_else(|| text("Message")).unwrap_or_else(in_words),
        status,
    }
}

/// The access key that AWS's own clients would take from the environment, if there is one.
fn of_environment() -> Result<Option<Credentials>, CallError> {
    let variable = |name| match env::var(name).unwrap_or_default() {
        value if value.is_empty() => Ok(None),
        value if value.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Some(value)),
        _ => Err(CallError::Environment(name)),
    };
    let region = variable("AWS_REGION")?.or(variable("AWS_DEFAULT_REGION")?);
    let key = variable("AWS_ACCESS_KEY_ID")?.zip(env::var("AWS_SECRET_ACCESS_KEY").ok());
    Ok(key.map(|(id, secret)| {
        let region = region.unwrap_or_else(|| "us-east-1".to_owned());
        Credentials { id, secret, region }
    }))
}

/// The address of this host on the way to another, if there is a way; nothing is sent.
fn on_the_way_to(other: IpAddr) -> Option<IpAddr> {
    let any =
        if other.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    // To connect only looks up the route.
    socket.connect((other, 9)).ok()?;
    socket.local_addr().ok().map(|own| own.ip()).filter(|own| !own.is_loopback() && !own.is_unspecified())
}

/// Hosts that are not this one: addresses for documentation (RFC 5737 §3, RFC 3849 §2).
const ELSEWHERE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];

/// What stands before `.namespace` in `name`.
fn before<'n>(name: &'n str, namespace: &str) -> Option<&'n str> {
    let at = name.len().checked_sub(namespace.len() + 1)?;
    let (service, rest) = name.split_at_checked(at)?;
    rest.strip_prefix('.').filter(|rest| rest.eq_ignore_ascii_case(namespace)).map(|_| service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_with_and_without_their_parts() {
        let authority = |endpoint| Client::new(endpoint).ok().map(|client| client.authority);
        assert_eq!(authority("http://127.0.0.1:8053").as_deref(), Some("127.0.0.1:8053"));
        assert_eq!(authority("api.example:1/").as_deref(), Some("api.example:1"));
        assert_eq!(authority("http://[::1]").as_deref(), Some("[::1]:80"));
        assert_eq!(authority("https://api.example"), None);
        assert_eq!(authority("http://a b"), None);
    }

    #[test]
    fn a_dns_name_is_a_service_before_its_namespace() {
        assert_eq!(before("web.shop.example", "Shop.example"), Some("web"));
        assert_eq!(before("a.b.shop.example", "shop.example"), Some("a.b"));
        assert_eq!(before("webshop.example", "shop.example"), None);
        assert_eq!(before("shop.example", "shop.example"), None);
    }
}
