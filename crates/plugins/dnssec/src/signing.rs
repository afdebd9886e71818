//! A response as it comes from the plugins behind, made into one that proves itself.

use cartonym_plugin::{Query, Response};
use cartonym_wire::{Class, Full, Name, NameBuf, Rcode, Section, Ttl, Type};

use crate::canonical::RrSet;
use crate::delegation;
use crate::denial::{Denied, nsec};
use crate::records::{Records, Set};
use crate::signer::{Moment, Signer};

/// Why a response was not signed whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unsigned {
    /// It has no room for all; TC says so.
    Full,
    /// A key gave no signature.
    NoSignature,
}

/// What a response is, as far as proofs go.
enum Shape {
    /// It has what was asked for.
    Data,
    /// It says that there is no such name, or type: the name in question.
    Negative(NameBuf),
    /// It leads to another zone's servers: the owner of their NS records.
    Referral(NameBuf),
}

/// A response on its way from one to the other.
struct Signing<'a, 'r, 'b> {
    signer: &'a Signer,
    moment: Moment,
    query: &'a Query<'a>,
    records: &'a Records,
    response: &'r mut Response<'b>,
}

/// Writes the response to a query again, with signatures behind what is the zone's, and proofs of
/// what is not there.
///
/// # Errors
///
/// [`Unsigned`]; what has been written until then stays.
pub(crate) fn sign(
    signer: &Signer,
    moment: Moment,
    query: &Query<'_>,
    response: &mut Response<'_>,
) -> Result<(), Unsigned> {
    // Nothing in a response that cannot be read is this zone's.
    let Some(records) = Records::of(response) else { return Ok(()) };
    let shape = shape(signer, &records, (query.name(), query.qtype()));
    let rcode = response.rcode();
    response.clear_records();
    let mut signing = Signing { signer, moment, query, records: &records, response };
    signing.section(Section::Answer, &shape)?;
    if query.qtype() == Type::NSEC && matches!(shape, Shape::Negative(_)) {
        // The proof is what was asked for.
        return signing.proof(Section::Answer, &shape, rcode);
    }
    signing.section(Section::Authority, &shape)?;
    signing.proof(Section::Authority, &shape, rcode)?;
    signing.section(Section::Additional, &shape)
}

/// Adds one set of the answer section and its signatures.
///
/// # Errors
///
/// [`Unsigned`].
pub(crate) fn sign_answer(
    signer: &Signer,
    moment: Moment,
    set: &RrSet<'_>,
    response: &mut Response<'_>,
) -> Result<(), Unsigned> {
    signatures(signer, moment, &set.owner.to_lowercase(), Section::Answer, set, response)
}

fn shape(signer: &Signer, records: &Records, (name, qtype): (&Name, Type)) -> Shape {
    let below = |set: &&Set| {
        set.rtype == Type::NS && signer.zone_of(&set.owner).is_some_and(|zone| *zone != *set.owner)
    };
    let is_alias = |set: &Set| matches!(set.rtype, Type::CNAME | Type::DNAME | Type::RRSIG);
    if let Some(cut) = records.of_section(Section::Authority).find(below)
        && records.of_section(Section::Answer).all(is_alias)
    {
        return Shape::Referral(cut.owner.to_lowercase());
    }
    let denied = records.end_of_chain(name);
    // Whose SOA it is says whose denial it is: the zone's, or that of one below which is signed with it. One that brings its
    // own signatures has its own proof.
    let is_ours = |set: &Set| {
        let zone = signer.zone_for(&denied, qtype);
        set.rtype == Type::SOA
            && denied.is_within(&set.owner)
            && (zone.is_some() && signer.zone_of(&set.owner) == zone)
            && !records.is_signed(set)
    };
    if records.of_section(Section::Authority).any(is_ours) {
        return Shape::Negative(denied);
    }
    Shape::Data
}

impl Shape {
    /// Whether a response without this set is not whole.
    fn needs(&self, set: &Set) -> bool {
        match (self, set.section) {
            // The addresses of servers below the cut, which nobody could find (RFC 9471 §3).
            (Shape::Referral(cut), Section::Additional) => set.owner.is_within(cut),
            (_, Section::Additional) => false,
            // Whose answer it is.
            (Shape::Data, Section::Authority) => set.rtype != Type::NS,
            _ => true,
        }
    }
}

impl<'a> Signing<'a, '_, '_> {
    /// Writes the sets of a section, and behind each its signatures. One that only helps is left out as a whole where it does
    /// not fit (RFC 2181 §9).
    fn section(&mut self, section: Section, shape: &Shape) -> Result<(), Unsigned> {
        for set in self.records.of_section(section) {
            match self.set(set, self.zone_of(set, shape)) {
                Err(Unsigned::Full) if shape.needs(set) => {
                    self.response.set_truncated();
                    return Err(Unsigned::Full);
                }
                Ok(()) | Err(Unsigned::Full) => {}
                unsigned => return unsigned,
            }
        }
        Ok(())
    }

