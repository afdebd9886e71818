//! From a question to the sections of a response: chains followed, referrals, negative answers, additional data.

use cartonym_wire::{
    Builder, Class, Flags, Full, HEADER_LEN, Message, Name, NameBuf, Qname, Rcode, RdataNames, Section, Ttl,
    Type,
};

use crate::lookup::Found;
use crate::node::{Node, NodeFlags, Policy, RECORD_HEADER, Set};
use crate::ready::Ready;
use crate::zone::Zone;

/// What an answer depends on besides the zone.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// The type asked for.
    pub qtype: Type,
    /// Chooses among values.
    pub random: u64,
    /// Whether the message's question holds the name asked for, so that pointers to it may be written.
    pub is_question: bool,
    /// Whether answers with records say in the authority section which servers the zone has.
    pub name_servers: bool,
    /// Whether the client wants DNSSEC's records: a referral then says what the zone has as DS of the one below.
    pub dnssec_ok: bool,
}

/// How an answer came out; looked at once, and never stored.
#[must_use]
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The sections and AA are written, and TC where they did not fit; this is the rcode.
    Written(Rcode),
    /// Aliases are written, the last of which leads out of the zone, to this name. The rcode is NOERROR so far.
    Onward(NameBuf),
    /// The records are those of another name, which is not this zone's to know; nothing is written.
    Alias(NameBuf),
}

/// Links of CNAME and DNAME that one answer follows.
const MAX_LINKS: usize = 16;
/// Names whose addresses one answer looks up.
pub(crate) const MAX_ADDITIONAL: usize = 13;

impl Zone {
    /// Writes the answer for a name that is the origin or below it.
    ///
    /// A hit costs one hash of the name, one node and one copy. Nothing allocates; the work is bounded by
    /// 16 links and 13 names of additional data, whatever the zone holds.
    pub fn answer(&self, qname: &Qname, ask: Ask, out: &mut Builder<'_>) -> Outcome {
        set_flag(out, Flags::AA, true);
        Answer { zone: self, ask, out, question_len: qname.name().len() }.run(qname)
    }
}

/// An answer in the making.
struct Answer<'z, 'o, 'b> {
    zone: &'z Zone,
    ask: Ask,
    out: &'o mut Builder<'b>,
    /// Octets of the name asked for, which is the question's where `ask.is_question`.
    question_len: usize,
}

/// Whose records are written: the question's, by a pointer, or another name's, by name.
#[derive(Clone, Copy)]
enum Owner<'a> {
    Question,
    Name(&'a Name),
}

/// Where a name leads; looked at once, and never stored.
#[allow(clippy::large_enum_variant)]
enum Link {
    Done(Outcome),
    To(NameBuf),
}

impl<'z> Answer<'z, '_, '_> {
    fn run(mut self, qname: &Qname) -> Outcome {
        let owner = if self.ask.is_question { Owner::Question } else { Owner::Name(qname.name()) };
        let target = match self.follow(qname, owner) {
            Link::Done(outcome) => return outcome,
            Link::To(target) => target,
        };
        self.follow_on(qname, target)
    }

    /// The rest of a chain: its names are not in the question.
    #[cold]
    fn follow_on(mut self, first: &Qname, mut target: NameBuf) -> Outcome {
        let mut seen = [0u64; MAX_LINKS];
        seen[0] = self.hash(first);
        for at in 1..MAX_LINKS {
            let qname = Qname::new(&target);
            if !self.zone.contains(&qname) {
                self.name_servers(Type::CNAME);
                return Outcome::Onward(target);
            }
            let hash = self.hash(&qname);
            if seen[..at].contains(&hash) {
                break;
            }
            seen[at] = hash;
            match self.follow(&qname, Owner::Name(qname.name())) {
                Link::Done(Outcome::Alias(_)) => break,
                Link::Done(outcome) => return outcome,
                Link::To(next) => target = next,
            }
        }
        self.name_servers(Type::CNAME);
        Outcome::Written(Rcode::NOERROR)
    }

    fn hash(&self, qname: &Qname) -> u64 {
        qname.extend_hash(self.zone.origin_hash, self.zone.origin.depth(), qname.depth())
    }

