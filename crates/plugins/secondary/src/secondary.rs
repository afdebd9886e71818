//! The zones of the directives: answered, notified, and kept up to date.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};

use cartonym_authority as authority;
use cartonym_plugin::{BoxFuture, Fallthrough, Plugin, Query, Response, Step};
use cartonym_tsig::Key;
use cartonym_wire::{Class, Ede, Name, NameBuf, Opcode, Rcode, Type};
use cartonym_zone::{RecordTable, Zone};
use tokio::task::JoinSet;

use crate::incoming::is_newer;
use crate::upkeep::{Upkeep, soa_serial};

/// Answers from zones that primaries tell of.
#[derive(Debug)]
pub struct Secondary {
    table: Arc<RecordTable>,
    zones: Vec<Kept>,
}

/// A zone as one directive has it.
#[derive(Debug)]
struct Kept {
    upkeep: Arc<Upkeep>,
    primaries: Primaries,
    fallthrough: Fallthrough,
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
        // One seed for the process: a zone may be in the tables of several, as when a configuration follows another.
        static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));
        Secondary { table: Arc::new(RecordTable::new(*SEED)), zones: Vec::new() }
    }

    /// Keeps a zone as well. What another has of it from the same primaries is served at once.
    #[must_use]
    pub fn zone(mut self, origin: &Name, primaries: Primaries, fallthrough: Fallthrough) -> Secondary {
        let upkeep = Upkeep::of(origin.to_lowercase(), &primaries);
        if let Some(zone) = upkeep.published() {
            self.table.put(zone);
        }
        self.zones.push(Kept { upkeep, primaries, fallthrough });
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
        for Kept { upkeep, primaries, .. } in &self.zones {
            let (this, followed) = (Arc::clone(&self), Arc::clone(upkeep));
            tasks.spawn(async move { followed.follow(|zone| this.publish(&followed.origin, zone)).await });
            let (hasher, upkeep, key) = (self.table.hasher(), Arc::clone(upkeep), primaries.key().cloned());
            tasks.spawn(async move { upkeep.run(hasher, key.as_ref()).await });
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Hears that there is something new (RFC 1996 §3).
    #[cold]
    fn notified(&self, query: &Query<'_>, response: &mut Response<'_>) -> Step {
        let Some(Kept { upkeep, primaries, .. }) =
            self.zones.iter().find(|kept| *query.name() == *kept.upkeep.origin)
        else {
            response.set_rcode(Rcode::NOTAUTH);
            return Step::Answered;
        };
        let address = query.client().address.ip();
        if query.qtype() != Type::SOA || !primaries.include(address, query.key()) {
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
    fn kept(&self, name: &Name) -> Option<&Kept> {
        let fits = self.zones.iter().filter(|kept| name.is_within(&kept.upkeep.origin));
        fits.max_by_key(|kept| kept.upkeep.origin.len())
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
        let Some(Kept { upkeep, fallthrough, .. }) = self.kept(query.name()) else { return Step::Next };
        let snapshot = self.table.load();
        let found = snapshot.find(query.qname(), query.qtype());
        // A zone above does not answer for one that is kept and not there.
        let is_above = |zone: &&Arc<Zone>| query.qtype() == Type::DS || *zone.origin() == *upkeep.origin;
        let Some(zone) = found.filter(is_above) else {
            response.set_rcode(Rcode::SERVFAIL);
            response.set_ede(Ede::NOT_READY);
            return Step::Answered;
        };
        authority::answer(zone, query, response, |name| fallthrough.takes(name))
    }

    fn handles(&self, opcode: Opcode) -> bool {
        matches!(opcode, Opcode::QUERY | Opcode::NOTIFY)
    }

    fn ready(&self) -> bool {
        let snapshot = self.table.load();
        self.zones.iter().all(|kept| snapshot.zone(&kept.upkeep.origin).is_some())
    }

    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        Some(Box::pin(self.keep()))
    }
}
