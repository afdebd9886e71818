//! What is told of the upstreams.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cartonym_plugin::Metrics;
use cartonym_plugin::metrics::{Durations, Kind, Samples};
use cartonym_wire::Rcode;

use crate::relay::Relay;
use crate::upstream::Upstream;

/// How long answers took, by their rcode.
#[derive(Debug)]
pub(crate) struct Times(Durations);

impl Times {
    pub(crate) fn note(&self, rcode: Rcode, time: Duration) {
        self.0.add(usize::from(rcode.0).min(RCODES - 1), 1, time);
    }

    fn tell(&self, upstream: &Upstream, samples: &mut Samples<'_>) {
        for rcode in (0..RCODES).map_while(|rcode| u16::try_from(rcode).ok()) {
            let mut labels = labels(upstream);
            labels.push(("rcode", Rcode(rcode).to_string()));
            self.0.tell(rcode.into(), &labels, samples);
        }
    }
}

impl Default for Times {
    fn default() -> Times {
        Times(Durations::new(Durations::FINE, RCODES))
    }
}

/// Has `metrics` tell what `relay` has counted.
pub(crate) fn show(relay: &Arc<Relay>, metrics: &Metrics) {
    for (name, help, kind, tell) in FAMILIES {
        let relay = relay.clone();
        metrics.read(name, help, kind, move |samples| tell(&relay, samples));
    }
}

type Family = (&'static str, &'static str, Kind, fn(&Relay, &mut Samples<'_>));

const FAMILIES: [Family; 6] = [
    (
        "coredns_forward_healthcheck_broken_total",
        "Queries for which no upstream was fit.",
        Kind::Counter,
        |relay, samples| samples.add(&[], relay.broken.load(Ordering::Relaxed) as f64),
    ),
    (
        "coredns_forward_max_concurrent_rejects_total",
        "Queries refused because as many were waiting as may.",
        Kind::Counter,
        |relay, samples| samples.add(&[], relay.rejected.load(Ordering::Relaxed) as f64),
    ),
    (
        "coredns_proxy_healthcheck_failures_total",
        "Probes of upstreams that have failed.",
        Kind::Counter,
        |relay, samples| {
            for upstream in &relay.upstreams {
                samples.add(&labels(upstream), upstream.counts().failed_probes as f64);
            }
        },
    ),
    (
        "coredns_proxy_conn_cache_hits_total",
        "Queries that used a socket that was open.",
        Kind::Counter,
        |relay, samples| by_protocol(relay, |upstream| upstream.counts().reused, samples),
    ),
    (
        "coredns_proxy_conn_cache_misses_total",
        "Queries for which a socket was opened.",
        Kind::Counter,
        |relay, samples| by_protocol(relay, |upstream| upstream.counts().opened, samples),
    ),
    (
        "coredns_proxy_request_duration_seconds",
        "Time that upstreams took to answer.",
        Kind::Histogram,
        |relay, samples| relay.upstreams.iter().for_each(|upstream| upstream.times.tell(upstream, samples)),
    ),
];

fn by_protocol(relay: &Relay, read: fn(&Upstream) -> [u64; 2], samples: &mut Samples<'_>) {
    for upstream in &relay.upstreams {
        for (protocol, count) in ["udp", "tcp"].into_iter().zip(read(upstream)) {
            let mut labels = labels(upstream);
            labels.push(("proto", protocol.to_owned()));
            samples.add(&labels, count as f64);
        }
    }
}

fn labels(upstream: &Upstream) -> Vec<(&'static str, String)> {
    vec![("proxy_name", "forward".to_owned()), ("to", upstream.address().to_string())]
}

/// Those of a header.
const RCODES: usize = 16;
