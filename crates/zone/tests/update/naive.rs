//! Dynamic update as RFC 2136 §3 tells it: a list of records, gone through for every word of it.

use cartonym_wire::{Class, Name, NameBuf, Rcode, RdataNames, Type};
use cartonym_zone::Zone;
use cartonym_zone::master::validate_rdata;

use crate::message::Line;

/// Owner in lower case, type, TTL, RDATA.
type Rr = (NameBuf, Type, u32, Vec<u8>);

#[derive(Clone)]
pub(crate) struct Naive {
    origin: NameBuf,
    rrs: Vec<Rr>,
}

impl Naive {
    pub(crate) fn of(zone: &Zone) -> Naive {
        let rrs = zone
            .records()
            .map(|(owner, rtype, ttl, rdata)| (owner.to_buf(), rtype, ttl.as_secs(), rdata.to_vec()));
        Naive { origin: zone.origin().to_buf(), rrs: rrs.collect() }
    }

    pub(crate) fn sorted(&self) -> Vec<String> {
        let texts =
            self.rrs.iter().map(|(owner, rtype, ttl, rdata)| format!("{owner} {ttl} {rtype} {rdata:?}"));
        let mut texts: Vec<String> = texts.collect();
        texts.sort();
        texts
    }

    /// Whether anything has changed; with an rcode nothing has.
    pub(crate) fn update(&mut self, lines: &[Line]) -> Result<bool, Rcode> {
        self.prerequisites(lines)?;
        self.prescan(lines)?;
        let mut next = self.clone();
        for line in lines.iter().filter(|line| !line.is_prerequisite) {
            next.change(line);
        }
        if next.sorted() == self.sorted() {
            return Ok(false);
        }
        next.dnames(self)?;
        if next.serial() == self.serial() {
            let serial = next.serial().wrapping_add(1).max(1);
            let soa = next.rrs.iter_mut().find(|rr| rr.1 == Type::SOA).unwrap();
            let at = soa.3.len() - 20;
            soa.3[at..at + 4].copy_from_slice(&serial.to_be_bytes());
        }
        *self = next;
        Ok(true)
    }

    fn prerequisites(&self, lines: &[Line]) -> Result<(), Rcode> {
        let mut temp: Vec<&Line> = Vec::new();
        for line in lines.iter().filter(|line| line.is_prerequisite) {
            if !line.owner.is_within(&self.origin) {
                return Err(Rcode::NOTZONE);
            }
            if line.ttl != 0 {
                return Err(Rcode::FORMERR);
            }
            let name = self.rrs.iter().any(|rr| rr.0 == line.owner.to_lowercase());
            let set = self.rrs.iter().any(|rr| rr.0 == line.owner.to_lowercase() && rr.1 == line.rtype);
            match (line.class, line.rtype) {
                (Class::ANY | Class::NONE, _) if !line.rdata.is_empty() => return Err(Rcode::FORMERR),
                (Class::ANY, Type::ANY) if !name => return Err(Rcode::NXDOMAIN),
                (Class::NONE, Type::ANY) if name => return Err(Rcode::YXDOMAIN),
                (Class::ANY | Class::NONE, Type::ANY) => {}
                (Class::ANY, _) if !set => return Err(Rcode::NXRRSET),
                (Class::NONE, _) if set => return Err(Rcode::YXRRSET),
                (Class::ANY | Class::NONE, _) => {}
                _ if validate_rdata(line.rtype, &line.rdata).is_err() => return Err(Rcode::FORMERR),
                _ => temp.push(line),
            }
        }
        for line in &temp {
            let key = (line.owner.to_lowercase(), line.rtype);
            let told = temp.iter().filter(|other| (other.owner.to_lowercase(), other.rtype) == key);
            let told: Vec<_> = told.map(|line| lower(line.rtype, &line.rdata)).collect();
            let there = self.rrs.iter().filter(|rr| (rr.0, rr.1) == key);
            let there: Vec<_> = there.map(|rr| lower(rr.1, &rr.3)).collect();
            if told.iter().any(|rdata| !there.contains(rdata))
                || there.iter().any(|rdata| !told.contains(rdata))
            {
                return Err(Rcode::NXRRSET);
            }
        }
        Ok(())
    }

