//! The zones of a server block's directives, and how they are answered and kept up to date.

use std::sync::Arc;
use std::time::Duration;

use cartonym_authority as authority;
use cartonym_plugin::{BoxFuture, Fallthrough, Plugin, Query, Response, Resumed, Step};
use cartonym_wire::{Builder, Class, Ede, Flags, HEADER_LEN, Name, Opcode, Rcode, SuffixMap, Type};
use cartonym_zone::RecordTable;
use futures_util::future::{join, join_all};

use crate::master::{Master, MasterError};

/// Answers from master files, and lets those who may change their zones.
#[derive(Debug)]
pub struct Files {
    table: Arc<RecordTable>,
    stanzas: Vec<Stanza>,
    /// Which names are left to others, for the zones that leave any.
    fallthrough: SuffixMap<Fallthrough>,
}

/// What one directive says.
#[derive(Debug)]
pub(crate) struct Stanza {
    pub(crate) masters: Vec<Arc<Master>>,
    pub(crate) fallthrough: Option<Fallthrough>,
    /// How often the files are looked at; never if zero.
    pub(crate) reload: Duration,
}

impl Files {
    /// Answers from `table`, whose zones the stanzas to be added have.
    pub(crate) fn new(table: Arc<RecordTable>) -> Files {
        let fallthrough = SuffixMap::new(table.hasher());
        Files { table, stanzas: Vec::new(), fallthrough }
    }

    /// Adds a stanza; a zone that an earlier one has is its from now on.
    pub(crate) fn add(&mut self, stanza: Stanza) {
        for master in &stanza.masters {
            for earlier in &mut self.stanzas {
                earlier.masters.retain(|other| other.origin() != master.origin());
            }
            self.fallthrough.remove(master.origin());
            if let Some(fallthrough) = &stanza.fallthrough {
                self.fallthrough.insert(master.origin(), fallthrough.clone());
            }
        }
        self.stanzas.push(stanza);
    }

    /// What is answered from.
    pub fn table(&self) -> &Arc<RecordTable> {
        &self.table
    }

    fn masters(&self) -> impl Iterator<Item = &Arc<Master>> {
        self.stanzas.iter().flat_map(|stanza| &stanza.masters)
    }

    /// Whether a name that `zone` has not is left to the next plugin.
    fn falls_through(&self, zone: &Name, name: &Name) -> bool {
        self.fallthrough.get(zone).is_some_and(|fallthrough| fallthrough.takes(name))
    }

    /// Reads files again that have changed.
    async fn watch(self: Arc<Self>) {
        join_all(self.stanzas.iter().map(Stanza::watch)).await;
    }

    /// Follows journals that others write as well: who takes over from us, and we who took over.
    async fn follow(self: Arc<Self>) {
        let updated: Vec<_> = self.masters().filter(|master| master.takes_updates()).cloned().collect();
        if updated.is_empty() {
            return;
        }
        let updated = Arc::new(updated);
        loop {
            let masters = Arc::clone(&updated);
            let _ = tokio::task::spawn_blocking(move || masters.iter().for_each(|master| master.catch_up()))
                .await;
            tokio::time::sleep(FOLLOW).await;
        }
    }

    /// Takes an update (RFC 2136 §3.1); what it comes to is said when it is on disk.
    #[cold]
    fn update(&self, query: &Query<'_>, response: &mut Response<'_>) -> Step {
        let Some(master) = self.masters().find(|master| master.origin() == query.name()) else {
            return Step::Next;
        };
        if query.qtype() != Type::SOA {
            response.set_rcode(Rcode::FORMERR);
            return Step::Answered;
        }
        if !master.may_update(query.key()) {
            response.set_rcode(Rcode::REFUSED);
            response.set_ede(Ede::PROHIBITED);
            return Step::Answered;
        }
        let (master, message) = (Arc::clone(master), query.message().as_bytes().to_vec());
        Step::defer(async move { Resumed::Answered(reply(master.update(message).await)) })
    }
}

impl Plugin for Files {
    fn name(&self) -> &'static str {
        "file"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        if query.qclass() != Class::IN {
            return Step::Next;
        }
        if query.opcode() == Opcode::UPDATE {
            return self.update(query, response);
        }
        let snapshot = self.table.load();
        let Some(zone) = snapshot.find(query.qname(), query.qtype()) else { return Step::Next };
        authority::answer(zone, query, response, |name| self.falls_through(zone.origin(), name))
    }

    fn handles(&self, opcode: Opcode) -> bool {
        let takes_updates = || self.masters().any(|master| master.takes_updates());
        opcode == Opcode::QUERY || opcode == Opcode::UPDATE && takes_updates()
    }

    fn ready(&self) -> bool {
        let snapshot = self.table.load();
        self.masters().all(|master| snapshot.zone(master.origin()).is_some())
    }

    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        Some(Box::pin(async move {
            join(Arc::clone(&self).watch(), self.follow()).await;
        }))
    }
}

impl Stanza {
    /// Reads every file, and serves those that are right.
    ///
    /// # Errors
    ///
    /// The first file that is not.
    pub(crate) fn load(&self) -> Result<(), MasterError> {
        self.masters.iter().try_for_each(|master| master.load())
    }

    /// Reads files again that have changed.
    async fn watch(&self) {
        if self.reload.is_zero() {
            return;
        }
        loop {
            tokio::time::sleep(self.reload).await;
            let masters = self.masters.clone();
            let look = move || masters.iter().for_each(|master| master.reload());
            let _ = tokio::task::spawn_blocking(look).await;
        }
    }
}

/// A message of nothing but an rcode.
fn reply(rcode: Rcode) -> Vec<u8> {
    let mut octets = vec![0; HEADER_LEN];
    let flags = Flags::QR.with_opcode(Opcode::UPDATE).with_rcode(rcode);
    Builder::new(&mut octets, 0, flags, HEADER_LEN).finish();
    octets
}

/// How often journals are looked at.
const FOLLOW: Duration = Duration::from_secs(1);
