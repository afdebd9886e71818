//! A new zone from all its records at once.
//!
//! Where [`ZoneEdit`](crate::ZoneEdit) finds for each name its place among the others, a builder writes names down as
//! they come and places them at the end, all together.

use std::fmt;
use std::panic::resume_unwind;
use std::thread;

use cartonym_wire::{Hasher, Name, NameBuf, Qname, Ttl, Type};

use crate::answer::MAX_ADDITIONAL;
use crate::node::{Node, NodeEdit, Policy, RrSet};
use crate::tree::{Slot, Tree};
use crate::zone::{EditError, Zone};

/// The records of a zone that is to be, in any order. Cheapest where those of one name come nearly together, and so do the
/// names below one parent.
pub struct ZoneBuilder {
    /// What is counted so far; its names are still in `slots`.
    zone: Zone,
    hasher: Hasher,
    slots: Vec<Slot>,
    /// The names that were added to last, not yet among `slots`: an instance's records often stand between its service's.
    open: Vec<Open>,
    /// Counts names that were turned to.
    turn: u64,
    /// How many names are right below the origin, and below others.
    children: u32,
    runs: Vec<Run>,
    /// The names that have SRV, and their hashes.
    services: Vec<Service>,
    has_apex: bool,
    room: Vec<u8>,
    /// Used again for each name.
    qname: Qname,
}

/// What a builder makes.
#[derive(Debug)]
pub struct Built {
    /// The zone.
    pub zone: Zone,
    /// How many names there are whose records came in parts, far from each other.
    pub scattered: usize,
    /// The names among them whose records of one type are too large together: what did not fit is left out.
    pub too_large: Vec<NameBuf>,
}

/// A name, and where it belongs.
struct Open {
    edit: NodeEdit,
    hash: u64,
    parent: u64,
    depth: usize,
    /// When it was turned to last.
    turn: u64,
}

/// The hash of a name, and its octets.
type Service = (u64, Box<[u8]>);

/// How many names below one parent came one after the other.
struct Run {
    hash: u64,
    parent: Box<[u8]>,
    count: u32,
}

/// A name whose records came in several parts, and what was counted of it beyond once.
struct InParts {
    name: Box<[u8]>,
    more: u32,
    more_cuts: u32,
}

/// Names that are open at most.
const OPEN: usize = 4;
/// Names with SRV whose targets are looked up together, before the addresses are written behind them.
const SERVICES: usize = 8192;
/// So many are worth a thread.
const FEW_SERVICES: usize = 512;
/// Octets of an A record and what stands for its owner.
const ADDRESS_LEN: usize = 12 + 4;
/// Octets of addresses behind one set; where there are more they are looked up, or a host with many would be there as often
/// as it is named.
const MAX_ADDRESSES: usize = 1024;

impl ZoneBuilder {
    /// No records yet; `hasher` is that of the table the zone will be in.
    pub fn new(origin: &Name, hasher: Hasher) -> ZoneBuilder {
        ZoneBuilder {
            zone: Zone::new(origin, hasher),
            hasher,
            slots: Vec::new(),
            open: Vec::new(),
            turn: 0,
            children: 0,
            runs: Vec::new(),
            services: Vec::new(),
            has_apex: false,
            room: Vec::new(),
            qname: Qname::default(),
        }
    }

    /// Adds a record, unless it is there already.
    ///
    /// The TTL of its set becomes the smallest of all (RFC 2181 §5.2), and its policy [`Policy::All`](crate::Policy).
    ///
    /// # Errors
    ///
    /// [`EditError`]; the record is left out.
    pub fn add(&mut self, owner: &Name, rtype: Type, ttl: Ttl, rdata: &[u8]) -> Result<(), EditError> {
        self.open(owner)?.add(rtype, ttl, rdata)?;
        Ok(())
    }

