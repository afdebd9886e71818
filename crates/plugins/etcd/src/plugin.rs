//! The plugin: one look at a table for nearly every query.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use cartonym_authority::{self as authority, Before, is_nothing};
use cartonym_plugin::corefile::Error;
use cartonym_plugin::metrics::Kind;
use cartonym_plugin::{
    BoxFuture, Configure, Fallthrough, Metrics, Place, Plugin, Query, Response, Setup, Step,
};
use cartonym_wire::{Class, Rcode, Section, Ttl, Type};
use cartonym_zone::{Ask, Zone};

use crate::answer::has_star;
use crate::compile::SOA_TTL;
use crate::follow::follow;
use crate::lifetime::resolve;
use crate::options::Options;
use crate::view::{Counts, View};

/// Answers what etcd holds in SkyDNS's layout, from memory.
#[derive(Clone, Debug)]
pub struct EtcdRecords {
    pub(crate) view: Arc<View>,
    pub(crate) fallthrough: Fallthrough,
}

impl EtcdRecords {
    /// As options say. Those that say the same share what is known.
    pub fn new(options: Options) -> EtcdRecords {
        EtcdRecords { view: View::of(options.source), fallthrough: options.fallthrough }
    }

    /// Writes the answer that a zone has.
    pub(crate) fn write(
        &self,
        zone: &Zone,
        query: &Query<'_>,
        is_question: bool,
        response: &mut Response<'_>,
    ) -> Step {
        if query.qtype() == Type::SOA {
            return write_soa(zone, response);
        }
        let ask = Ask { is_question, name_servers: false, ..authority::ask(query) };
        let outcome = authority::write(zone, query, ask, response);
        if self.view.has_moments.load(Relaxed) {
            let (now, bounds) = (query.now(), self.view.source.bounds);
            response.builder().map_ttls(|ttl| resolve(ttl, now, bounds));
        }
        authority::step(outcome, query, response)
    }

    #[cold]
    fn defer(&self, query: &Query<'_>) -> Step {
        Step::defer(self.clone().answer_later(query.to_owned()))
    }
}

impl Plugin for EtcdRecords {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        if query.qclass() != Class::IN {
            return Step::Next;
        }
        let snapshot = self.view.table.load();
        let Some(zone) = snapshot.find(query.qname(), query.qtype()) else {
            let is_ours = self.view.source.zones.iter().any(|zone| query.name().is_within(zone));
            return if is_ours { self.defer(query) } else { Step::Next };
        };
        let before = Before::of(response);
        let step = self.write(zone, query, query.is_as_asked(), response);
        if !is_nothing(response) {
            return step;
        }
        let step = match query.name() {
            name if has_star(name) => self.defer(query),
            name if self.fallthrough.takes(name) => Step::Next,
            _ => return step,
        };
        before.restore(response);
        step
    }

    fn ready(&self) -> bool {
        self.view.is_loaded()
    }

    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        Some(Box::pin(follow(Arc::clone(&self.view))))
    }
}

/// The zone's SOA answers for every name in it, there or not, as in CoreDNS.
fn write_soa(zone: &Zone, response: &mut Response<'_>) -> Step {
    response.set_authoritative(true);
    response.set_rcode(Rcode::NOERROR);
    if let Some((rdata, _)) = zone.soa() {
        // Where it does not fit, TC says so.
        let _ = response.record(Section::Answer, zone.origin(), Type::SOA, Ttl::from_secs(SOA_TTL), rdata);
    }
    Step::Answered
}

impl Configure for EtcdRecords {
    const NAME: &'static str = "etcd";
    const PLACE: Place = Place::After("secondary");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        for directive in setup.directives() {
            let etcd = EtcdRecords::new(Options::of(directive, setup)?);
            if setup.shared.get::<Shown>().is_new(&etcd.view) {
                show(&etcd.view, &setup.metrics());
            }
            setup.plugin(etcd);
        }
        Ok(())
    }
}

/// The views whose numbers are told already.
#[derive(Default)]
struct Shown(Mutex<Vec<Weak<View>>>);

impl Shown {
    fn is_new(&self, view: &Arc<View>) -> bool {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !shown.iter().any(|there| there.as_ptr() == Arc::as_ptr(view));
        shown.push(Arc::downgrade(view));
        is_new
    }
}

fn show(view: &Arc<View>, metrics: &Metrics) {
    type Read = fn(&Counts) -> f64;
    let families: [(_, _, Read); 4] = [
        ("cartonym_etcd_keys", "Keys that are answered from.", |counts| counts.keys.load(Relaxed) as f64),
        ("cartonym_etcd_malformed_keys", "Keys whose value cannot be read.", |counts| {
            counts.malformed.load(Relaxed) as f64
        }),
        ("cartonym_etcd_revision", "etcd's revision that DNS answers from.", |counts| {
            counts.revision.load(Relaxed) as f64
        }),
        ("cartonym_etcd_connected", "Whether etcd is followed; what is known stays if not.", |counts| {
            counts.is_connected.load(Relaxed).into()
        }),
    ];
    let path = view.source.prefix.escape_ascii().to_string();
    let zones = view.source.zones.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    for (name, help, read) in families {
        let (view, labels) = (Arc::clone(view), [("path", path.clone()), ("zones", zones.clone())]);
        metrics.read(name, help, Kind::Gauge, move |samples| samples.add(&labels, read(&view.counts)));
    }
}
