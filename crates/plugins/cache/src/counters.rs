//! What is counted, and told.

use std::sync::Arc;

use cartonym_plugin::Metrics;
use cartonym_plugin::metrics::{Counter, Kind};
use cartonym_wire::NameBuf;

use crate::{Cache, Counts};

/// What queries have come to.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: Counter,
    pub(crate) answer_hits: Counter,
    pub(crate) denial_hits: Counter,
    pub(crate) misses: Counter,
    pub(crate) refreshes: Counter,
    pub(crate) stale: Counter,
}

impl Counters {
    /// Counters that `metrics` tells, of a cache for these zones.
    pub(crate) fn shown_by(metrics: &Metrics, zones: &[NameBuf]) -> Counters {
        let zones = label(zones);
        let counter = |name, help, kind: Option<&str>| {
            let labels: Vec<(&'static str, &str)> =
                kind.map(|kind| ("type", kind)).into_iter().chain([("zones", &*zones)]).collect();
            metrics.counter(name, help, &["server", "view"], &labels)
        };
        let (hits, help) = ("coredns_cache_hits_total", "Queries answered with what was kept.");
        Counters {
            requests: counter("coredns_cache_requests_total", "Queries that the cache has looked for.", None),
            answer_hits: counter(hits, help, Some("success")),
            denial_hits: counter(hits, help, Some("denial")),
            misses: counter("coredns_cache_misses_total", "Queries that went on.", None),
            refreshes: counter(
                "coredns_cache_prefetch_total",
                "Responses asked for again in the background.",
                None,
            ),
            stale: counter(
                "coredns_cache_served_stale_total",
                "Responses sent after they had expired.",
                None,
            ),
        }
    }
}

/// Has `metrics` tell how much is kept, and how much went to make room; under the first server of the block, for what is
/// kept there is one.
pub(crate) fn show(cache: &Arc<Cache>, metrics: &Metrics, block: &[NameBuf]) {
    type Read = fn(&Counts) -> [f64; 2];
    let families: [(_, _, _, Read); 2] = [
        ("coredns_cache_entries", "Responses that are kept.", Kind::Gauge, |counts| {
            [counts.answers as f64, counts.denials as f64]
        }),
        ("coredns_cache_evictions_total", "Responses that went to make room.", Kind::Counter, |counts| {
            counts.evictions.map(|evictions| evictions as f64)
        }),
    ];
    let block: Vec<String> = block.iter().map(NameBuf::to_string).collect();
    for (name, help, kind, read) in families {
        let (cache, block) = (cache.clone(), block.clone());
        metrics.read(name, help, kind, move |samples| {
            let route = samples.routes().iter().position(|route| block.contains(&route.zone));
            let labels = samples.route_labels(route.unwrap_or_default(), &["server", "view"]);
            for (kind, value) in ["success", "denial"].into_iter().zip(read(&cache.counts())) {
                let mut labels = labels.clone();
                labels.extend([("type", kind.to_owned()), ("zones", label(&cache.options.zones))]);
                samples.add(&labels, value);
            }
        });
    }
}

fn label(zones: &[NameBuf]) -> String {
    zones.iter().map(NameBuf::to_string).collect::<Vec<_>>().join(",")
}