    /// Adds a set. Where a name's set comes in parts its records are those of all, but a set that chooses stands alone:
    /// that of the first part.
    ///
    /// # Errors
    ///
    /// [`EditError`]; the set is left out.
    pub fn put(&mut self, owner: &Name, set: &RrSet) -> Result<(), EditError> {
        if set.is_empty() {
            return Ok(());
        }
        if self.open(owner)?.has(set.rtype()) {
            // Another part, as it is where others came between.
            self.close();
        }
        self.open(owner)?.put(set)?;
        Ok(())
    }

    /// Adds what another builder of this zone holds.
    pub fn join(&mut self, mut other: ZoneBuilder) {
        self.close();
        other.close();
        self.slots.append(&mut other.slots);
        self.runs.append(&mut other.runs);
        self.services.append(&mut other.services);
        self.children += other.children;
        self.has_apex |= other.has_apex;
        self.zone.join_counts(&other.zone);
    }

    /// What was written down up to the last [`ZoneBuilder::close`], in the order in which it came.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.slots.iter().map(|slot| &slot.node)
    }

    /// The zone of all that was added.
    pub fn finish(mut self) -> Built {
        self.close();
        if !self.has_apex {
            let node = NodeEdit::new(self.zone.origin()).compile();
            self.slots.push(Slot { hash: self.zone.origin_hash, node });
        }
        let mut in_parts = Vec::new();
        let mut too_large = Vec::new();
        self.zone.nodes = Tree::of(std::mem::take(&mut self.slots), |first, others| {
            in_parts.push(InParts::new(&self.zone, first, others));
            let mut edit = NodeEdit::of(first);
            if !others.iter().all(|other| edit.merge(other).is_ok()) {
                too_large.push(edit.name().to_buf());
            }
            edit.compile()
        });
        self.link();
        for name in &in_parts {
            self.count_once(name);
        }
        self.zone.refresh_apex();
        self.add_addresses();
        Built { zone: self.zone, scattered: in_parts.len(), too_large }
    }

    fn open(&mut self, owner: &Name) -> Result<&mut NodeEdit, EditError> {
        self.turn += 1;
        let there = self.open.iter().position(|open| open.edit.name() == owner);
        let at = there.map_or_else(|| self.begin(owner), Ok)?;
        let open = self.open.get_mut(at).ok_or(EditError::OutOfZone)?;
        open.turn = self.turn;
        Ok(&mut open.edit)
    }

    /// Where among the open names `owner` is from now on.
    fn begin(&mut self, owner: &Name) -> Result<usize, EditError> {
        let qname = &mut self.qname;
        // A `Name` is complete, so this reads it whole.
        let _ = qname.read(owner.as_wire());
        let (origin, depth) = (self.zone.origin.depth(), qname.depth());
        if depth < origin || qname.suffix(origin) != self.zone.origin.name() {
            return Err(EditError::OutOfZone);
        }
        let parent = qname.extend_hash(self.zone.origin_hash, origin, depth.saturating_sub(1).max(origin));
        let hash = if depth > origin { qname.extend_hash(parent, depth - 1, depth) } else { parent };
        if self.open.len() < OPEN {
            let edit = NodeEdit::new(owner);
            self.open.push(Open { edit, hash, parent, depth, turn: 0 });
            return Ok(self.open.len() - 1);
        }
        let oldest = (0..self.open.len()).min_by_key(|at| self.open[*at].turn).unwrap_or_default();
        self.write(oldest);
        let open = &mut self.open[oldest];
        open.edit.restart(owner);
        (open.hash, open.parent, open.depth) = (hash, parent, depth);
        Ok(oldest)
    }

    /// Writes all open names down.
    pub(crate) fn close(&mut self) {
        (0..self.open.len()).for_each(|at| self.write(at));
        self.open.clear();
    }

    /// Writes an open name down, and counts it.
    fn write(&mut self, at: usize) {
        let Open { edit, hash, parent, depth, .. } = &self.open[at];
        let (hash, parent, depth) = (*hash, *parent, *depth);
        if edit.is_empty() {
            return;
        }
        let services = edit.count_of_all(Type::SRV);
        if services > 0 {
            self.services.push((hash, edit.name().as_wire().into()));
        }
        // For what [`ZoneBuilder::add_addresses`] puts there, where each has one host with one A record.
        let node = edit.compile_in(&mut self.room, services.min(MAX_ADDITIONAL) * ADDRESS_LEN);
        let origin = self.zone.origin.depth();
        if self.zone.is_cut(node.flags(), depth) {
            self.zone.count_cut(depth, true);
        }
        self.has_apex |= depth == origin;
        if depth > origin {
            self.zone.wildcards += u32::from(node.name().is_wildcard());
            self.zone.max_depth = self.zone.max_depth.max(depth as u8);
            self.count_child(node.name(), parent, depth);
        }
        self.slots.push(Slot { hash, node });
    }

    fn count_child(&mut self, name: &Name, parent: u64, depth: usize) {
        if depth == self.zone.origin.depth() + 1 {
            self.children += 1;
            return;
        }
        match self.runs.last_mut() {
            // Different names of one hash are told apart by their octets.
            Some(run) if run.hash == parent && name.parent().is_some_and(|name| run.is_of(name)) => {
                run.count += 1
            }
            _ => self.runs.extend(name.parent().map(|name| Run::new(parent, name))),
        }
    }

    /// Tells each name how many there are below it; those without records come into being here (RFC 4592 §2.2.2).
    fn link(&mut self) {
        let (hash, children) = (self.zone.origin_hash, self.children);
        let origin = self.zone.origin.clone();
        if let Some(apex) = self.zone.nodes.get_mut(hash, origin.name()) {
            apex.set_children(children);
        }
        for run in std::mem::take(&mut self.runs) {
            if let Ok(parent) = Name::from_wire(&run.parent) {
                self.zone.add_children(parent, run.hash, run.count, self.hasher);
            }
        }
    }

    /// Writes behind each SRV set what additional data its answer has (RFC 2782), so that no query looks for it.
    fn add_addresses(&mut self) {
        for services in std::mem::take(&mut self.services).chunks(SERVICES) {
            let addresses = match services.len() {
                FEW_SERVICES.. => self.zone.addresses_by_two(services),
                _ => self.zone.addresses_of(services),
            };
            for ((hash, name), addresses) in services.iter().zip(addresses) {
                if let (Ok(name), Some(addresses)) = (Name::from_wire(name), addresses)
                    && let Some(node) = self.zone.nodes.get_mut(*hash, name)
                {
                    node.add_addresses(Type::SRV, &addresses);
                }
            }
        }
        self.zone.has_addresses = true;
        self.zone.refresh_apex();
    }

    /// Takes off again what was counted more than once.
    fn count_once(&mut self, InParts { name, more, more_cuts }: &InParts) {
        let Ok(name) = Name::from_wire(name) else { return };
        let depth = name.label_count();
        (0..*more_cuts).for_each(|_| self.zone.count_cut(depth, false));
        if let Some(parent) = name.parent().filter(|_| depth > self.zone.origin.depth()) {
            self.zone.wildcards -= more * u32::from(name.is_wildcard());
            let hash = self.hasher.hash(parent);
            if let Some(node) = self.zone.nodes.get_mut(hash, parent) {
                let children = node.children().saturating_sub(*more);
                node.set_children(children);
            }
        }
    }
}

