//! Finding out whether an upstream that failed answers again.

use std::sync::Arc;
use std::time::Duration;

use cartonym_wire::{Class, Flags, Type};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use crate::options::Protocol;
use crate::outgoing::Outgoing;
use crate::relay::Relay;
use crate::upstream::Upstream;

/// Probes upstreams that are in doubt, and closes idle sockets; ends when it is dropped.
pub(crate) async fn keep(relay: Arc<Relay>) {
    let mut tasks = JoinSet::new();
    for at in 0..relay.upstreams.len() {
        tasks.spawn(watch(relay.clone(), at));
    }
    let mut sweep = interval(relay.options.expire.max(Duration::from_secs(1)));
    loop {
        sweep.tick().await;
        relay.upstreams.iter().for_each(Upstream::sweep);
    }
}

/// Probes one upstream from the moment it is in doubt until it answers.
async fn watch(relay: Arc<Relay>, at: usize) {
    let Some(upstream) = relay.upstreams.get(at) else { return };
    loop {
        upstream.doubt.notified().await;
        while !probe(&relay, upstream).await {
            upstream.probed(false);
            sleep(relay.options.probe_interval).await;
        }
        upstream.probed(true);
    }
}

/// Whether the upstream answers; any response will do.
async fn probe(relay: &Relay, upstream: &Upstream) -> bool {
    let flags = Flags::default().with(Flags::RD, relay.options.probe_recursion);
    let mut query = Outgoing::question(&relay.options.probe_name, Type::NS, Class::IN, flags);
    query.set_id(relay.dice.roll() as u16);
    // Whoever is not patient with queries is not with probes.
    let limit = PROBE_TIMEOUT.min(relay.options.read_timeout);
    let answer = match relay.options.protocol {
        _ if upstream.is_encrypted() => upstream.ask_tcp(&query, limit).await,
        Protocol::Tcp => upstream.ask_tcp(&query, limit).await,
        _ => upstream.ask_udp(&query, limit).await,
    };
    answer.is_ok()
}

const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