    /// One name: its records, or where it leads.
    fn follow(&mut self, qname: &Qname, owner: Owner<'_>) -> Link {
        match self.zone.find(qname, self.ask.qtype) {
            Found::Name(node) | Found::Wildcard(node) => self.data(node, owner),
            Found::Nothing => self.negative(Rcode::NXDOMAIN),
            Found::Cut(node) => self.referral(node),
            Found::Dname(node, depth) => self.dname(node, depth, qname),
        }
    }

    fn data(&mut self, node: &'z Node, owner: Owner<'_>) -> Link {
        if let Some(set) = node.set(self.ask.qtype) {
            return self.set(set, owner);
        }
        match self.ask.qtype {
            // One set is enough of an answer to ANY (RFC 8482 §4.1).
            Type::ANY => match node.sets().find(|set| set.rtype != Type::SOA).or(node.sets().next()) {
                Some(set) => self.set(set, owner),
                None => self.negative(Rcode::NOERROR),
            },
            _ if node.flags().has(NodeFlags::CNAME) => self.cname(node, owner),
            _ => self.negative(Rcode::NOERROR),
        }
    }

    fn set(&mut self, set: Set<'z>, owner: Owner<'_>) -> Link {
        let written = match set.policy {
            Policy::All => self.all(set, owner),
            Policy::Sample(most) => self.sample(set, most, owner),
            Policy::One => match set.weighted(self.ask.random) {
                None => return self.negative(Rcode::NOERROR),
                Some(item) => {
                    if let Some(target) = alias(item.record) {
                        set_flag(self.out, Flags::AA, false);
                        return Link::Done(Outcome::Alias(target));
                    }
                    self.item_record(item.record, owner)
                        .map(|at| self.item_addresses(at, item.record, item.addresses))
                }
            },
        };
        if written.is_err() {
            set_flag(self.out, Flags::TC, true);
        }
        Link::Done(Outcome::Written(Rcode::NOERROR))
    }

    fn all(&mut self, set: Set<'z>, owner: Owner<'_>) -> Result<(), Full> {
        let start = self.out.len();
        match owner {
            Owner::Question if !is_compressible(set.rtype) => {
                if self.out.raw(Section::Answer, set.count, set.whole()).is_err() {
                    return self.as_many_as_fit(set);
                }
                self.end_of_answer(set.rtype);
                let addresses = set.addresses.filter(|_| self.zone.has_addresses);
                if !addresses.is_some_and(|addresses| self.addresses(addresses, start))
                    && has_addresses(set.rtype)
                {
                    self.additional(set, owner, Some(start));
                }
            }
            owner => {
                let question = question_name(self.out);
                let name = match owner {
                    Owner::Name(name) => name,
                    Owner::Question => &question,
                };
                for rdata in set.rdatas() {
                    self.out.record(Section::Answer, name, set.rtype, Class::IN, set.ttl, rdata)?;
                }
                self.end_of_answer(set.rtype);
                if has_addresses(set.rtype) {
                    self.additional(set, owner, None);
                }
            }
        }
        Ok(())
    }

    /// What follows the last record of the answer section; a CNAME is the last only if it was asked for.
    fn end_of_answer(&mut self, rtype: Type) {
        if rtype != Type::CNAME || matches!(self.ask.qtype, Type::CNAME | Type::ANY) {
            self.name_servers(rtype);
        }
    }

    /// Part of a set, with TC, is better than none: a client over TCP is on its way.
    #[cold]
    fn as_many_as_fit(&mut self, set: Set<'z>) -> Result<(), Full> {
        set.records().try_for_each(|record| self.out.raw(Section::Answer, 1, record))
    }

    /// At most `most` records, each subset equally likely; all, turned by chance, where there are no more.
    fn sample(&mut self, set: Set<'z>, most: u16, owner: Owner<'_>) -> Result<(), Full> {
        let choice = Choice::new(usize::from(set.count), usize::from(most), self.ask.random);
        let start = self.out.len();
        for item in choice.indices().filter_map(|at| set.item(at)) {
            self.item_record(item.record, owner)?;
        }
        let mut at = start;
        for item in choice.indices().filter_map(|at| set.item(at)) {
            if matches!(owner, Owner::Question) {
                self.item_addresses(at, item.record, item.addresses);
            }
            at += item.record.len();
        }
        Ok(())
    }

