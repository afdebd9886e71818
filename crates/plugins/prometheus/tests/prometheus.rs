//! Queries in, counts out.

use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::metrics::Route;
use cartonym_plugin::{Metrics, Settings, Shared};
use cartonym_plugin_prometheus::Prometheus;
use cartonym_responder::{Chain, Moment, Responder, Scratch, Verdict};
use cartonym_testing::{Ask, Canned, configure, configure_in};
use cartonym_wire::Name;

struct Counted {
    metrics: Arc<Metrics>,
    responder: Arc<Responder>,
    scratch: Scratch,
}

fn counted() -> Counted {
    let metrics = Arc::new(Metrics::default());
    metrics.set_routes(
        ["a.", "b."]
            .map(|zone| Route {
                server: "dns://:53".into(),
                zone: zone.into(),
                view: String::new(),
                plugins: vec!["prometheus", "canned"],
            })
            .into(),
    );
    let chain = Chain::new().then(Prometheus::new(&metrics)).then(Canned::new("www.b. 60 A 192.0.2.1"));
    let responder = Responder::builder().route(1, Name::ROOT, chain).build();
    Counted { metrics, responder, scratch: Scratch::default() }
}

impl Counted {
    fn ask(&mut self, ask: &Ask) {
        let mut out = [0; 4096];
        let moment = Moment { now: Duration::from_secs(1), random: 0 };
        let verdict =
            self.responder.respond(&mut self.scratch, &ask.to_message(), ask.client(), moment, &mut out);
        assert!(matches!(verdict, Verdict::Send(_)));
    }

    #[track_caller]
    fn has(&self, line: &str) {
        let text = self.metrics.text();
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
}

const ROUTE: &str = "server=\"dns://:53\",zone=\"b.\",view=\"\"";

#[test]
fn a_query_is_counted_by_its_route_protocol_family_and_type() {
    let mut counted = counted();
    counted.ask(&Ask::new("www.b. A"));
    counted.ask(&Ask::new("www.b. A"));
    counted.ask(&Ask::new("www.b. TYPE4711"));
    let labels = format!("{{{ROUTE},proto=\"udp\",family=\"1\",type=");
    counted.has(&format!("coredns_dns_requests_total{labels}\"A\"}} 2"));
    counted.has(&format!("coredns_dns_requests_total{labels}\"other\"}} 1"));
    counted.has(&format!("coredns_dns_request_size_bytes_count{{{ROUTE},proto=\"udp\"}} 3"));
    counted.has(&format!("coredns_dns_request_size_bytes_bucket{{{ROUTE},proto=\"udp\",le=\"100\"}} 3"));
}

#[test]
fn a_response_is_counted_by_rcode_and_who_answered() {
    let mut counted = counted();
    counted.ask(&Ask::new("www.b. A"));
    counted.has(&format!("coredns_dns_responses_total{{{ROUTE},rcode=\"NOERROR\",plugin=\"canned\"}} 1"));
    counted.has(&format!("coredns_dns_response_size_bytes_count{{{ROUTE},proto=\"udp\"}} 1"));
}

#[test]
fn a_batch_is_timed_as_one() {
    let mut counted = counted();
    counted.ask(&Ask::new("www.b. A"));
    counted.ask(&Ask::new("www.b. A"));
    assert!(counted.scratch.is_timed());
    let responder = Arc::clone(&counted.responder);
    responder.took(&mut counted.scratch, Duration::from_micros(400));
    assert!(!counted.scratch.is_timed());
    let name = "coredns_dns_request_duration_seconds";
    counted.has(&format!("{name}_bucket{{{ROUTE},le=\"0.00025\"}} 0"));
    counted.has(&format!("{name}_bucket{{{ROUTE},le=\"0.0005\"}} 2"));
    counted.has(&format!("{name}_count{{{ROUTE}}} 2"));
    counted.has(&format!("{name}_sum{{{ROUTE}}} 0.0008"));
}

#[test]
fn plugins_in_use_are_told() {
    counted().has(&format!("coredns_plugin_enabled{{{ROUTE},name=\"canned\"}} 1"));
}

#[test]
fn blocks_count_to_one_page() {
    let shared = Shared::default();
    for line in ["prometheus", "prometheus :9000 {\nruntime_metrics\n}"] {
        configure_in::<Prometheus>(".", line, &mut Settings::default(), &shared).unwrap();
    }
    let metrics: Arc<Metrics> = shared.get();
    assert_eq!(metrics.text().matches("# TYPE coredns_dns_requests_total").count(), 1);
}

#[test]
fn what_is_no_address_is_refused() {
    for line in ["prometheus nowhere", "prometheus a:1 b:2", "prometheus {\ntsl x\n}"] {
        assert!(configure::<Prometheus>(line).is_err(), "{line}");
    }
}
