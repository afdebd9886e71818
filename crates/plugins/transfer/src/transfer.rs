//! Who asks for a zone is told of it; who ought to know of a change is notified.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::{BoxFuture, Plugin, Query, Response, Resumed, Step, Transport};
use cartonym_wire::{
    Class, Ede, Hasher, MAX_NAME_LEN, Message, Name, Qname, Rcode, Section, SuffixMap, Type, expand_rdata,
};
use cartonym_zone::{RecordTable, Soa, Tables, Zone};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use crate::Who;
use crate::journal::{Journals, News};
use crate::notify::Notifier;
use crate::pages::{Head, Pages};

/// Tells other servers of the zones of some tables.
#[derive(Debug)]
pub struct Transfer {
    zones: SuffixMap<Who>,
    tables: Arc<Tables>,
    journals: Arc<Journals>,
}

/// How long changes are collected before they are told.
const QUIET: Duration = Duration::from_millis(100);

impl Transfer {
    /// Tells nobody of the zones of `tables`, which may be added later.
    pub fn new(tables: Arc<Tables>) -> Transfer {
        // The names of zones are the operator's: their hashes need no secret.
        Transfer { zones: SuffixMap::new(Hasher::new(0)), tables, journals: Arc::default() }
    }

    /// Tells `who` of `zone` and the zones below it, unless there is a word about those.
    #[must_use]
    pub fn zone(mut self, zone: &Name, who: Who) -> Transfer {
        self.zones.insert(zone, who);
        self
    }

    fn axfr(&self, query: &Query<'_>, zone: Arc<Zone>, soa: &Soa) -> Step {
        stream(Pages::whole(Head::of(query), zone, soa))
    }

    fn ixfr(&self, query: &Query<'_>, zone: Arc<Zone>, soa: &Soa, response: &mut Response<'_>) -> Step {
        let Some(serial) = client_serial(query.message()) else {
            return fail(response, Rcode::FORMERR, None);
        };
        if !has_stream(query) {
            // A client that is behind comes back over TCP (RFC 1995 §2).
            response.set_authoritative(true);
            let _ = response.record(Section::Answer, zone.origin(), Type::SOA, soa.ttl, &soa.rdata);
            return Step::Answered;
        }
        let (head, origin) = (Head::of(query), zone.origin().to_buf());
        let (journals, tables) = (Arc::clone(&self.journals), Arc::clone(&self.tables));
        Step::defer(async move {
            // Versions that have nothing in common take their time to compare.
            let news = spawn_blocking(move || journals.since(&tables, &origin, serial)).await;
            match news {
                Ok(Some(News::None(soa))) => told(Pages::lone(head, origin, &soa)),
                Ok(Some(News::Changes(difference))) => told(Pages::changes(head, origin, difference)),
                Ok(Some(News::All(zone, soa))) => told(Pages::whole(head, zone, &soa)),
                Ok(None) | Err(_) => Resumed::Next,
            }
        })
    }

    /// The zones that somebody may be told of.
    fn known(&self) -> Vec<Arc<Zone>> {
        let mut known: Vec<Arc<Zone>> = Vec::new();
        for table in self.tables.all() {
            for zone in table.load().zones() {
                let is_known = known.iter().any(|there| there.origin() == zone.origin());
                if !is_known && self.who(zone.origin()).is_some() {
                    known.push(Arc::clone(zone));
                }
            }
        }
        known
    }

    fn who(&self, zone: &Name) -> Option<&Who> {
        self.zones.find(&Qname::new(zone)).map(|found| found.value)
    }

    async fn watch(self: Arc<Self>) {
        let changed = Arc::new(Notify::new());
        // A table calls them for as long as they are kept.
        let _watchers: Vec<_> =
            (0..).zip(self.tables.all()).map(|(at, table)| self.watcher(at, table, &changed)).collect();
        let mut notifier = Notifier::default();
        loop {
            self.tell_news(&mut notifier).await;
            changed.notified().await;
            tokio::time::sleep(QUIET).await;
        }
    }

    /// Notes each version of the table at this place, and says that there is one.
    fn watcher(
        &self,
        at: usize,
        table: Arc<RecordTable>,
        changed: &Arc<Notify>,
    ) -> Arc<impl Fn() + Send + Sync + use<>> {
        let (journals, changed) = (Arc::clone(&self.journals), Arc::clone(changed));
        let watched = Arc::clone(&table);
        let watcher = Arc::new(move || {
            journals.note(at, watched.snapshot());
            changed.notify_one();
        });
        table.watch(&watcher);
        watcher
    }

    async fn tell_news(self: &Arc<Self>, notifier: &mut Notifier) {
        let this = Arc::clone(self);
        let Ok(versions) =
            spawn_blocking(move || this.journals.catch_up(&this.tables, || this.known())).await
        else {
            return;
        };
        notifier.keep(|zone| versions.iter().any(|(origin, _)| **origin == *zone));
        for (origin, soa) in &versions {
            for (server, source) in self.who(origin).into_iter().flat_map(Who::notified) {
                notifier.tell(origin, soa, server, source);
            }
        }
    }
}

impl Plugin for Transfer {
    fn name(&self) -> &'static str {
        "transfer"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        if !matches!(query.qtype(), Type::AXFR | Type::IXFR) || query.qclass() != Class::IN {
            return Step::Next;
        }
        let Some(found) = self.zones.find(query.qname()) else { return Step::Next };
        if !found.value.includes(query.client().address.ip(), query.key()) {
            return fail(response, Rcode::REFUSED, Some(Ede::PROHIBITED));
        }
        let Some(zone) = self.tables.zone(query.name()) else { return Step::Next };
        let Some(soa) = zone.version() else { return Step::Next };
        match query.qtype() {
            Type::IXFR => self.ixfr(query, zone, &soa, response),
            // A zone in a datagram has no meaning (RFC 5936 §4.2).
            _ if !has_stream(query) => fail(response, Rcode::REFUSED, None),
            _ => self.axfr(query, zone, &soa),
        }
    }

    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        Some(Box::pin(self.watch()))
    }
}

/// Whether there may be more than one message: HTTP has one response for one request.
fn has_stream(query: &Query<'_>) -> bool {
    matches!(query.client().transport, Transport::Tcp | Transport::Tls)
}

fn told(pages: Pages) -> Resumed {
    Resumed::Stream(Box::new(pages))
}

fn stream(pages: Pages) -> Step {
    Step::defer(ready(told(pages)))
}

fn fail(response: &mut Response<'_>, rcode: Rcode, ede: Option<Ede>) -> Step {
    response.set_rcode(rcode);
    if let Some(ede) = ede {
        response.set_ede(ede);
    }
    Step::Answered
}

/// The serial of the version that the client has: that of the SOA in its authority section (RFC 1995 §3).
fn client_serial(message: Message<'_>) -> Option<u32> {
    let mut records = message.records().map_while(Result::ok);
    let soa = records.find(|record| record.section == 1 && record.rtype == Type::SOA)?;
    let mut rdata = [0; 2 * MAX_NAME_LEN + 20];
    let (octets, len) = (message.as_bytes(), soa.rdata.len());
    let len = expand_rdata(octets, Type::SOA, soa.rdata_start, len, &mut rdata).ok()?;
    let numbers = rdata.get(len.checked_sub(20)?..)?.first_chunk()?;
    Some(u32::from_be_bytes(*numbers))
}