    /// Writes a chosen record, and says where.
    fn item_record(&mut self, record: &[u8], owner: Owner<'_>) -> Result<usize, Full> {
        let at = self.out.len();
        match owner {
            Owner::Question => self.out.raw(Section::Answer, 1, record)?,
            Owner::Name(name) => {
                let (rtype, ttl) = (Type(word(record, 2)), Ttl::from_secs(crate::node::read_u32(record, 6)));
                let rdata = record.get(RECORD_HEADER..).unwrap_or_default();
                self.out.record(Section::Answer, name, rtype, Class::IN, ttl, rdata)?;
            }
        }
        Ok(at)
    }

    /// Writes the addresses of a record's target, their owner a pointer into that record.
    fn item_addresses(&mut self, record_at: usize, record: &[u8], mut addresses: &[u8]) {
        if addresses.is_empty() {
            return;
        }
        let rtype = Type(word(record, 2));
        let Some(target_at) = target_at(record_at, rtype, record) else { return };
        while addresses.len() >= 10 {
            let len = 10 + usize::from(word(addresses, 8));
            let Some((address, rest)) = addresses.split_at_checked(len) else { return };
            addresses = rest;
            if self.pointed(target_at, address).is_err() {
                return;
            }
        }
    }

    /// A record of the additional section without its owner, which is a pointer to `owner_at`.
    fn pointed(&mut self, owner_at: u16, fields: &[u8]) -> Result<(), Full> {
        let mark = self.out.mark();
        self.out.raw(Section::Additional, 0, &(0xC000 | owner_at).to_be_bytes())?;
        let written = self.out.raw(Section::Additional, 1, fields);
        if written.is_err() {
            self.out.rewind(mark);
        }
        written
    }

    /// The addresses that this zone has for the targets of a set; `start` is where its records were copied to.
    fn additional(&mut self, set: Set<'z>, owner: Owner<'_>, start: Option<usize>) {
        let question;
        let owner = match owner {
            Owner::Name(name) => name,
            Owner::Question if is_service(set.rtype) => {
                question = question_name(self.out);
                &question
            }
            // Of other types, no target is the owner.
            Owner::Question => Name::ROOT,
        };
        let zone = self.zone;
        zone.hosts(set, owner, |Host { at, record, target, node }| {
            let target_at = start.and_then(|start| target_at(start + at, set.rtype, record));
            let services = (target != owner && has_services(set, target, owner)).then_some(set.rtype);
            self.host(services.into_iter().chain([Type::A, Type::AAAA]), node, target, target_at);
        });
    }

    /// The addresses that stand behind a set, if all of them fit; `start` is where its records were copied to.
    fn addresses(&mut self, records: &[u8], start: usize) -> bool {
        let (mut at, mut count) = (self.out.len(), 0);
        if self.out.raw(Section::Additional, 0, records).is_err() {
            return false;
        }
        let mut rest = records;
        while rest.len() >= RECORD_HEADER {
            let owner_at = start + usize::from(word(rest, 0));
            self.out.patch(at, 0xC000 | owner_at as u16);
            let len = RECORD_HEADER + usize::from(word(rest, RECORD_HEADER - 2));
            rest = rest.get(len..).unwrap_or_default();
            at += len;
            count += 1;
        }
        self.out.raw(Section::Additional, count, &[]).is_ok()
    }

    /// What the zone has of these types for a host; a set that does not fit is left out whole, without TC (RFC 2181 §9).
    fn host(&mut self, types: impl Iterator<Item = Type>, node: &Node, owner: &Name, owner_at: Option<u16>) {
        for set in types.filter_map(|rtype| node.set(rtype)) {
            let mark = self.out.mark();
            let written = set.records().try_for_each(|record| match owner_at {
                Some(at) => self.pointed(at, record.get(2..).unwrap_or_default()),
                None => {
                    let rdata = record.get(RECORD_HEADER..).unwrap_or_default();
                    self.out.record(Section::Additional, owner, set.rtype, Class::IN, set.ttl, rdata)
                }
            });
            if written.is_err() {
                self.out.rewind(mark);
            }
        }
    }

    fn cname(&mut self, node: &'z Node, owner: Owner<'_>) -> Link {
        let Some(set) = node.set(Type::CNAME) else { return self.negative(Rcode::NOERROR) };
        let (target, written) = match set.policy {
            Policy::All => (set.rdatas().next(), self.all(set, owner)),
            // One link only, or the chain would fork.
            _ => match set.weighted(self.ask.random) {
                None => return self.negative(Rcode::NOERROR),
                Some(item) => {
                    (item.record.get(RECORD_HEADER..), self.item_record(item.record, owner).map(drop))
                }
            },
        };
        match (written, target.and_then(|rdata| Name::from_wire(rdata).ok())) {
            (Ok(()), Some(target)) => Link::To(target.to_buf()),
            (Ok(()), None) => Link::Done(Outcome::Written(Rcode::NOERROR)),
            (Err(Full), _) => self.truncated(),
        }
    }

