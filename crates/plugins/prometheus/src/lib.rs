#![doc = include_str!("../README.md")]

mod counts;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use cartonym_plugin::corefile::Error;
use cartonym_plugin::{
    Configure, Content, Metrics, Page, Place, Plugin, Query, Response, Setup, Step, Stopwatch, Transport,
};

use counts::Counts;

/// Counts queries and responses, and shows all counters.
#[derive(Debug)]
pub struct Prometheus {
    counts: Arc<Counts>,
}

/// The counts of a configuration, which all of its blocks add to.
#[derive(Default)]
struct Shared {
    counts: OnceLock<Arc<Counts>>,
}

impl Prometheus {
    /// Counts to `metrics`, whose routes must be known by now.
    pub fn new(metrics: &Metrics) -> Prometheus {
        Prometheus { counts: Counts::shown_by(metrics) }
    }
}

impl Plugin for Prometheus {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    fn answer(&self, query: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        // What this server asks itself nobody else has asked.
        if query.client().transport != Transport::Internal {
            self.counts.request(query);
        }
        Step::Next
    }

    fn on_response(&self, query: &Query<'_>, response: &mut Response<'_>) {
        if query.client().transport != Transport::Internal {
            self.counts.response(query, response);
        }
    }

    fn stopwatch(&self) -> Option<Arc<dyn Stopwatch>> {
        Some(self.counts.clone())
    }
}

impl Configure for Prometheus {
    const NAME: &'static str = "prometheus";
    const PLACE: Place = Place::Before("errors");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        let address = setup.page_address(directive.optional_arg()?, ADDRESS)?;
        for entry in directive.block_entries() {
            match entry.name() {
                // More about a runtime that this program has not.
                "runtime_metrics" => {
                    entry.no_args()?;
                }
                _ => return Err(entry.unexpected_property(&["runtime_metrics"])),
            }
        }
        let metrics = setup.metrics();
        let shared = setup.shared.get::<Shared>();
        let counts = shared.counts.get_or_init(|| Counts::shown_by(&metrics)).clone();
        setup.plugin(Prometheus { counts });
        let content = move || Content { status: 200, media_type: MEDIA_TYPE, body: metrics.text() };
        setup.page(Page { address, path: "/metrics", content: Arc::new(content) });
        Ok(())
    }
}

const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9153);
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
