//! Completing an answer whose aliases lead to where another chain of this server answers.

use cartonym_wire::{
    Builder, Class, Flags, Full, MAX_MESSAGE_LEN, Message, Name, Rcode, Section, Type, expand_rdata,
};

use crate::{Query, Response, Resumed, Step};

/// Answers with the records of `response`, the last of which is an alias of `target`, and those that this server has
/// for `target`; at once, where it has no chain for it.
///
/// What is said of the target decides the rcode (RFC 6604 §3), and says for how long a negative answer holds; that this
/// server is not to be asked is no answer.
pub fn follow(query: &Query<'_>, response: &mut Response<'_>, target: &Name) -> Step {
    if !query.resolver().serves(target) {
        return Step::Answered;
    }
    let (rcode, qtype) = (response.rcode(), query.qtype());
    let Some(begun) = response.message().map(|message| message.as_bytes().to_vec()) else {
        return Step::Answered;
    };
    let target = query.resolver().resolve(target, qtype);
    Step::defer(async move {
        let target = target.await;
        let target = target.as_deref().and_then(|octets| Message::new(octets).ok());
        let answered = target.filter(|message| message.header().flags.rcode() != Rcode::REFUSED);
        Resumed::Answered(match answered {
            Some(message) => complete(&begun, message, rcode).unwrap_or(begun),
            None => begun,
        })
    })
}

/// `begun`, with the answers of `target` behind its own.
fn complete(begun: &[u8], target: Message<'_>, rcode: Rcode) -> Option<Vec<u8>> {
    let message = Message::new(begun).ok()?;
    let flags = message.header().flags;
    let rcode = if rcode == Rcode::NOERROR { target.header().flags.rcode() } else { rcode };
    let is_truncated = target.header().flags.has(Flags::TC);
    let mut out = vec![0; MAX_MESSAGE_LEN];
    let flags = flags.with_rcode(rcode).with(Flags::TC, is_truncated || flags.has(Flags::TC));
    let mut builder = Builder::new(&mut out, 0, flags, MAX_MESSAGE_LEN);
    builder.question(begun.get(cartonym_wire::HEADER_LEN..message.question().ok()?.end)?).ok()?;
    // Where the target has no records, its zone's SOA says so; else the first zone's servers have the word.
    let is_negative = !target.records().flatten().any(|record| record.section == 0 && is_data(record.rtype));
    let authority = if is_negative && rcode != Rcode::SERVFAIL { target } else { message };
    let parts = [(Section::Answer, message), (Section::Answer, target), (Section::Authority, authority)];
    if parts.into_iter().try_for_each(|(section, message)| copy(section, message, &mut builder)).is_err() {
        builder.set_flags(builder.flags().with(Flags::TC, true));
    }
    let len = builder.finish();
    out.truncate(len);
    Some(out)
}

fn is_data(rtype: Type) -> bool {
    !matches!(rtype, Type::CNAME | Type::DNAME)
}

/// Copies a section's records.
fn copy(section: Section, message: Message<'_>, builder: &mut Builder<'_>) -> Result<(), Full> {
    let number = if section == Section::Answer { 0 } else { 1 };
    let mut rdata = vec![0; MAX_MESSAGE_LEN];
    for record in message.records().map_while(Result::ok).filter(|record| record.section == number) {
        let (start, len) = (record.rdata_start, record.rdata.len());
        // What this server made itself is well formed.
        let Ok(len) = expand_rdata(message.as_bytes(), record.rtype, start, len, &mut rdata) else {
            continue;
        };
        let rdata = rdata.get(..len).unwrap_or_default();
        builder.record(section, &record.owner, record.rtype, Class::IN, record.ttl(), rdata)?;
    }
    Ok(())
}