    /// The DNAME, and the CNAME that it makes of the name (RFC 6672 §3.2).
    #[cold]
    fn dname(&mut self, node: &'z Node, depth: usize, qname: &Qname) -> Link {
        let owner = qname.suffix(depth);
        let found = node.set(Type::DNAME).and_then(|set| set.rdatas().next().map(|rdata| (set.ttl, rdata)));
        let Some((ttl, rdata)) = found else { return self.negative(Rcode::NXDOMAIN) };
        // A loop comes by the same DNAME again; once is enough.
        if !holds(self.out, owner, Type::DNAME)
            && self.out.record(Section::Answer, owner, Type::DNAME, Class::IN, ttl, rdata).is_err()
        {
            return self.truncated();
        }
        let target = Name::from_wire(rdata).ok().and_then(|to| qname.name().with_suffix(owner, to).ok());
        let Some(target) = target else { return Link::Done(Outcome::Written(Rcode::YXDOMAIN)) };
        let question = question_name(self.out);
        // The question keeps its case: the CNAME is its, if it is the question that is answered.
        let cname_owner = if question == *qname.name() { &*question } else { qname.name() };
        if self
            .out
            .record(Section::Answer, cname_owner, Type::CNAME, Class::IN, ttl, target.as_wire())
            .is_err()
        {
            return self.truncated();
        }
        if self.ask.qtype == Type::CNAME || self.ask.qtype == Type::ANY {
            self.name_servers(Type::CNAME);
            return Link::Done(Outcome::Written(Rcode::NOERROR));
        }
        Link::To(target)
    }

    /// Where to ask instead, and the addresses without which nobody could (RFC 1034 §4.3.2 step 3b, RFC 9471).
    #[cold]
    fn referral(&mut self, cut: &'z Node) -> Link {
        if self.out.count_of(Section::Answer) == 0 {
            set_flag(self.out, Flags::AA, false);
        }
        let Some(set) = cut.set(Type::NS) else { return self.negative(Rcode::NOERROR) };
        let ds = cut.set(Type::DS).filter(|_| self.ask.dnssec_ok);
        for set in [Some(set), ds].into_iter().flatten() {
            for rdata in set.rdatas() {
                if self
                    .out
                    .record(Section::Authority, cut.name(), set.rtype, Class::IN, set.ttl, rdata)
                    .is_err()
                {
                    return self.truncated();
                }
            }
        }
        for rdata in set.rdatas() {
            if let Ok(target) = Name::from_wire(rdata)
                && self.glue(cut.name(), target).is_err()
            {
                return self.truncated();
            }
        }
        Link::Done(Outcome::Written(Rcode::NOERROR))
    }

    /// A name server's addresses, occluded or not. Those below the cut must be there, the others help.
    fn glue(&mut self, cut: &Name, target: &Name) -> Result<(), Full> {
        let qname = Qname::new(target);
        if !self.zone.contains(&qname) {
            return Ok(());
        }
        let Some(node) = self.zone.nodes.get(self.hash(&qname), qname.name()) else { return Ok(()) };
        for rtype in [Type::A, Type::AAAA] {
            let Some(set) = node.set(rtype) else { continue };
            for rdata in set.rdatas() {
                let written = self.out.record(Section::Additional, target, rtype, Class::IN, set.ttl, rdata);
                if written.is_err() && target.is_within(cut) {
                    return Err(Full);
                }
            }
        }
        Ok(())
    }

    /// No such name, or no such type: the SOA says for how long (RFC 2308 §3).
    fn negative(&mut self, rcode: Rcode) -> Link {
        let Some(soa) = &self.zone.soa else { return Link::Done(Outcome::Written(rcode)) };
        let written = self.apex_records(soa);
        if written.is_err() {
            set_flag(self.out, Flags::TC, true);
        }
        Link::Done(Outcome::Written(rcode))
    }

    /// Says whose answer it is, where that is wanted and fits: it helps, and is nothing that a client asked for.
    fn name_servers(&mut self, rtype: Type) {
        if let Some(servers) = self.zone.name_servers.as_ref().filter(|_| self.ask.name_servers)
            && rtype != Type::NS
        {
            let _ = self.apex_records(servers);
        }
    }

