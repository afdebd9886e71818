//! Taking over a response that came as a whole message: from an upstream, or from a promise.

use cartonym_plugin::Response;
use cartonym_wire::{
    Edns, Flags, MAX_MESSAGE_LEN, Message, OptionCode, ParseError, Section, Type, expand_rdata,
};

/// Copies rcode, flags and records of `octets` to `response`; TSIG belongs to another conversation and stays, as does OPT but for
/// what it tells of an error, which a forwarder may pass on (RFC 8914).
///
/// # Errors
///
/// [`ParseError`] if `octets` are no message; `response` may then hold a part of it.
pub(crate) fn adopt(octets: &[u8], response: &mut Response<'_>) -> Result<(), ParseError> {
    let message = Message::new(octets)?;
    let flags = message.header().flags;
    response.set_rcode(flags.rcode());
    for flag in [Flags::AA, Flags::TC, Flags::RA, Flags::AD] {
        response.set_flag(flag, flags.has(flag));
    }
    let mut rdata = vec![0; MAX_MESSAGE_LEN];
    for record in message.records() {
        let record = record?;
        if let Some(ede) = Edns::of(&record).and_then(|edns| edns.options.find(OptionCode::EDE)) {
            response.option(OptionCode::EDE, ede);
        }
        if matches!(record.rtype, Type::OPT | Type::TSIG) {
            continue;
        }
        let section = match record.section {
            0 => Section::Answer,
            1 => Section::Authority,
            _ => Section::Additional,
        };
        let len = expand_rdata(octets, record.rtype, record.rdata_start, record.rdata.len(), &mut rdata)?;
        let rdata = rdata.get(..len).unwrap_or_default();
        if response
            .record_of_class(section, &record.owner, record.rtype, record.class, record.ttl(), rdata)
            .is_err()
        {
            break;
        }
    }
    Ok(())
}
