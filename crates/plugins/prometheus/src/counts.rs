//! What is counted of queries and responses: one row of numbers, in which each route has its part.

use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::metrics::{Durations, Kind, Route, Samples, Tallies};
use cartonym_plugin::{Metrics, Query, Response, Stopwatch};
use cartonym_wire::{Rcode, Type};

/// The counts of all routes.
///
/// ```text
/// route 0: requests by protocol, family and type · with DO · sizes in · sizes out · responses by rcode and place
/// route 1: ...
/// ```
#[derive(Debug)]
pub(crate) struct Counts {
    tallies: Tallies,
    /// A row for each route.
    times: Durations,
    /// A row for each plugin, of the queries that waited for it.
    waits: Durations,
    /// The plugins' names, in alphabetical order.
    names: Vec<&'static str>,
    /// Places of plugins that responses are counted by; the last is of those that nobody answered.
    places: usize,
}

impl Counts {
    /// Counts that `metrics` tells.
    pub(crate) fn shown_by(metrics: &Metrics) -> Arc<Counts> {
        let longest = metrics.routes().iter().map(|route| route.plugins.len()).max();
        let places = longest.unwrap_or(0) + 1;
        let tallies = Tallies::new(metrics.slots() * (RESPONSES + RCODES * places));
        let times = Durations::new(Durations::FINE, metrics.slots());
        let mut names: Vec<_> = metrics.routes().iter().flat_map(|route| route.plugins.clone()).collect();
        names.sort_unstable();
        names.dedup();
        let waits = Durations::new(Durations::FINE, names.len());
        let counts = Arc::new(Counts { tallies, times, waits, names, places });
        for (name, help, kind, tell) in FAMILIES {
            let counts = counts.clone();
            metrics.read(name, help, kind, move |samples| tell(&counts, samples));
        }
        counts
    }

    pub(crate) fn request(&self, query: &Query<'_>) {
        let start = self.start(query.route());
        let proto = proto(query);
        let family = usize::from(query.client().address.ip().to_canonical().is_ipv6());
        let qtype = query.question().qtype;
        let known = TYPES.iter().position(|known| *known == qtype).unwrap_or(TYPES.len());
        self.tallies.add(start + REQUESTS + (proto * 2 + family) * (TYPES.len() + 1) + known, 1);
        self.add_size(start + SIZES_IN, proto, query.message().as_bytes().len());
        if query.edns().is_some_and(|edns| edns.dnssec_ok) {
            self.tallies.add(start + WITH_DO, 1);
        }
    }

    pub(crate) fn response(&self, query: &Query<'_>, response: &Response<'_>) {
        let start = self.start(query.route());
        let opt = if query.edns().is_some() { OPT_LEN + response.options().len() } else { 0 };
        self.add_size(start + SIZES_OUT, proto(query), response.len() + opt);
        let rcode = usize::from(response.rcode().0).min(RCODES - 1);
        let place = response.answered_at().unwrap_or(self.places).min(self.places - 1);
        self.tallies.add(start + RESPONSES + rcode * self.places + place, 1);
    }

    fn add_size(&self, start: usize, proto: usize, size: usize) {
        let start = start + proto * SIZE_COUNTS;
        let bucket = SIZES.iter().position(|bound| size as f64 <= *bound).unwrap_or(SIZES.len());
        self.tallies.add(start + bucket, 1);
        self.tallies.add(start + SIZES.len() + 1, size as u64);
    }

    /// Where a route's counts begin.
    fn start(&self, route: usize) -> usize {
        self.row(route) * self.stride()
    }

    /// The row of a route; without routes there is one.
    fn row(&self, route: usize) -> usize {
        route.min((self.tallies.len() / self.stride()).saturating_sub(1))
    }

    fn stride(&self) -> usize {
        RESPONSES + RCODES * self.places
    }

    fn requests(&self, samples: &mut Samples<'_>) {
        for (route, mut labels) in routes(samples) {
            for (p, proto) in PROTOS.into_iter().enumerate() {
                for (f, family) in ["1", "2"].into_iter().enumerate() {
                    for t in 0..=TYPES.len() {
                        let at = (p * 2 + f) * (TYPES.len() + 1) + t;
                        let count = self.tallies.sum(self.start(route) + REQUESTS + at);
                        if count == 0 {
                            continue;
                        }
                        let qtype = TYPES.get(t).map_or_else(|| "other".to_owned(), Type::to_string);
                        labels.truncate(ROUTE.len());
                        labels.extend([("proto", proto.to_owned()), ("family", family.to_owned())]);
                        labels.push(("type", qtype));
                        samples.add(&labels, count as f64);
                    }
                }
            }
        }
    }

    fn with_do(&self, samples: &mut Samples<'_>) {
        for (route, labels) in routes(samples) {
            let count = self.tallies.sum(self.start(route) + WITH_DO);
            if count > 0 {
                samples.add(&labels, count as f64);
            }
        }
    }

    fn sizes(&self, from: usize, samples: &mut Samples<'_>) {
        for (route, mut labels) in routes(samples) {
            for (p, proto) in PROTOS.into_iter().enumerate() {
                labels.truncate(ROUTE.len());
                labels.push(("proto", proto.to_owned()));
                self.tell_sizes(self.start(route) + from + p * SIZE_COUNTS, &labels, samples);
            }
        }
    }

    fn times(&self, samples: &mut Samples<'_>) {
        for (route, labels) in routes(samples) {
            self.times.tell(self.row(route), &labels, samples);
        }
    }

    fn waits(&self, samples: &mut Samples<'_>) {
        for (row, name) in self.names.iter().enumerate() {
            self.waits.tell(row, &[("plugin", (*name).to_owned())], samples);
        }
    }

