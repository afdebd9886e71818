//! The zones of one directive, and how they are answered and kept up to date.

use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::{BoxFuture, Fallthrough, Plugin, Query, Response, Resumed, Step};
use cartonym_wire::{Builder, Class, Ede, Flags, HEADER_LEN, Opcode, Rcode, Type};
use cartonym_zone::{Ask, Outcome, RecordTable};
use futures_util::future::join;

use crate::master::{Master, MasterError};

/// Answers from master files, and lets those who may change their zones.
#[derive(Debug)]
pub struct Files {
    table: Arc<RecordTable>,
    masters: Vec<Arc<Master>>,
    fallthrough: Fallthrough,
    /// How often the files are looked at; never if zero.
    reload: Duration,
}

impl Files {
    /// Answers from `masters`, none of which is read yet; [`Files::load`] does that. All are for `table`.
    pub(crate) fn new(
        table: Arc<RecordTable>,
        masters: Vec<Master>,
        fallthrough: Fallthrough,
        reload: Duration,
    ) -> Files {
        Files { table, masters: masters.into_iter().map(Arc::new).collect(), fallthrough, reload }
    }

    /// What is answered from.
    pub fn table(&self) -> &Arc<RecordTable> {
        &self.table
    }

    /// Reads every file, and serves those that are right.
    ///
    /// # Errors
    ///
    /// The first file that is not.
    pub(crate) fn load(&self) -> Result<(), MasterError> {
        self.masters.iter().try_for_each(|master| master.load())
    }

    /// Reads files again that have changed.
    async fn watch(self: Arc<Self>) {
        if self.reload.is_zero() {
            return;
        }
        let mut seen: Vec<_> = self.masters.iter().map(|master| master.modified()).collect();
        loop {
            tokio::time::sleep(self.reload).await;
            for (master, seen) in self.masters.iter().zip(&mut seen) {
                let now = master.modified();
                if now.is_none() || now == *seen {
                    continue;
                }
                *seen = now;
                let master = Arc::clone(master);
                // Reading a million records takes its time, which others have better use for.
                let _ = tokio::task::spawn_blocking(move || master.reload()).await;
            }
        }
    }

    /// Follows journals that others write as well: who takes over from us, and we who took over.
    async fn follow(self: Arc<Self>) {
        let updated: Vec<_> = self.masters.iter().filter(|master| master.takes_updates()).cloned().collect();
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
        let Some(master) = self.masters.iter().find(|master| master.origin() == query.name()) else {
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
        let Some(zone) = snapshot.find(query.qname(), query.qtype()) else {
            if !self.masters.iter().any(|master| query.name().is_within(master.origin())) {
                return Step::Next;
            }
            response.set_rcode(Rcode::SERVFAIL);
            response.set_ede(Ede::NOT_READY);
            return Step::Answered;
        };
        if matches!(query.qtype(), Type::AXFR | Type::IXFR) {
            response.set_rcode(Rcode::REFUSED);
            return Step::Answered;
        }
        let (mark, flags) = (response.builder().mark(), response.flags());
        let ask = Ask { qtype: query.qtype(), random: query.random(), is_question: query.is_as_asked() };
        match zone.answer(query.qname(), ask, response.builder()) {
            Outcome::Written(Rcode::NXDOMAIN) if self.fallthrough.takes(query.name()) => {
                response.builder().rewind(mark);
                response.builder().set_flags(flags);
                Step::Next
            }
            Outcome::Written(rcode) => {
                response.set_rcode(rcode);
                Step::Answered
            }
            // Master files have no aliases.
            Outcome::Alias(_) => Step::Next,
        }
    }

    fn handles(&self, opcode: Opcode) -> bool {
        let takes_updates = || self.masters.iter().any(|master| master.takes_updates());
        opcode == Opcode::QUERY || opcode == Opcode::UPDATE && takes_updates()
    }

    fn ready(&self) -> bool {
        let snapshot = self.table.load();
        self.masters.iter().all(|master| snapshot.zone(master.origin()).is_some())
    }

    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        Some(Box::pin(async move {
            join(Arc::clone(&self).watch(), self.follow()).await;
        }))
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
