#![doc = include_str!("../README.md")]

mod dice;
mod health;
mod metrics;
mod options;
mod outgoing;
mod pool;
mod relay;
mod resolv;
mod tls;
mod upstream;

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use cartonym_plugin::corefile::Error;
use cartonym_plugin::{
    BoxFuture, Configure, Label, Listeners, Metadata, Place, Plugin, Query, Response, Setup, Step,
};
use cartonym_wire::{Ede, Name, Rcode, Type};

pub use options::{Options, Policy, Protocol};
pub use upstream::Counts;

use outgoing::Outgoing;
use relay::{Permit, Relay};
use upstream::Target;

/// Passes queries to other servers.
#[derive(Clone)]
pub struct Forward {
    relay: Arc<Relay>,
    /// Whether anybody may want to know which upstream was asked.
    metadata: Option<Arc<Metadata>>,
}

/// Tells which upstream was asked.
struct Asked;

impl Label for Asked {
    fn text<'a>(&'a self, query: &'a Query<'_>) -> Option<&'a str> {
        query.note()
    }
}

impl Forward {
    /// Passes all queries to `upstreams`: `192.0.2.1:53`, or a slice of addresses.
    ///
    /// # Errors
    ///
    /// Text that is no address with a port, nor a name that the system finds one for.
    pub fn to(upstreams: impl ToSocketAddrs) -> io::Result<Forward> {
        Ok(Forward::with(upstreams.to_socket_addrs()?, Options::default()))
    }

    /// Passes queries to `upstreams` as `options` say.
    pub fn with(upstreams: impl IntoIterator<Item = SocketAddr>, options: Options) -> Forward {
        Forward::passing(upstreams.into_iter().map(Target::from), options)
    }

    fn passing(upstreams: impl IntoIterator<Item = Target>, options: Options) -> Forward {
        Forward { relay: Arc::new(Relay::new(upstreams, options)), metadata: None }
    }

    /// What has been counted for each upstream.
    pub fn upstreams(&self) -> impl Iterator<Item = (SocketAddr, Counts)> {
        self.relay.upstreams.iter().map(|upstream| (upstream.address(), upstream.counts()))
    }

    /// Queries refused because as many were waiting as may.
    pub fn rejected(&self) -> u64 {
        self.relay.rejected.load(Ordering::Relaxed)
    }

    /// Queries for which no upstream was fit.
    pub fn broken(&self) -> u64 {
        self.relay.broken.load(Ordering::Relaxed)
    }

    fn takes(&self, name: &Name) -> bool {
        let Options { from, except, .. } = &self.relay.options;
        let within = |zone: &&cartonym_wire::NameBuf| name.is_within(zone);
        from.iter()
            .find(within)
            .is_some_and(|zone| name == &**zone || !except.iter().any(|zone| within(&zone)))
    }
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.upstreams()).finish()
    }
}

impl Plugin for Forward {
    fn name(&self) -> &'static str {
        "forward"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        if !self.takes(query.name()) {
            return Step::Next;
        }
        // A transfer is a conversation of many messages, and the upstream's to grant to its own clients.
        if matches!(query.qtype(), Type::AXFR | Type::IXFR) {
            return refuse(response, Ede::PROHIBITED);
        }
        let Some(permit) = Permit::of(&self.relay) else { return refuse(response, Ede::OTHER) };
        let outgoing = Outgoing::of(query);
        let is_told = self.metadata.as_ref().is_some_and(|metadata| metadata.is_on_for(query));
        let note = is_told.then(|| query.begin_note());
        Step::defer(async move { permit.relay(outgoing, note).await })
    }

    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        Some(Box::pin(health::keep(self.relay.clone())))
    }
}

fn refuse(response: &mut Response<'_>, ede: Ede) -> Step {
    response.set_rcode(Rcode::REFUSED);
    response.set_ede(ede);
    Step::Answered
}

impl Configure for Forward {
    const NAME: &'static str = "forward";
    const PLACE: Place = Place::Before("whoami");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let mut left = setup.more.len();
        for directive in setup.directives() {
            let (upstreams, mut options) = options::read(directive, setup)?;
            // Only another `forward` is asked next, and behind the last is none.
            if left == 0 {
                options.next_rcodes.clear();
                options.next_on_nodata = false;
            }
            left = left.saturating_sub(1);
            let metadata = setup.in_block::<Metadata>();
            metadata.tell("forward/upstream", Arc::new(Asked));
            let mut relay = Relay::new(upstreams, options);
            relay.listeners = setup.in_block::<Listeners>().all();
            let forward = Forward { relay: Arc::new(relay), metadata: Some(metadata) };
            metrics::show(&forward.relay, &setup.metrics());
            setup.plugin(forward);
        }
        Ok(())
    }
}
