#![doc = include_str!("../README.md")]

use std::fmt;
use std::sync::Arc;

use cartonym_authority as authority;
use cartonym_plugin::{Plugin, Query, Response, Resumed, Step};
use cartonym_wire::{
    Builder, Class, Flags, HEADER_LEN, MAX_MESSAGE_LEN, Message, Name, NameBuf, Rcode, Section, Ttl, Type,
};
use cartonym_zone::{Ask, Outcome, RecordTable};

/// Answers from a record table that somebody else writes.
#[derive(Clone)]
pub struct Records {
    table: Arc<RecordTable>,
    is_written: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

impl Records {
    /// Answers from a table, or from that of a registry.
    pub fn of(table: impl Into<Arc<RecordTable>>) -> Records {
        Records { table: table.into(), is_written: None }
    }

    /// Is ready only while `is_written` says that whoever writes the table does; it is asked by those who ask whether it is.
    #[must_use]
    pub fn ready_while(self, is_written: impl Fn() -> bool + Send + Sync + 'static) -> Records {
        Records { is_written: Some(Arc::new(is_written)), ..self }
    }
}

impl Plugin for Records {
    fn name(&self) -> &'static str {
        "registry"
    }

    fn ready(&self) -> bool {
        self.is_written.as_ref().is_none_or(|is_written| is_written())
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        if query.qclass() != Class::IN {
            return Step::Next;
        }
        let snapshot = self.table.load();
        let Some(zone) = snapshot.find(query.qname(), query.qtype()) else { return Step::Next };
        let ask = Ask { name_servers: false, ..authority::ask(query) };
        match authority::write(zone, query, ask, response) {
            Outcome::Written(_) => Step::Answered,
            // The client's resolver goes on from here: what is registered waits for nobody.
            Outcome::Onward(_) => Step::Answered,
            Outcome::Alias(target) => defer_alias(query, target),
        }
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").field("table", &self.table).finish_non_exhaustive()
    }
}

/// The records of an alias are its target's, under the name asked for.
fn defer_alias(query: &Query<'_>, target: NameBuf) -> Step {
    let (owner, qtype) = (query.question().name.to_buf(), query.qtype());
    let answer = query.resolver().resolve(&target, qtype);
    Step::defer(async move {
        let aliased = match answer.await {
            Some(message) => alias(&owner, qtype, &message),
            None => None,
        };
        Resumed::Answered(aliased.unwrap_or_else(|| failure(&owner, qtype)))
    })
}

/// A response that has, for `owner`, the records of `qtype` in `message`, at the end of whatever chain.
fn alias(owner: &Name, qtype: Type, message: &[u8]) -> Option<Vec<u8>> {
    let message = Message::new(message).ok()?;
    let flags = message.header().flags;
    if !matches!(flags.rcode(), Rcode::NOERROR | Rcode::NXDOMAIN) {
        return None;
    }
    build(owner, qtype, Flags::QR.with(Flags::AA, true), |builder| {
        for record in message.records().map_while(Result::ok) {
            // No address at the target is no address here; the name itself exists.
            if record.section == 0 && record.rtype == qtype {
                let ttl = Ttl::from_secs(record.ttl_bits);
                let _ = builder.record(Section::Answer, owner, qtype, Class::IN, ttl, record.rdata);
            }
        }
    })
}

fn failure(owner: &Name, qtype: Type) -> Vec<u8> {
    build(owner, qtype, Flags::QR.with_rcode(Rcode::SERVFAIL), |_| {}).unwrap_or_default()
}

fn build(owner: &Name, qtype: Type, flags: Flags, fill: impl FnOnce(&mut Builder<'_>)) -> Option<Vec<u8>> {
    let mut question = owner.as_wire().to_vec();
    question.extend_from_slice(&qtype.0.to_be_bytes());
    question.extend_from_slice(&Class::IN.0.to_be_bytes());
    let mut octets = vec![0; MAX_MESSAGE_LEN];
    let mut builder = Builder::new(&mut octets, 0, flags, MAX_MESSAGE_LEN);
    builder.question(&question).ok()?;
    fill(&mut builder);
    let len = builder.finish().max(HEADER_LEN);
    octets.truncate(len);
    Some(octets)
}