impl Zone {
    /// The same as [`Zone::addresses_of`]. Looking names up is mostly waiting for memory, which two threads do at once.
    fn addresses_by_two(&self, services: &[Service]) -> Vec<Option<Vec<u8>>> {
        let (here, there) = services.split_at(services.len() / 2);
        thread::scope(|scope| {
            let other = thread::Builder::new().spawn_scoped(scope, || self.addresses_of(there));
            let mut addresses = self.addresses_of(here);
            addresses.extend(match other {
                Ok(other) => other.join().unwrap_or_else(|panic| resume_unwind(panic)),
                // Without another thread it takes longer.
                Err(_) => self.addresses_of(there),
            });
            addresses
        })
    }

    /// What belongs behind the SRV set of each of these names, if anything.
    fn addresses_of(&self, services: &[Service]) -> Vec<Option<Vec<u8>>> {
        let addresses = |(hash, name): &Service| {
            let name = Name::from_wire(name).ok()?;
            let set = self.nodes.get(*hash, name)?.set(Type::SRV)?;
            let hosts = usize::from(set.count).min(MAX_ADDITIONAL);
            let mut addresses = Vec::with_capacity(hosts * ADDRESS_LEN);
            let may_have = set.policy == Policy::All && set.addresses.is_none();
            may_have.then(|| self.write_addresses(set, name, MAX_ADDRESSES, &mut addresses))??;
            Some(addresses)
        };
        services.iter().map(addresses).collect()
    }
}

