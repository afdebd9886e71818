//! The zones of the directives: answered, notified, and kept up to date.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use cartonym_plugin::{BoxFuture, Fallthrough, Plugin, Query, Response, Step, follow};
use cartonym_tsig::Key;
use cartonym_wire::{Class, Ede, Name, NameBuf, Opcode, Rcode, Section, Type};
use cartonym_zone::{Ask, Outcome, RecordTable, Zone};
use tokio::task::JoinSet;

use crate::incoming::is_newer;
use crate::upkeep::{Upkeep, soa_serial};

/// Answers from zones that primaries tell of.
#[derive(Debug)]
pub struct Secondary {
    table: Arc<RecordTable>,
    zones: Vec<(Arc<Upkeep>, Fallthrough)>,
}

/// Where a zone comes from.
#[derive(Clone, Debug)]
pub struct Primaries {
    addresses: Vec<SocketAddr>,
    key: Option<Arc<Key>>,
}

impl Primaries {
    /// Servers that are asked in this order.
    pub fn new(addresses: impl IntoIterator<Item = SocketAddr>) -> Primaries {
        Primaries { addresses: addresses.into_iter().collect(), key: None }
    }

    /// They are asked, and must answer, with this key.
    #[must_use]
    pub fn with_key(mut self, key: Arc<Key>) -> Primaries {
        self.key = Some(key);
        self
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub(crate) fn key(&self) -> Option<&Arc<Key>> {
        self.key.as_ref()
    }

    /// Whether a NOTIFY from there is theirs.
    fn include(&self, address: IpAddr, key: Option<&Name>) -> bool {
        let address = address.to_canonical();
        self.addresses.iter().any(|primary| primary.ip().to_canonical() == address)
            || key.is_some_and(|name| self.key.as_ref().is_some_and(|key| key.name() == name))
    }
}

impl Secondary {
    /// Without zones.
    pub fn new() -> Secondary {
        let table = Arc::new(RecordTable::new(RandomState::new().hash_one(0)));
        Secondary { table, zones: Vec::new() }
    }

    /// Keeps a zone as well.
    #[must_use]
    pub fn zone(mut self, origin: &Name, primaries: Primaries, fallthrough: Fallthrough) -> Secondary {
        self.zones.push((Arc::new(Upkeep::new(origin.to_lowercase(), primaries)), fallthrough));
        self
    }

    /// What is answered from.
    pub fn table(&self) -> &Arc<RecordTable> {
        &self.table
    }

    fn publish(&self, origin: &NameBuf, zone: Option<Arc<Zone>>) {
        self.table.change(|snapshot| match zone {
            Some(zone) => snapshot.with(zone),
            None => snapshot.without(origin),
        });
    }

    async fn keep(self: Arc<Self>) {
        let mut tasks = JoinSet::new();
        for (upkeep, _) in &self.zones {
            let (this, upkeep) = (Arc::clone(&self), Arc::clone(upkeep));
            tasks.spawn(async move {
                upkeep.run(this.table.hasher(), |zone| this.publish(&upkeep.origin, zone)).await;
            });
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Hears that there is something new (RFC 1996 §3).
    #[cold]
    fn notified(&self, query: &Query<'_>, response: &mut Response<'_>) -> Step {
        let Some((upkeep, _)) = self.zones.iter().find(|(upkeep, _)| *query.name() == *upkeep.origin) else {
            response.set_rcode(Rcode::NOTAUTH);
            return Step::Answered;
        };
        let address = query.client().address.ip();
        if query.qtype() != Type::SOA || !upkeep.primaries.include(address, query.key()) {
            response.set_rcode(Rcode::REFUSED);
            return Step::Answered;
        }
        let here =
            self.table.load().zone(&upkeep.origin).and_then(|zone| zone.soa().map(|(_, serial)| serial));
        let is_news = match (soa_serial(query.message(), &upkeep.origin), here) {
            (Some(there), Some(here)) => is_newer(there, here),
            _ => true,
        };
        if is_news {
            upkeep.call(address.to_canonical());
        }
        response.set_authoritative(true);
        Step::Answered
    }

    /// What is kept for a name: that of the longest zone.
    fn kept(&self, name: &Name) -> Option<&(Arc<Upkeep>, Fallthrough)> {
        let fits = self.zones.iter().filter(|(upkeep, _)| name.is_within(&upkeep.origin));
        fits.max_by_key(|(upkeep, _)| upkeep.origin.len())
    }
}

impl Default for Secondary {
    fn default() -> Secondary {
        Secondary::new()
    }
}

impl Plugin for Secondary {
    fn name(&self) -> &'static str {
        "secondary"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        if query.qclass() != Class::IN {
            return Step::Next;
        }
        if query.opcode() == Opcode::NOTIFY {
            return self.notified(query, response);
        }
        let Some((upkeep, fallthrough)) = self.kept(query.name()) else { return Step::Next };
        let snapshot = self.table.load();
        let found = snapshot.find(query.qname(), query.qtype());
        // A zone above does not answer for one that is kept and not there.
        let is_above = |zone: &&Arc<Zone>| query.qtype() == Type::DS || *zone.origin() == *upkeep.origin;
        let Some(zone) = found.filter(is_above) else {
            response.set_rcode(Rcode::SERVFAIL);
            response.set_ede(Ede::NOT_READY);
            return Step::Answered;
        };
        if matches!(query.qtype(), Type::AXFR | Type::IXFR) {
            response.set_rcode(Rcode::REFUSED);
            return Step::Answered;
        }
        let (mark, flags) = (response.builder().mark(), response.flags());
        let ask = Ask {
            qtype: query.qtype(),
            random: query.random(),
            is_question: query.is_as_asked(),
            name_servers: true,
        };
        match zone.answer(query.qname(), ask, response.builder()) {
            // An alias is an answer, wherever it leads.
            Outcome::Written(Rcode::NXDOMAIN)
                if response.count_of(Section::Answer) == 0 && fallthrough.takes(query.name()) =>
            {
                response.builder().rewind(mark);
                response.builder().set_flags(flags);
                Step::Next
            }
            Outcome::Written(rcode) => {
                response.set_rcode(rcode);
                Step::Answered
            }
            // What comes from a primary has no aliases.
            Outcome::Alias(_) => Step::Next,
            Outcome::Onward(target) => follow(query, response, &target),
        }
    }

    fn handles(&self, opcode: Opcode) -> bool {
        matches!(opcode, Opcode::QUERY | Opcode::NOTIFY)
    }

    fn ready(&self) -> bool {
        let snapshot = self.table.load();
        self.zones.iter().all(|(upkeep, _)| snapshot.zone(&upkeep.origin).is_some())
    }

    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        Some(Box::pin(self.keep()))
    }
}
