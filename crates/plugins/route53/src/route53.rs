//! The hosted zones of a directive, and how they are answered.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use cartonym_authority::{self as authority, Before};
use cartonym_plugin::{BoxFuture, Fallthrough, Plugin, Query, Response, Step};
use cartonym_wire::{Class, Ede, Hasher, Name, Rcode, SuffixMap, Type};
use futures_util::future::join_all;

use crate::Options;
use crate::cloud::Cloud;
use crate::hosted::Hosted;

/// Answers from hosted zones of AWS Route 53.
#[derive(Debug)]
pub struct Route53 {
    options: Options,
    fallthrough: Fallthrough,
    /// Of each name the hosted zones, in the order in which they are asked.
    zones: SuffixMap<Vec<Arc<Hosted>>>,
}

impl Route53 {
    /// Without zones.
    pub fn new(options: Options, fallthrough: Fallthrough) -> Route53 {
        // Which of the operator's names are asked for is a stranger's to choose: the order is per process.
        let zones = SuffixMap::new(Hasher::new(RandomState::new().hash_one(0)));
        Route53 { options, fallthrough, zones }
    }

    /// Answers for `origin` from the hosted zone `id` as well, where earlier ones of that origin have no such name.
    #[must_use]
    pub fn zone(mut self, origin: &Name, id: &str) -> Route53 {
        let origin = origin.to_lowercase();
        let hosted = Hosted::of(origin, id, &self.options);
        match self.zones.get_mut(&origin) {
            Some(zones) => zones.push(hosted),
            None => _ = self.zones.insert(&origin, vec![hosted]),
        }
        self
    }

    /// All hosted zones.
    pub(crate) fn hosted(&self) -> impl Iterator<Item = &Arc<Hosted>> {
        self.zones.values().flatten()
    }

    /// The hosted zones for a name, in the order in which they are asked: those of the longest origin.
    fn hosted_for(&self, query: &Query<'_>) -> Option<&[Arc<Hosted>]> {
        let qname = query.qname();
        let found = match query.qtype() {
            Type::DS => self.zones.find_above(qname).or_else(|| self.zones.find(qname)),
            _ => self.zones.find(qname),
        };
        found.map(|found| found.value.as_slice())
    }

    async fn keep(self: Arc<Self>) {
        let cloud = Cloud::new(&self.options).await;
        join_all(self.hosted().map(|hosted| hosted.keep(&cloud, self.options.refresh))).await;
    }
}

impl Plugin for Route53 {
    fn name(&self) -> &'static str {
        "route53"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        if query.qclass() != Class::IN {
            return Step::Next;
        }
        let Some((last, others)) = self.hosted_for(query).and_then(<[_]>::split_last) else {
            return Step::Next;
        };
        for hosted in others {
            let snapshot = hosted.table.load();
            let Some(zone) = snapshot.find(query.qname(), query.qtype()) else { return not_ready(response) };
            let before = Before::of(response);
            let outcome = authority::write(zone, query, authority::ask(query), response);
            if !authority::is_nothing(response) {
                return authority::step(outcome, query, response);
            }
            before.restore(response);
        }
        let snapshot = last.table.load();
        let Some(zone) = snapshot.find(query.qname(), query.qtype()) else { return not_ready(response) };
        authority::answer(zone, query, response, |name| self.fallthrough.takes(name))
    }

    fn ready(&self) -> bool {
        self.hosted().all(|hosted| hosted.is_read())
    }

    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        Some(Box::pin(self.keep()))
    }
}

/// Nobody else is asked about a zone that is not there yet.
#[cold]
fn not_ready(response: &mut Response<'_>) -> Step {
    response.set_rcode(Rcode::SERVFAIL);
    response.set_ede(Ede::NOT_READY);
    Step::Answered
}