    /// Writes a set whole, with the signatures of the zone that signs it.
    fn set(&mut self, set: &Set, zone: Option<&Name>) -> Result<(), Unsigned> {
        let (records, signer, moment) = (self.records, self.signer, self.moment);
        self.response.whole(|response| {
            for (ttl, rdata) in records.rdatas(set) {
                // Records that are signed together have one TTL (RFC 2181 §5.2), that of their signature (RFC 4034 §3).
                let ttl = zone.map_or(ttl, |_| set.ttl());
                response.record_of_class(set.section, &set.owner, set.rtype, set.class, ttl, rdata)?;
            }
            match zone {
                Some(zone) => signatures(signer, moment, zone, set.section, &records.rrset(set), response),
                None => Ok(()),
            }
        })
    }

    /// The zone that signs a set; none if it is not the zone's to sign.
    fn zone_of(&self, set: &Set, shape: &Shape) -> Option<&'a Name> {
        let is_record = set.class == Class::IN && !matches!(set.rtype, Type::RRSIG | Type::OPT);
        let is_ours = match shape {
            // The servers and their addresses are the other zone's (RFC 4035 §2.2).
            Shape::Referral(_) => set.section == Section::Answer || set.rtype == Type::DS,
            Shape::Data | Shape::Negative(_) => true,
        };
        if !is_record || !is_ours || self.is_synthesized(set) || self.records.is_signed(set) {
            return None;
        }
        self.signer.zone_for(&set.owner, set.rtype)
    }

    /// Whether a CNAME only says what a DNAME above it does, which is signed (RFC 6672 §5.3.1).
    fn is_synthesized(&self, set: &Set) -> bool {
        let mut dnames = self.records.of_section(Section::Answer).filter(|other| other.rtype == Type::DNAME);
        set.rtype == Type::CNAME
            && dnames.any(|dname| set.owner.is_within(&dname.owner) && set.owner != dname.owner)
    }

    /// Writes the proof of what is not there.
    fn proof(&mut self, section: Section, shape: &Shape, rcode: Rcode) -> Result<(), Unsigned> {
        let asked = self.query.qtype();
        let (name, denied, above) = match shape {
            Shape::Data => return Ok(()),
            Shape::Referral(cut) => (cut, Denied::Ds, Type::NS),
            Shape::Negative(name) if rcode == Rcode::NXDOMAIN => (name, Denied::Name, Type::SOA),
            Shape::Negative(name) if self.signer.zone_of(name) == Some(&**name) => {
                // The zone above says of a signed one that it is delegated, and not what it has.
                let is_above = self.signer.zone_for(name, asked) != Some(&**name);
                (name, if is_above { Denied::Ds } else { Denied::AtApex }, Type::SOA)
            }
            Shape::Negative(name) => (name, Denied::Type, Type::SOA),
        };
        let has = |rtype| self.records.of_section(Section::Authority).find(move |set| set.rtype == rtype);
        // The bits of a delegation are what it has, whatever was asked for.
        let qtype = if denied == Denied::Ds { Type::DS } else { asked };
        let (Some(above), Some(zone)) = (has(above), self.signer.zone_for(name, qtype)) else {
            return Ok(());
        };
        if denied == Denied::Ds && has(Type::DS).is_some() {
            return Ok(());
        }
        let Some(rdata) = nsec(name, denied, qtype) else { return Ok(()) };
        let ttl = match above.rtype {
            Type::SOA => self.records.denial_ttl(above),
            _ => above.ttl().min(delegation::denial_ttl(self.query, zone).unwrap_or(UNKNOWN_TTL)),
        };
        let set = RrSet { owner: name, rtype: Type::NSEC, ttl, rdatas: vec![&rdata] };
        self.response.record(section, name, Type::NSEC, set.ttl, &rdata)?;
        signatures(self.signer, self.moment, zone, section, &set, self.response)?;
        // The name exists now, if only to say that it has nothing.
        self.response.set_rcode(Rcode::NOERROR);
        Ok(())
    }
}

/// Writes the signatures of a set of `zone`.
fn signatures(
    signer: &Signer,
    moment: Moment,
    zone: &Name,
    section: Section,
    set: &RrSet<'_>,
    response: &mut Response<'_>,
) -> Result<(), Unsigned> {
    let signatures = signer.sign(zone, set, moment).ok_or(Unsigned::NoSignature)?;
    for signature in signatures.iter() {
        response.record(section, set.owner, Type::RRSIG, set.ttl, signature)?;
    }
    Ok(())
}

impl From<Full> for Unsigned {
    fn from(Full: Full) -> Unsigned {
        Unsigned::Full
    }
}

/// How long a proof may be kept whose zone does not say it at once: hardly one says less.
const UNKNOWN_TTL: Ttl = Ttl::from_secs(60);

/// How long a DNSKEY record may be kept.
pub(crate) const DNSKEY_TTL: Ttl = Ttl::from_secs(3600);
