//! A service says who may ask for what.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cartonym_plugin::corefile::{Directive, Error};
use cartonym_plugin::metrics::Counter;
use cartonym_plugin::wire::{Ede, Flags, Name, Rcode};
use cartonym_plugin::{BoxFuture, Configure, Place, Plugin, Query, Response, Resumed, Setup, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::verdicts::{Verdict, Verdicts};

/// Refuses queries that an HTTP service denies.
#[derive(Clone, Debug)]
pub struct Policy {
    service: Arc<Service>,
}

/// The service, and what it has said.
#[derive(Debug)]
struct Service {
    address: SocketAddr,
    path: String,
    limit: Duration,
    /// What holds when it says nothing.
    without: Verdict,
    verdicts: Verdicts,
    reached: AtomicBool,
    allowed: Counter,
    denied: Counter,
    failures: Counter,
}

impl Policy {
    fn read(directive: &Directive, setup: &Setup<'_>) -> Result<Policy, Error> {
        let word = directive.one_arg()?;
        let url = word.as_str().strip_prefix("http://");
        let (host, path) = url.map(|url| url.split_once('/').unwrap_or((url, ""))).unwrap_or_default();
        let address = host.parse().map_err(|_| word.error("not `http://ADDRESS:PORT/PATH`"))?;
        let (mut limit, mut lifetime) = (Duration::from_millis(200), Duration::from_secs(10));
        let mut without = Verdict::Deny;
        for entry in directive.block_entries() {
            match entry.name() {
                "timeout" => limit = entry.one_arg()?.duration()?,
                "cache" => lifetime = entry.one_arg()?.duration()?,
                "without" => {
                    without = match entry.one_arg()?.one_of(&["allow", "deny"])? {
                        "allow" => Verdict::Allow,
                        _ => Verdict::Deny,
                    }
                }
                _ => return Err(entry.unexpected_property(&["timeout", "cache", "without"])),
            }
            entry.no_block()?;
        }
        let metrics = setup.metrics();
        let count =
            |verdict| metrics.counter("policy_verdicts_total", "Verdicts.", &[], &[("verdict", verdict)]);
        let service = Service {
            address,
            path: format!("/{path}"),
            limit,
            without,
            verdicts: Verdicts::new(lifetime),
            reached: AtomicBool::new(false),
            allowed: count("allow"),
            denied: count("deny"),
            failures: metrics.counter("policy_failures_total", "Times without a verdict.", &[], &[]),
        };
        Ok(Policy { service: Arc::new(service) })
    }
}

impl Plugin for Policy {
    fn name(&self) -> &'static str {
        "policy"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        let (client, now) = (query.client().address.ip().to_canonical(), query.now());
        match self.service.verdicts.find(client, query.name(), now) {
            Some(Verdict::Allow) => return Step::Next,
            Some(Verdict::Deny) => {
                response.set_rcode(Rcode::REFUSED);
                response.set_ede(Ede::PROHIBITED);
                return Step::Answered;
            }
            None => {}
        }
        let (service, name) = (Arc::clone(&self.service), query.name().to_buf());
        Step::defer(async move {
            let verdict = match service.ask(client, &name).await {
                Ok(verdict) => {
                    service.verdicts.keep(client, name, verdict, now);
                    verdict
                }
                Err(_) => {
                    service.failures.add_one();
                    service.without
                }
            };
            match verdict {
                Verdict::Allow => Resumed::Next,
                Verdict::Deny => Resumed::Answered(refusal()),
            }
        })
    }

    fn ready(&self) -> bool {
        self.service.reached.load(Ordering::Relaxed)
    }

    /// Looks for the service until it is there.
    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        let service = Arc::clone(&self.service);
        Some(Box::pin(async move {
            while service.ask(IpAddr::from([127, 0, 0, 1]), Name::ROOT).await.is_err() {
                sleep(PAUSE).await;
            }
        }))
    }
}

impl Service {
    /// Asks, for as long as may be.
    async fn ask(&self, client: IpAddr, name: &Name) -> io::Result<Verdict> {
        let verdict = timeout(self.limit, self.exchange(client, name)).await??;
        self.reached.store(true, Ordering::Relaxed);
        match verdict {
            Verdict::Allow => self.allowed.add_one(),
            Verdict::Deny => self.denied.add_one(),
        }
        Ok(verdict)
    }

    async fn exchange(&self, client: IpAddr, name: &Name) -> io::Result<Verdict> {
        let Service { address, path, .. } = self;
        let name = encoded(&name.to_string());
        let mut stream = TcpStream::connect(address).await?;
        let request = format!(
            "GET {path}?name={name}&client={client} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        // All that matters is in the first line: `HTTP/1.1 200 OK`.
        let mut start = [0; 12];
        stream.read_exact(&mut start).await?;
        match start.strip_prefix(b"HTTP/1.") {
            Some([_, b' ', b'2', ..]) => Ok(Verdict::Allow),
            Some([_, b' ', b'4', b'0', b'3']) => Ok(Verdict::Deny),
            _ => Err(io::Error::other("neither 2xx nor 403")),
        }
    }
}

impl Configure for Policy {
    const NAME: &'static str = "policy";
    // Whoever may not ask is not answered from a cache either.
    const PLACE: Place = Place::Before("registry");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let policy = Policy::read(setup.only()?, setup)?;
        setup.plugin(policy);
        Ok(())
    }
}

/// A message that refuses; id and question are put in when it is sent.
fn refusal() -> Vec<u8> {
    let [high, low] = Flags::QR.with_rcode(Rcode::REFUSED).0.to_be_bytes();
    vec![0, 0, high, low, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// A name may hold any octet; a URL may not.
fn encoded(name: &str) -> String {
    let keep = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet);
    name.bytes().fold(String::new(), |mut url, octet| {
        match keep(octet) {
            true => url.push(char::from(octet)),
            false => url.push_str(&format!("%{octet:02X}")),
        }
        url
    })
}

const PAUSE: Duration = Duration::from_secs(1);
