#![doc = include_str!("../README.md")]

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use cartonym_plugin::corefile::Error;
use cartonym_plugin::metrics::Route;
use cartonym_plugin::{BoxFuture, Configure, Journal, Level, Place, Plugin, Query, Response, Setup, Step};
use cartonym_wire::{Class, NameBuf, Rcode, Type};
use tokio::net::UdpSocket;
use tokio::time::{sleep, timeout};

/// Sends a query and counts how often it comes by.
#[derive(Debug)]
pub struct Loop {
    /// The name that nobody else knows.
    probe: NameBuf,
    /// Where this server is asked; unknown where a configuration is only looked at.
    server: Option<SocketAddr>,
    /// Whether the probe is on its way.
    is_probing: AtomicBool,
    /// Whether it has been on its way for so long that it would have come back.
    has_asked: AtomicBool,
    seen: AtomicU32,
    journal: Arc<Journal>,
}

impl Loop {
    /// A probe below `zone`, to be sent to `server`.
    pub fn new(zone: &NameBuf, server: Option<SocketAddr>, journal: Arc<Journal>) -> Loop {
        let random = RandomState::new();
        let [a, b] = [0, 1].map(|n| random.hash_one(n));
        // A zone whose name has no room for more is no zone that is forwarded.
        let probe = format!("{a}.{b}.{}", zone.to_string().trim_start_matches('.'));
        Loop {
            probe: probe.parse().unwrap_or(*zone),
            server,
            is_probing: AtomicBool::new(true),
            has_asked: AtomicBool::new(server.is_none()),
            seen: AtomicU32::new(0),
            journal,
        }
    }

    /// The name that is asked for.
    pub fn probe(&self) -> &NameBuf {
        &self.probe
    }

    fn has_loop(&self) -> bool {
        self.seen.load(Ordering::Relaxed) > MOST_SEEN
    }

    /// Asks until somebody answers; there may be nobody yet.
    async fn send(&self) {
        let Some(server) = self.server else { return };
        for _ in 0..ATTEMPTS {
            let asked = timeout(PATIENCE, self.ask(server)).await;
            self.has_asked.store(true, Ordering::Relaxed);
            // An answer comes when all that the query led to has been answered.
            if asked.is_ok_and(|asked| asked.is_ok()) {
                break;
            }
            sleep(PAUSE).await;
        }
        self.is_probing.store(self.has_loop(), Ordering::Relaxed);
    }

    async fn ask(&self, server: SocketAddr) -> std::io::Result<()> {
        let unspecified: SocketAddr = match server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(unspecified).await?;
        socket.connect(server).await?;
        let mut message = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend_from_slice(self.probe.as_wire());
        message.extend_from_slice(&Type::HINFO.0.to_be_bytes());
        message.extend_from_slice(&Class::IN.0.to_be_bytes());
        socket.send(&message).await?;
        socket.recv(&mut [0; 512]).await.map(drop)
    }

    fn found(&self) {
        let zone = self.probe;
        self.journal.write(Level::Error, move |line| {
            line.push_str(&format!(
                "plugin/loop: queries come back: HINFO {zone} was asked for once, and seen "
            ));
            line.push_str(&format!("{} times", MOST_SEEN + 1));
        });
    }
}

impl Plugin for Loop {
    fn name(&self) -> &'static str {
        "loop"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        let is_probe = query.qtype() == Type::HINFO
            && self.is_probing.load(Ordering::Relaxed)
            && *query.name() == *self.probe;
        if !is_probe {
            return Step::Next;
        }
        match self.seen.fetch_add(1, Ordering::Relaxed) {
            before if before < MOST_SEEN => return Step::Next,
            MOST_SEEN => self.found(),
            _ => {}
        }
        response.set_rcode(Rcode::REFUSED);
        Step::Answered
    }

    fn ready(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed) && !self.has_loop()
    }

    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        Some(Box::pin(async move { self.send().await }))
    }
}

impl Configure for Loop {
    const NAME: &'static str = "loop";
    const PLACE: Place = Place::Before("forward");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        directive.no_args()?;
        directive.no_block()?;
        let zone = setup.zones.first().copied().unwrap_or(NameBuf::ROOT);
        let server = setup.metrics().routes().iter().find_map(|route| address(route, &zone));
        let plugin = Loop::new(&zone, server, setup.shared.get());
        setup.plugin(plugin);
        Ok(())
    }
}

/// Where the server of a route is asked over UDP, if the route is of this zone.
fn address(route: &Route, zone: &NameBuf) -> Option<SocketAddr> {
    let server = route.server.strip_prefix("dns://").filter(|_| route.zone == zone.to_string())?;
    match server.strip_prefix(':') {
        Some(port) => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.parse().ok()?)),
        None => server.parse().ok(),
    }
}

/// Once for the query itself, and once for a server that asks another way.
const MOST_SEEN: u32 = 2;
const ATTEMPTS: u32 = 15;
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(250);
