//! A query for the DS record of a delegation that has none.
//!
//! What a zone says to it looks like what it says to one for any name without a DS record; but the proof differs: that of a
//! delegation lets everything below go unsigned. So the zone is asked whether there is a delegation.

use std::task::{Context, Poll, Waker};

use cartonym_plugin::{Query, Resumed, Step};
use cartonym_wire::{
    Builder, Class, Flags, Full, HEADER_LEN, MAX_MESSAGE_LEN, Message, Name, Rcode, Section, Ttl, Type,
    expand_rdata,
};

use crate::records;

/// Answers with the delegation's proof if there is one, and it has no DS record; else leaves the query to the zone.
pub(crate) fn answer(query: &Query<'_>, zone: &Name) -> Step {
    let resolver = query.resolver().by(query.route());
    let (name, zone) = (query.name().to_buf(), zone.to_buf());
    let question =
        query.message().as_bytes().get(HEADER_LEN..query.question().end).unwrap_or_default().to_vec();
    Step::defer(async move {
        let Some(referral) = resolver.resolve(&name, Type::NS).await else { return Resumed::Next };
        let Some(referral) = view(&referral).filter(|message| is_unsigned_referral(message, &name)) else {
            return Resumed::Next;
        };
        let soa = resolver.resolve(&zone, Type::SOA).await;
        let soa = soa.as_deref().and_then(view);
        soa.and_then(|soa| negative(&question, soa, referral)).map_or(Resumed::Next, Resumed::Answered)
    })
}

/// How long what `zone` denies may be kept, if its SOA record can be had at once: a response that is whole does not wait.
pub(crate) fn denial_ttl(query: &Query<'_>, zone: &Name) -> Option<Ttl> {
    let mut soa = query.resolver().by(query.route()).resolve(zone, Type::SOA);
    let Poll::Ready(soa) = soa.as_mut().poll(&mut Context::from_waker(Waker::noop())) else { return None };
    ttl_of_denials(view(soa.as_deref()?)?)
}

/// The same, from the answer to a query for the SOA record.
fn ttl_of_denials(soa: Message<'_>) -> Option<Ttl> {
    let mut answers = soa.records().flatten().filter(|record| record.section == 0);
    let soa = answers.find(|record| record.rtype == Type::SOA)?;
    Some(records::denial_ttl(soa.ttl(), soa.rdata))
}

fn view(octets: &[u8]) -> Option<Message<'_>> {
    Message::new(octets).ok().filter(|message| message.header().flags.rcode() == Rcode::NOERROR)
}

fn is_unsigned_referral(message: &Message<'_>, name: &Name) -> bool {
    let has = |rtype| {
        let mut authority = message.records().flatten().filter(|record| record.section == 1);
        authority.any(|record| record.rtype == rtype && *record.owner == *name)
    };
    message.header().counts[1] == 0 && has(Type::NS) && !has(Type::DS)
}

/// The zone's SOA and the delegation's proof, with the signatures that they have.
fn negative(question: &[u8], soa: Message<'_>, referral: Message<'_>) -> Option<Vec<u8>> {
    let mut out = vec![0; MAX_MESSAGE_LEN];
    let mut builder = Builder::new(&mut out, 0, Flags::QR.with(Flags::AA, true), MAX_MESSAGE_LEN);
    builder.question(question).ok()?;
    let ttl = ttl_of_denials(soa)?;
    copy(soa, 0, (Type::SOA, ttl), &mut builder).ok()?;
    copy(referral, 1, (Type::NSEC, ttl), &mut builder).ok()?;
    let len = builder.finish();
    out.truncate(len);
    Some(out)
}

/// Copies to the authority section the records of a type, and their signatures, to be kept no longer than `ttl`.
fn copy(
    message: Message<'_>,
    section: u8,
    (rtype, ttl): (Type, Ttl),
    builder: &mut Builder<'_>,
) -> Result<(), Full> {
    let mut rdata = vec![0; MAX_MESSAGE_LEN];
    for record in message.records().map_while(Result::ok).filter(|record| record.section == section) {
        let (start, len) = (record.rdata_start, record.rdata.len());
        let covered = record.rdata.first_chunk().map(|word| Type(u16::from_be_bytes(*word)));
        if covered.filter(|_| record.rtype == Type::RRSIG).unwrap_or(record.rtype) != rtype {
            continue;
        }
        // What this server made itself is well formed.
        let Ok(len) = expand_rdata(message.as_bytes(), record.rtype, start, len, &mut rdata) else {
            continue;
        };
        let rdata = rdata.get(..len).unwrap_or_default();
        let ttl = record.ttl().min(ttl);
        builder.record(Section::Authority, &record.owner, record.rtype, Class::IN, ttl, rdata)?;
    }
    Ok(())
}