    /// A histogram of sizes, if any was counted.
    fn tell_sizes(&self, start: usize, labels: &[(&'static str, String)], samples: &mut Samples<'_>) {
        let counts: Vec<u64> = (0..=SIZES.len()).map(|bucket| self.tallies.sum(start + bucket)).collect();
        if counts.iter().any(|count| *count > 0) {
            samples.histogram(labels, &SIZES, &counts, self.tallies.sum(start + SIZES.len() + 1) as f64);
        }
    }

    fn responses(&self, samples: &mut Samples<'_>) {
        for (route, mut labels) in routes(samples) {
            for rcode in 0..RCODES {
                for place in 0..self.places {
                    let at = self.start(route) + RESPONSES + rcode * self.places + place;
                    let count = self.tallies.sum(at);
                    if count == 0 {
                        continue;
                    }
                    let plugins = samples.routes().get(route).map_or(&[][..], |route| &route.plugins);
                    let plugin = plugins.get(place).copied().unwrap_or_default();
                    labels.truncate(ROUTE.len());
                    labels.push(("rcode", rcode_text(rcode)));
                    labels.push(("plugin", plugin.to_owned()));
                    samples.add(&labels, count as f64);
                }
            }
        }
    }

    fn enabled(&self, samples: &mut Samples<'_>) {
        let here = |route: &Route| route.plugins.contains(&"prometheus");
        for (number, mut labels) in routes(samples) {
            let Some(route) = samples.routes().get(number).filter(|route| here(route)) else { continue };
            for (at, name) in route.plugins.iter().enumerate() {
                // One that is there twice is one.
                if route.plugins.iter().position(|other| other == name) == Some(at) {
                    labels.truncate(ROUTE.len());
                    labels.push(("name", (*name).to_owned()));
                    samples.add(&labels, 1.0);
                }
            }
        }
    }
}

impl Stopwatch for Counts {
    fn took(&self, route: usize, queries: u32, time: Duration) {
        self.times.add(self.row(route), queries.into(), time);
    }

    fn waited(&self, plugin: &'static str, time: Duration) {
        if let Ok(row) = self.names.binary_search(&plugin) {
            self.waits.add(row, 1, time);
        }
    }
}

/// The numbers of the routes with their labels; one without labels' values where there are no routes.
fn routes(samples: &Samples<'_>) -> Vec<(usize, Vec<(&'static str, String)>)> {
    (0..samples.routes().len().max(1)).map(|route| (route, samples.route_labels(route, &ROUTE))).collect()
}

fn proto(query: &Query<'_>) -> usize {
    usize::from(query.client().transport.is_stream())
}

fn rcode_text(rcode: usize) -> String {
    u16::try_from(rcode).map(|rcode| Rcode(rcode).to_string()).unwrap_or_default()
}

type Family = (&'static str, &'static str, Kind, fn(&Counts, &mut Samples<'_>));

const FAMILIES: [Family; 8] = [
    ("coredns_dns_requests_total", "Queries.", Kind::Counter, Counts::requests),
    ("coredns_dns_do_requests_total", "Queries that want DNSSEC.", Kind::Counter, Counts::with_do),
    ("coredns_dns_request_size_bytes", "Octets of queries.", Kind::Histogram, |counts, samples| {
        counts.sizes(SIZES_IN, samples);
    }),
    ("coredns_dns_response_size_bytes", "Octets of responses.", Kind::Histogram, |counts, samples| {
        counts.sizes(SIZES_OUT, samples);
    }),
    (
        "coredns_dns_request_duration_seconds",
        "Time from a query to its response.",
        Kind::Histogram,
        Counts::times,
    ),
    ("coredns_dns_responses_total", "Responses, and who answered.", Kind::Counter, Counts::responses),
    (
        "cartonym_plugin_wait_seconds",
        "Time of queries that waited for a plugin.",
        Kind::Histogram,
        Counts::waits,
    ),
    ("coredns_plugin_enabled", "Plugins that are in use.", Kind::Gauge, Counts::enabled),
];

const ROUTE: [&str; 3] = ["server", "zone", "view"];
const PROTOS: [&str; 2] = ["udp", "tcp"];
/// The types that are counted by name, the most frequent first.
const TYPES: [Type; 24] = [
    Type::A,
    Type::AAAA,
    Type::HTTPS,
    Type::PTR,
    Type::SRV,
    Type::TXT,
    Type::SOA,
    Type::NS,
    Type::MX,
    Type::CNAME,
    Type::DS,
    Type::DNSKEY,
    Type::SVCB,
    Type::ANY,
    Type::NSEC,
    Type::NSEC3,
    Type::RRSIG,
    Type::DNAME,
    Type::CAA,
    Type::AXFR,
    Type::IXFR,
    Type::HINFO,
    Type::LOC,
    Type::NAPTR,
];
const SIZES: [f64; 14] =
    [0.0, 100.0, 200.0, 300.0, 400.0, 511.0, 1023.0, 2047.0, 4095.0, 8291.0, 16e3, 32e3, 48e3, 64e3];
/// Rcodes to BADCOOKIE, and one for all others.
const RCODES: usize = 25;
const OPT_LEN: usize = 11;

// Where in a route's part what begins. A histogram has a count for each bound, one for all above, and the sum.
const SIZE_COUNTS: usize = SIZES.len() + 2;
const REQUESTS: usize = 0;
const WITH_DO: usize = REQUESTS + 4 * (TYPES.len() + 1);
const SIZES_IN: usize = WITH_DO + 1;
const SIZES_OUT: usize = SIZES_IN + 2 * SIZE_COUNTS;
const RESPONSES: usize = SIZES_OUT + 2 * SIZE_COUNTS;
