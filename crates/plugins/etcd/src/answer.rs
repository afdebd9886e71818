//! Answers that are made elsewhere than on a socket's worker: of questions with stars, of names that lead out of the
//! zone, and of queries that came before the first data did.

use cartonym_plugin::{OwnedQuery, Query, Resolver, Resumed};
use cartonym_wire::{
    Builder, Class, Flags, MAX_MESSAGE_LEN, Message, Name, NameBuf, Rcode, Section, Type, expand_rdata,
};

use crate::plugin::EtcdRecords;
use crate::store::is_star;

/// An answer, and whose records are missing.
struct Made {
    message: Vec<u8>,
    target: Option<(NameBuf, Resolver)>,
}

impl EtcdRecords {
    /// Answers a query that could not be answered at once.
    pub(crate) async fn answer_later(self, mut query: OwnedQuery) -> Resumed {
        if !self.view.wait(PATIENCE).await {
            return Resumed::Answered(failure());
        }
        let made = match query.view() {
            Ok(query) => self.make(&query),
            Err(_) => return Resumed::Drop,
        };
        let Some(Made { message, target }) = made else { return Resumed::Next };
        let Some((target, resolver)) = target else { return Resumed::Answered(message) };
        let qtype = query.view().map_or(Type::A, |query| query.qtype());
        let more = resolver.resolve(&target, qtype).await;
        // The CNAME is the answer, whatever becomes of its target.
        let whole = more.and_then(|more| joined(&message, &more));
        Resumed::Answered(whole.unwrap_or(message))
    }

    /// The whole answer; none where it is left to the next plugin.
    fn make(&self, query: &Query<'_>) -> Option<Made> {
        let snapshot = self.view.table.load();
        let zone = snapshot.find(query.qname(), query.qtype())?;
        let mut octets = vec![0; MAX_MESSAGE_LEN];
        let mut builder = Builder::new(&mut octets, 0, Flags::QR, MAX_MESSAGE_LEN);
        let fields = [query.qtype().0, Class::IN.0].map(u16::to_be_bytes);
        builder.question(&[query.owner().as_wire(), fields.as_flattened()].concat()).ok()?;
        let mark = builder.mark();
        let mut rcode = self.write(zone, query, true, &mut builder);
        if rcode == Rcode::NXDOMAIN && has_star(query.name()) {
            builder.rewind(mark);
            let zone = self.view.starred(zone, query.name(), query.now().as_secs());
            rcode = self.write(&zone, query, true, &mut builder);
        }
        if rcode == Rcode::NXDOMAIN && self.fallthrough.takes(query.name()) {
            return None;
        }
        builder.set_flags(builder.flags().with_rcode(rcode));
        let len = builder.finish();
        octets.truncate(len);
        let target = Message::new(&octets).ok().and_then(|message| leads_to(message, zone.origin(), query));
        Some(Made { target: target.map(|target| (target, query.resolver().clone())), message: octets })
    }
}

/// Whether a label stands for any label.
pub(crate) fn has_star(name: &Name) -> bool {
    name.labels().any(is_star)
}

/// The name outside of the zone that an answer ends with, whose records the client wants.
pub(crate) fn leads_to(message: Message<'_>, zone: &Name, query: &Query<'_>) -> Option<NameBuf> {
    if matches!(query.qtype(), Type::CNAME | Type::ANY) {
        return None;
    }
    let mut answers = message.records().map_while(Result::ok).take_while(|record| record.section == 0);
    let first = answers.next().filter(|record| record.rtype == Type::CNAME)?;
    let last = answers.last().unwrap_or(first);
    let is_cname = last.rtype == Type::CNAME;
    let (target, _) = NameBuf::expand(message.as_bytes(), last.rdata_start).ok().filter(|_| is_cname)?;
    (!target.is_within(zone)).then_some(target)
}

/// The first message with the second one's answers behind its own.
fn joined(first: &[u8], second: &[u8]) -> Option<Vec<u8>> {
    let flags = Message::new(first).ok()?.header().flags;
    let mut octets = vec![0; MAX_MESSAGE_LEN];
    let mut rdata = vec![0; MAX_MESSAGE_LEN];
    let mut builder = Builder::new(&mut octets, 0, flags, MAX_MESSAGE_LEN);
    for message in [first, second] {
        for record in Message::new(message).ok()?.records().map_while(Result::ok) {
            if record.section != 0 {
                break;
            }
            let (start, len) = (record.rdata_start, record.rdata.len());
            let len = expand_rdata(message, record.rtype, start, len, &mut rdata).ok()?;
            let (rtype, ttl) = (record.rtype, record.ttl());
            builder.record(Section::Answer, &record.owner, rtype, Class::IN, ttl, rdata.get(..len)?).ok()?;
        }
    }
    let len = builder.finish();
    octets.truncate(len);
    Some(octets)
}

/// Nothing is known.
fn failure() -> Vec<u8> {
    let mut octets = vec![0; cartonym_wire::HEADER_LEN];
    let flags = Flags::QR.with_rcode(Rcode::SERVFAIL);
    let limit = octets.len();
    Builder::new(&mut octets, 0, flags, limit).finish();
    octets
}

/// How long a query waits for the first data, as CoreDNS has it wait for etcd.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);