    fn prescan(&self, lines: &[Line]) -> Result<(), Rcode> {
        for line in lines.iter().filter(|line| !line.is_prerequisite) {
            if !line.owner.is_within(&self.origin) {
                return Err(Rcode::NOTZONE);
            }
            let has_data = validate_rdata(line.rtype, &line.rdata).is_ok();
            let is_right = match line.class {
                Class::IN => line.rtype != Type::ANY && has_data,
                Class::ANY => line.ttl == 0 && line.rdata.is_empty(),
                _ => line.ttl == 0 && line.rtype != Type::ANY && has_data,
            };
            if !is_right {
                return Err(Rcode::FORMERR);
            }
        }
        Ok(())
    }

    fn change(&mut self, line: &Line) {
        let (owner, rtype) = (line.owner.to_lowercase(), line.rtype);
        let is_apex = *owner == *self.origin;
        match line.class {
            Class::IN => self.add(&owner, line),
            Class::ANY => self.rrs.retain(|rr| {
                let is_meant = rr.0 == owner && (rtype == Type::ANY || rr.1 == rtype);
                !is_meant || is_apex && matches!(rr.1, Type::SOA | Type::NS)
            }),
            _ => {
                let servers = self.rrs.iter().filter(|rr| rr.0 == owner && rr.1 == Type::NS).count();
                if rtype == Type::SOA || is_apex && rtype == Type::NS && servers == 1 {
                    return;
                }
                let rdata = lower(rtype, &line.rdata);
                self.rrs.retain(|rr| rr.0 != owner || rr.1 != rtype || lower(rtype, &rr.3) != rdata);
            }
        }
    }

    fn add(&mut self, owner: &NameBuf, line: &Line) {
        let there = |rtype: Type| self.rrs.iter().find(|rr| rr.0 == *owner && rr.1 == rtype);
        let has_other = self.rrs.iter().any(|rr| rr.0 == *owner && rr.1 != Type::CNAME);
        let is_skipped = match line.rtype {
            Type::CNAME => has_other,
            _ if there(Type::CNAME).is_some() => true,
            Type::SOA => {
                let serial = u32::from_be_bytes(line.rdata[line.rdata.len() - 20..][..4].try_into().unwrap());
                there(Type::SOA).is_none() || (serial.wrapping_sub(self.serial()) as i32) <= 0
            }
            Type::DNAME => {
                there(Type::DNAME).is_some_and(|rr| lower(rr.1, &rr.3) != lower(rr.1, &line.rdata))
            }
            _ => false,
        };
        if is_skipped {
            return;
        }
        let is_single = matches!(line.rtype, Type::CNAME | Type::SOA);
        let rdata = lower(line.rtype, &line.rdata);
        self.rrs
            .retain(|rr| rr.0 != *owner || rr.1 != line.rtype || !is_single && lower(rr.1, &rr.3) != rdata);
        self.rrs.push((*owner, line.rtype, line.ttl, line.rdata.clone()));
        for rr in self.rrs.iter_mut().filter(|rr| rr.0 == *owner && rr.1 == line.rtype) {
            rr.2 = line.ttl;
        }
    }

    /// RFC 6672 §5.2: what is new is neither below a DNAME nor a DNAME above others.
    fn dnames(&self, before: &Naive) -> Result<(), Rcode> {
        for (owner, rtype, ..) in self.rrs.iter().filter(|rr| !before.rrs.contains(rr)) {
            let is_above = *rtype == Type::DNAME && self.rrs.iter().any(|rr| is_below(&rr.0, owner));
            let is_below = self.rrs.iter().any(|rr| rr.1 == Type::DNAME && is_below(owner, &rr.0))
                && *rtype != Type::SOA;
            if is_above || is_below {
                return Err(Rcode::REFUSED);
            }
        }
        Ok(())
    }

    fn serial(&self) -> u32 {
        let soa = &self.rrs.iter().find(|rr| rr.1 == Type::SOA).unwrap().3;
        u32::from_be_bytes(soa[soa.len() - 20..][..4].try_into().unwrap())
    }
}

fn is_below(name: &Name, above: &Name) -> bool {
    name != above && name.is_within(above)
}

/// Data with their names in lower case; the types that are made here begin with theirs, or with two octets.
fn lower(rtype: Type, rdata: &[u8]) -> Vec<u8> {
    match RdataNames::of(rtype) {
        Some(_) => rdata.to_ascii_lowercase(),
        None => rdata.to_vec(),
    }
}