    fn apex_records(&mut self, records: &Ready) -> Result<(), Full> {
        if self.ask.is_question {
            let origin_at = self.origin_at();
            records.copy(origin_at, self.out)
        } else {
            records.write(self.zone.origin.name(), self.out)
        }
    }

    /// Where the origin stands in the question, whose end it is.
    fn origin_at(&self) -> u16 {
        (HEADER_LEN + self.question_len - self.zone.origin.len()) as u16
    }

    #[cold]
    fn truncated(&mut self) -> Link {
        set_flag(self.out, Flags::TC, true);
        Link::Done(Outcome::Written(Rcode::NOERROR))
    }
}

/// A host that a record names, and this zone has.
struct Host<'a> {
    /// How far the record is from the first of its set.
    at: usize,
    record: &'a [u8],
    target: &'a Name,
    node: &'a Node,
}

impl Zone {
    /// Shows the hosts that the records of a set name, each once, and of a long set only the first.
    fn hosts(&self, set: Set<'_>, owner: &Name, mut show: impl FnMut(Host<'_>)) {
        let mut at = 0;
        let (mut seen, mut qname) = ([None; MAX_ADDITIONAL], Qname::default());
        for (number, record) in set.records().take(MAX_ADDITIONAL).enumerate() {
            let here = at;
            at += record.len();
            let Some(target) = target(set.rtype, record, owner) else { continue };
            if qname.read(target.as_wire()).is_err() || !self.contains(&qname) {
                continue;
            }
            if let Found::Name(node) | Found::Wildcard(node) = self.find(&qname, Type::A) {
                // Several records may name one host, and several hosts may have one wildcard's node.
                let (before, rest) = seen.split_at_mut(number);
                let is_it = |(there, name): &(&Node, &Name)| std::ptr::eq(*there, node) && *name == target;
                if before.iter().flatten().any(is_it) {
                    continue;
                }
                if let Some(place) = rest.first_mut() {
                    *place = Some((node, target));
                }
                show(Host { at: here, record, target, node });
            }
        }
    }

    /// Writes the addresses of an SRV set's targets, each with how far its target is from the first record for an owner;
    /// none, if they are more than `most` octets.
    pub(crate) fn write_addresses(
        &self,
        set: Set<'_>,
        owner: &Name,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let mut fits = true;
        self.hosts(set, owner, |Host { at, record, node, .. }| {
            let Some(target_at) = target_at(at, set.rtype, record) else { return };
            for set in [Type::A, Type::AAAA].into_iter().filter_map(|rtype| node.set(rtype)) {
                fits &= set.policy == Policy::All && out.len() + set.whole().len() <= most;
                for address in set.records().take_while(|_| fits) {
                    out.extend_from_slice(&target_at.to_be_bytes());
                    out.extend_from_slice(address.get(2..).unwrap_or_default());
                }
            }
        });
        fits.then_some(())
    }

    /// Whether a name is the origin or below it.
    pub fn contains(&self, qname: &Qname) -> bool {
        let depth = self.origin.depth();
        qname.depth() >= depth && qname.suffix(depth).as_wire() == self.origin.name().as_wire()
    }
}

/// Which of a set's items are taken, and in which order: turned by chance, as many clients take the first alone.
enum Choice {
    /// Neighbours, from `start` on and round the end.
    Window { start: usize, count: usize, of: usize },
    /// A few at random, from `start` on and round the end.
    Few { indices: [u16; MAX_FEW], start: usize, count: usize },
}

/// Up to so many are drawn one by one; more are a window, which takes no memory.
const MAX_FEW: usize = 16;

impl Choice {
    fn new(of: usize, most: usize, random: u64) -> Choice {
        let count = of.min(if most == 0 { of } else { most });
        if count == of || count > MAX_FEW {
            return Choice::Window { start: below(random, of), count, of };
        }
        // Floyd's sampling: each step draws below a growing bound, and a number drawn twice gives way to the bound.
        let (mut indices, mut state) = ([0u16; MAX_FEW], random);
        for (taken, bound) in (of - count..of).enumerate() {
            state = step(state);
            let drawn = below(state, bound + 1) as u16;
            let (before, rest) = indices.split_at_mut(taken);
            if let Some(slot) = rest.first_mut() {
                *slot = if before.contains(&drawn) { bound as u16 } else { drawn };
            }
        }
        Choice::Few { indices, start: below(step(state), count), count }
    }

