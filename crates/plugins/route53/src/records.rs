//! From the record sets of a hosted zone to the zone that is answered from.

use std::collections::{BTreeSet, HashMap, HashSet};

use aws_sdk_route53::types::ResourceRecordSet;
use cartonym_wire::{Hasher, Name, NameBuf, Type};
use cartonym_zone::{Zone, ZoneBuilder};

use crate::text::{self, Record};

/// A zone, and what is not in it.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) zone: Zone,
    /// Each with why not.
    pub(crate) left_out: BTreeSet<String>,
}

/// There is no SOA at the origin, as every hosted zone has one.
#[derive(Debug, thiserror::Error)]
#[error("it has no SOA of this name: is it the hosted zone of another one?")]
pub(crate) struct NoSoa;

/// What a hosted zone says.
#[derive(Debug, Default)]
struct Said {
    records: Vec<Record>,
    aliases: Vec<Alias>,
    left_out: BTreeSet<String>,
}

/// A record set that has what another one of the same hosted zone has.
#[derive(Debug)]
struct Alias {
    owner: NameBuf,
    rtype: Type,
    target: NameBuf,
}

/// Makes a zone of all that the hosted zone `id` has.
///
/// # Errors
///
/// [`NoSoa`]: it is none of this origin's.
pub(crate) fn zone(
    origin: &Name,
    id: &str,
    sets: &[ResourceRecordSet],
    hasher: Hasher,
) -> Result<Made, NoSoa> {
    let Said { records, aliases, mut left_out } = Said::of(id, sets);
    let mut zone = ZoneBuilder::new(origin, hasher);
    // Of weighted CNAMEs only one can be answered (RFC 2181 §10.1).
    let mut cnames = HashSet::new();
    let found = Found::new(&records, &aliases);
    let own = records.iter().map(|record| (&record.owner, record));
    let meant = aliases.iter().flat_map(|alias| found.records(alias).map(|record| (&alias.owner, record)));
    for (owner, record) in own.chain(meant) {
        if record.rtype == Type::CNAME && !cnames.insert(&**owner) {
            continue;
        }
        if let Err(error) = zone.add(owner, record.rtype, record.ttl, &record.rdata) {
            left_out.insert(format!("{owner} {}: {error}", record.rtype));
        }
    }
    let dangling = aliases.iter().filter(|alias| found.records(alias).next().is_none());
    left_out.extend(dangling.map(|Alias { owner, rtype, target }| {
        format!("{owner} {rtype}: an alias of {target}, which has none")
    }));
    let built = zone.finish();
    left_out.extend(built.too_large.iter().map(|owner| format!("{owner}: too many records")));
    match built.zone.soa() {
        Some(_) => Ok(Made { zone: built.zone, left_out }),
        None => Err(NoSoa),
    }
}

impl Said {
    fn of(id: &str, sets: &[ResourceRecordSet]) -> Said {
        let mut said = Said::default();
        for set in sets {
            if let Err(error) = said.add(id, set) {
                said.left_out.insert(format!("{} {}: {error}", set.name, set.r#type.as_str()));
            }
        }
        said
    }

    fn add(&mut self, id: &str, set: &ResourceRecordSet) -> Result<(), String> {
        let rtype = set.r#type.as_str();
        if let Some(target) = &set.alias_target {
            if target.hosted_zone_id != id {
                return Err(format!("an alias of {}, which is not in this hosted zone", target.dns_name));
            }
            let rtype = rtype.parse().map_err(|_| "no type".to_owned())?;
            let (owner, target) = (text::name(&set.name)?, text::name(&target.dns_name)?);
            self.aliases.push(Alias { owner, rtype, target });
            return Ok(());
        }
        let ttl = set.ttl.unwrap_or_default();
        let values = set.resource_records.as_deref().unwrap_or_default();
        if values.is_empty() {
            return Err("neither records nor an alias".to_owned());
        }
        let records = values.iter().map(|record| text::record(&set.name, ttl, rtype, &record.value));
        self.records.extend(records.collect::<Result<Vec<_>, _>>()?);
        Ok(())
    }
}

/// Where aliases find what they are of.
struct Found<'a> {
    records: HashMap<(&'a Name, Type), Vec<&'a Record>>,
    aliases: HashMap<(&'a Name, Type), Vec<&'a Alias>>,
}

impl<'a> Found<'a> {
    fn new(records: &'a [Record], aliases: &'a [Alias]) -> Found<'a> {
        let mut found = Found { records: HashMap::new(), aliases: HashMap::new() };
        // Most hosted zones have no alias, and many records.
        if aliases.is_empty() {
            return found;
        }
        for record in records {
            found.records.entry((&record.owner, record.rtype)).or_default().push(record);
        }
        for alias in aliases {
            found.aliases.entry((&alias.owner, alias.rtype)).or_default().push(alias);
        }
        found
    }

    /// The records that an alias stands for, through further aliases; each name is looked at once, so that a circle ends.
    fn records(&self, alias: &'a Alias) -> impl Iterator<Item = &'a Record> {
        let (mut names, mut seen) = (vec![&*alias.target], HashSet::from([&*alias.target]));
        let mut at = 0;
        while let Some(&name) = names.get(at) {
            let further = self.aliases.get(&(name, alias.rtype)).into_iter().flatten();
            names.extend(further.map(|alias| &*alias.target).filter(|target| seen.insert(target)));
            at += 1;
        }
        let found = names.into_iter().filter_map(|name| self.records.get(&(name, alias.rtype)));
        found.flatten().copied()
    }
}