impl InParts {
    fn new(zone: &Zone, first: &Node, others: &[Node]) -> InParts {
        let depth = first.name().label_count();
        let is_cut = |node: &&Node| zone.is_cut(node.flags(), depth);
        let cuts = std::iter::once(first).chain(others).filter(is_cut).count() as u32;
        let name = first.name().as_wire().into();
        InParts { name, more: others.len() as u32, more_cuts: cuts.saturating_sub(1) }
    }
}

impl Run {
    fn new(hash: u64, parent: &Name) -> Run {
        Run { hash, parent: parent.as_wire().into(), count: 1 }
    }

    fn is_of(&self, parent: &Name) -> bool {
        *self.parent == *parent.as_wire()
    }
}

impl fmt::Debug for ZoneBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (to be, {} names so far)", self.zone.origin(), self.slots.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Policy;
    use proptest::prelude::*;

    const HASHER: Hasher = Hasher::new(5);

    fn origin() -> NameBuf {
        "example.".parse().unwrap()
    }

    /// Owners so few that they meet, some of them below others.
    fn records() -> impl Strategy<Value = Vec<(NameBuf, Type, u8)>> {
        let label = prop::sample::select(vec!["a", "b", "*", "c"]);
        let owner = prop::collection::vec(label, 0..4).prop_map(|labels| {
            let text: String = labels.iter().map(|label| format!("{label}.")).collect();
            format!("{text}example.").parse().unwrap()
        });
        let rtype = prop::sample::select(vec![Type::A, Type::TXT, Type::NS, Type::DNAME]);
        prop::collection::vec((owner, rtype, 0..3u8), 0..40)
    }

    fn rdata(rtype: Type, number: u8) -> Vec<u8> {
        match rtype {
            Type::A => vec![10, 0, 0, number],
            Type::TXT => vec![1, b'0' + number],
            _ => [&[1, b'x' + number][..], origin().as_wire()].concat(),
        }
    }

    /// All that a zone is made of, its nodes in order.
    fn anatomy(zone: &Zone) -> (Vec<String>, String, u32, u8, String) {
        let node = |node: &Node| {
            let mut records: Vec<_> = node.records().map(|record| format!("{record:?}")).collect();
            records.sort();
            format!("{} {} {:?} {records:?}", node.name(), node.children(), node.flags())
        };
        let mut nodes: Vec<_> = zone.nodes.nodes().map(node).collect();
        nodes.sort();
        let apex = node(&zone.apex);
        (nodes, zone.counted_cuts(), zone.wildcards, zone.max_depth, apex)
    }

    proptest! {
        #[test]
        fn a_zone_built_at_once_is_that_of_the_same_edits(records in records(), at in 0usize..40) {
            let mut edit = Zone::new(&origin(), HASHER).edit(HASHER);
            let mut builders = [(); 2].map(|()| ZoneBuilder::new(&origin(), HASHER));
            for (number, (owner, rtype, data)) in records.iter().enumerate() {
                let ttl = Ttl::from_secs(60);
                edit.add(owner, *rtype, ttl, &rdata(*rtype, *data)).unwrap();
                builders[usize::from(number >= at)].add(owner, *rtype, ttl, &rdata(*rtype, *data)).unwrap();
            }
            let [mut builder, other] = builders;
            builder.join(other);
            let built = builder.finish().zone;
            prop_assert_eq!(anatomy(&built), anatomy(&edit.finish()));
            prop_assert!(built.nodes.nodes().all(|node| built.nodes.get(HASHER.hash(node.name()), node.name()).is_some()));
        }
    }

    #[test]
    fn thousands_of_names_are_found_and_may_be_changed() {
        let mut builder = ZoneBuilder::new(&origin(), HASHER);
        let name =
            |number: u32| -> NameBuf { format!("n{}.s{}.example.", number, number % 100).parse().unwrap() };
        for number in 0..10_000 {
            builder.add(&name(number), Type::A, Ttl::ZERO, &number.to_be_bytes()).unwrap();
        }
        let zone = builder.finish().zone;
        assert_eq!(zone.len(), 10_000 + 100 + 1);
        let mut edit = zone.edit(HASHER);
        (0..10_000).for_each(|number| edit.remove(&name(number)).unwrap());
        assert_eq!(edit.finish().len(), 1);
    }

    #[test]
    fn sets_in_parts_are_one_whatever_comes_between() {
        let names: Vec<NameBuf> = (0..=OPEN).map(|at| format!("n{at}.example.").parse().unwrap()).collect();
        for between in [&names[..0], &names[..]] {
            let mut builder = ZoneBuilder::new(&origin(), HASHER);
            for number in 0..2 {
                let mut set = RrSet::new(Type::A, Ttl::ZERO, Policy::All);
                set.push(&[10, 0, 0, number]);
                builder.put(&origin(), &set).unwrap();
                between.iter().for_each(|name| builder.put(name, &set).unwrap());
            }
            assert_eq!(builder.finish().zone.rdatas(&origin(), Type::A, HASHER).len(), 2);
        }
    }

    #[test]
    fn services_of_any_number_have_the_addresses_of_their_targets() {
        for count in [1, FEW_SERVICES - 1, FEW_SERVICES, SERVICES + FEW_SERVICES + 1] {
            let mut builder = ZoneBuilder::new(&origin(), HASHER);
            let name = |kind: &str, at: usize| -> NameBuf { format!("{kind}{at}.example.").parse().unwrap() };
            for at in 0..count {
                let srv = [&[0, 0, 0, 0, 0, 80], name("host", at).as_wire()].concat();
                builder.add(&name("service", at), Type::SRV, Ttl::ZERO, &srv).unwrap();
                let address = (at as u32).to_be_bytes();
                builder.add(&name("host", at), Type::A, Ttl::ZERO, &address).unwrap();
            }
            let zone = builder.finish().zone;
            for at in 0..count {
                let service = name("service", at);
                let node = zone.nodes.get(HASHER.hash(&service), &service).unwrap();
                let addresses = node.set(Type::SRV).unwrap().addresses.unwrap();
                assert!(addresses.ends_with(&(at as u32).to_be_bytes()), "{at} of {count}");
            }
        }
    }

    #[test]
    fn a_set_too_large_in_parts_is_named() {
        let mut builder = ZoneBuilder::new(&origin(), HASHER);
        let there: NameBuf = "a.example.".parse().unwrap();
        for number in 0..2 {
            builder.add(&there, Type::TXT, Ttl::ZERO, &[number; 40_000]).unwrap();
            for between in 0..OPEN {
                let name: NameBuf = format!("n{between}.example.").parse().unwrap();
                builder.add(&name, Type::A, Ttl::ZERO, &[number; 4]).unwrap();
            }
        }
        let Built { zone, too_large, .. } = builder.finish();
        assert_eq!((too_large, zone.rdatas(&there, Type::TXT, HASHER).len()), (vec![there], 1));
    }
}