    fn indices(&self) -> impl Iterator<Item = usize> + '_ {
        let (count, start) = match self {
            Choice::Window { count, start, .. } | Choice::Few { count, start, .. } => (*count, *start),
        };
        (start..start + count).map(move |at| match self {
            Choice::Window { of, .. } => at % of,
            Choice::Few { indices, .. } => indices.get(at % count).copied().map_or(0, usize::from),
        })
    }
}

/// The next of a row of words by chance; good in the upper bits, which [`below`] uses.
fn step(state: u64) -> u64 {
    state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F)
}

/// A number below `bound`, each as likely as the others to within 2^-48.
fn below(random: u64, bound: usize) -> usize {
    ((u128::from(random) * bound as u128) >> 64) as usize
}

/// Whether RDATA of this type may be compressed, so that it is worth the work.
fn is_compressible(rtype: Type) -> bool {
    RdataNames::of(rtype).is_some_and(|shape| shape.compressible)
}

/// Whether the type names hosts whose addresses belong to the additional section.
fn has_addresses(rtype: Type) -> bool {
    matches!(
        rtype,
        Type::SRV | Type::MX | Type::NS | Type::SVCB | Type::HTTPS | Type::AFSDB | Type::KX | Type::RT
    )
}

/// Whether "." as a target is the owner itself (RFC 9460 §2.5.2); elsewhere it says that there is none.
fn is_service(rtype: Type) -> bool {
    matches!(rtype, Type::SVCB | Type::HTTPS)
}

/// The host that a record of `owner` names, if it names one.
fn target<'a>(rtype: Type, record: &'a [u8], owner: &'a Name) -> Option<&'a Name> {
    let target = RdataNames::first(rtype, record.get(RECORD_HEADER..)?)?;
    match target.is_root() {
        false => Some(target),
        true if is_service(rtype) && !is_alias_mode(rtype, record) => Some(owner),
        true => None,
    }
}

/// Whether the record says that its target has the services (RFC 9460 §2.4.2).
fn is_alias_mode(rtype: Type, record: &[u8]) -> bool {
    is_service(rtype) && record.get(RECORD_HEADER..).is_some_and(|rdata| rdata.starts_with(&[0, 0]))
}

/// Whether the client goes on with the services at `target`; what those name, it asks for (RFC 9460 §4.1).
fn has_services(set: Set<'_>, target: &Name, owner: &Name) -> bool {
    is_service(set.rtype)
        && set.records().take(MAX_ADDITIONAL).any(|record| {
            is_alias_mode(set.rtype, record) && self::target(set.rtype, record, owner) == Some(target)
        })
}

/// Where the target of a copied record begins, if a pointer reaches it and it is not ".".
fn target_at(record_at: usize, rtype: Type, record: &[u8]) -> Option<u16> {
    let skip = RECORD_HEADER + RdataNames::of(rtype)?.skip(record.get(RECORD_HEADER..)?)?;
    let is_root = *record.get(skip)? == 0;
    u16::try_from(record_at + skip).ok().filter(|at| *at < 0x4000 && !is_root)
}

/// The target, if the record is an alias.
fn alias(record: &[u8]) -> Option<NameBuf> {
    if word(record, 2) != crate::node::ALIAS.0 {
        return None;
    }
    Name::from_wire(record.get(RECORD_HEADER..)?).ok().map(Name::to_buf)
}

fn word(bytes: &[u8], at: usize) -> u16 {
    crate::node::read_u16(bytes, at)
}

/// The name in the message's question, its case kept.
fn question_name(out: &Builder<'_>) -> NameBuf {
    let body = out.as_bytes().get(HEADER_LEN..).unwrap_or_default();
    Name::split(body).map_or(NameBuf::ROOT, |(name, _)| name.to_buf())
}

/// Whether the answer section has a record of this owner and type.
#[cold]
fn holds(out: &mut Builder<'_>, owner: &Name, rtype: Type) -> bool {
    out.finish();
    Message::new(out.as_bytes()).is_ok_and(|message| {
        message.records().flatten().any(|record| record.rtype == rtype && *record.owner == *owner)
    })
}

fn set_flag(out: &mut Builder<'_>, flag: Flags, on: bool) {
    out.set_flags(out.flags().with(flag, on));
}
