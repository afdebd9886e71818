//! A zone: immutable, compiled for answering, and sharing with its predecessor all that has not changed.

use std::fmt;
use std::sync::Arc;

use cartonym_wire::{Hasher, Name, NameBuf, Qname, Ttl, Type};

use crate::node::{Node, NodeEdit, NodeFlags, RrSet, SetTooLarge, read_u32};
use crate::ready::Ready;
use crate::tree::Tree;

/// A zone's data, compiled.
#[derive(Clone)]
pub struct Zone {
    pub(crate) origin: Origin,
    pub(crate) origin_hash: u64,
    pub(crate) apex: Node,
    pub(crate) nodes: Tree,
    /// How many names with NS or DNAME there are at each depth: where a lookup has to stop on its way down.
    cuts: Vec<(u8, u32)>,
    pub(crate) cut_depths: u128,
    pub(crate) wildcards: u32,
    /// No name is deeper.
    pub(crate) max_depth: u8,
    /// The SOA of negative answers, with their TTL.
    pub(crate) soa: Option<Ready>,
    /// The origin's NS set.
    pub(crate) name_servers: Option<Ready>,
    /// Whether SRV sets have the addresses of their targets behind them: until the first change, which may be of these.
    pub(crate) has_addresses: bool,
}

/// The name of a zone, in lower case. What each query needs of it is here, beside the rest of the zone; the octets are elsewhere, once
/// for all versions.
#[derive(Clone)]
pub(crate) struct Origin {
    name: Arc<NameBuf>,
    len: u8,
    depth: u8,
}

/// Changes to a zone, made on a copy; [`ZoneEdit::finish`] gives the zone that has them all.
pub struct ZoneEdit {
    zone: Zone,
    hasher: Hasher,
    /// The name changed last, not yet put back: records of a name tend to come together.
    open: Option<Open>,
}

struct Open {
    hash: u64,
    depth: usize,
    /// Whether the zone has a node of this name already, and what it counted for.
    before: Option<NodeFlags>,
    edit: NodeEdit,
}

/// Why a record does not go into a zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum EditError {
    /// The owner is neither the origin nor below it.
    OutOfZone,
    /// The records of one name and type would not fit into a message.
    TooLarge,
}

impl Origin {
    fn new(name: &Name) -> Origin {
        let qname = Qname::new(name);
        let name = qname.name();
        Origin { name: Arc::new(name.to_buf()), len: name.len() as u8, depth: qname.depth() as u8 }
    }

    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// Octets of the name, its root included.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Labels of the name, its root aside.
    pub(crate) fn depth(&self) -> usize {
        usize::from(self.depth)
    }
}

impl Zone {
    /// A zone without records; `hasher` is that of the table it will be in.
    pub fn new(origin: &Name, hasher: Hasher) -> Zone {
        let origin = Origin::new(origin);
        let origin_hash = hasher.hash(origin.name());
        let apex = NodeEdit::new(origin.name()).compile();
        let mut nodes = Tree::default();
        nodes.insert(origin_hash, apex.clone());
        Zone {
            max_depth: origin.depth() as u8,
            origin,
            origin_hash,
            apex,
            nodes,
            cuts: Vec::new(),
            cut_depths: 0,
            wildcards: 0,
            soa: None,
            name_servers: None,
            has_addresses: false,
        }
    }

    /// A copy to change. Costs about a thousandth of a microsecond for each thousand names.
    pub fn edit(&self, hasher: Hasher) -> ZoneEdit {
        ZoneEdit { zone: self.clone(), hasher, open: None }
    }

    /// The name at the top, in lower case.
    pub fn origin(&self) -> &Name {
        self.origin.name()
    }

    /// How many names exist, those without records included (RFC 4592 §2.2.2).
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() == 1 && self.apex.sets().next().is_none()
    }

    /// The SOA's RDATA and serial, if there is one.
    pub fn soa(&self) -> Option<(&[u8], u32)> {
        let rdata = self.apex.set(Type::SOA)?.rdatas().next()?;
        let serial_at = rdata.len().checked_sub(20)?;
        Some((rdata, read_u32(rdata, serial_at)))
    }

    /// Every record but an alias: owner, type, TTL and RDATA; names in no order, the SOA among them.
    pub fn records(&self) -> impl Iterator<Item = (&Name, Type, Ttl, &[u8])> {
        self.nodes.nodes().flat_map(Node::records)
    }

    /// The records of one name and type; none where the name or the set is not there.
    pub fn rdatas(&self, owner: &Name, rtype: Type, hasher: Hasher) -> Vec<(Ttl, &[u8])> {
        let qname = Qname::new(owner);
        let set = self.nodes.get(hasher.hash(qname.name()), qname.name()).and_then(|node| node.set(rtype));
        set.map(|set| set.rdatas().map(|rdata| (set.ttl, rdata)).collect()).unwrap_or_default()
    }

    /// The types that a name has; none where it does not exist, or holds nothing.
    pub fn types(&self, owner: &Name, hasher: Hasher) -> Vec<Type> {
        let qname = Qname::new(owner);
        let node = self.nodes.get(hasher.hash(qname.name()), qname.name());
        node.map(|node| node.sets().map(|set| set.rtype).collect()).unwrap_or_default()
    }

    /// Whether there are names below this one.
    pub(crate) fn has_names_below(&self, owner: &Name, hasher: Hasher) -> bool {
        let qname = Qname::new(owner);
        let node = self.nodes.get(hasher.hash(qname.name()), qname.name());
        node.is_some_and(|node| node.children() > 0)
    }

    /// Octets in memory, without the allocator's.
    pub fn octets(&self) -> usize {
        self.nodes.octets()
    }

    /// Whether a lookup has to stop at a name with these flags: NS at the apex is no cut; DNAME there has all below it.
    pub(crate) fn is_cut(&self, flags: NodeFlags, depth: usize) -> bool {
        flags.has(NodeFlags::DNAME) || flags.has(NodeFlags::NS) && depth > self.origin.depth()
    }

    pub(crate) fn count_cut(&mut self, depth: usize, added: bool) {
        let depth = depth as u8;
        match self.cuts.iter_mut().find(|(at, _)| *at == depth) {
            Some((_, count)) if added => *count += 1,
            Some((_, count)) => *count -= 1,
            None => self.cuts.push((depth, 1)),
        }
        self.cuts.retain(|(_, count)| *count > 0);
        self.cut_depths = self.cuts.iter().fold(0, |depths, (depth, _)| depths | 1 << depth);
    }

    #[cfg(test)]
    pub(crate) fn counted_cuts(&self) -> String {
        let mut cuts = self.cuts.clone();
        cuts.sort_unstable();
        format!("{cuts:?} {:b}", self.cut_depths)
    }

    /// Adds what another part of the same zone counts, whose names are not among this one's.
    pub(crate) fn join_counts(&mut self, other: &Zone) {
        for (depth, count) in &other.cuts {
            (0..*count).for_each(|_| self.count_cut(usize::from(*depth), true));
        }
        self.wildcards += other.wildcards;
        self.max_depth = self.max_depth.max(other.max_depth);
    }

    /// Counts new names right below `parent`, whose hash is given. It comes into being if it was not there, and so is a
    /// new name below its own: an empty non-terminal.
    pub(crate) fn add_children(&mut self, parent: &Name, hash: u64, count: u32, hasher: Hasher) {
        let (mut name, mut hash, mut count) = (parent.to_buf(), hash, count);
        loop {
            if let Some(node) = self.nodes.get_mut(hash, &name) {
                let children = node.children().saturating_add(count);
                node.set_children(children);
                return;
            }
            let mut node = NodeEdit::new(&name).compile();
            node.set_children(count);
            self.nodes.insert(hash, node);
            self.wildcards += u32::from(name.is_wildcard());
            let Some(above) = self.parent(&name) else { return };
            (hash, count) = (hasher.hash(&above), 1);
            name = above;
        }
    }

    /// The name above, within the zone.
    fn parent(&self, name: &Name) -> Option<NameBuf> {
        if name.len() <= self.origin.len() { None } else { name.parent().map(Name::to_buf) }
    }

    pub(crate) fn refresh_apex(&mut self) {
        if let Some(apex) = self.nodes.get(self.origin_hash, self.origin.name()) {
            self.apex = apex.clone();
        }
        self.soa = Ready::negative_soa(&self.apex, self.origin.name());
        self.name_servers = Ready::name_servers(&self.apex, self.origin.name());
    }
}

impl ZoneEdit {
    /// Adds a record; one that is there already changes nothing, and the answer is false.
    ///
    /// The TTL of its set becomes the smallest of all (RFC 2181 §5.2), and its policy [`Policy::All`](crate::Policy).
    ///
    /// # Errors
    ///
    /// [`EditError`]; the zone is as before.
    pub fn add(&mut self, owner: &Name, rtype: Type, ttl: Ttl, rdata: &[u8]) -> Result<bool, EditError> {
        self.open(owner)?.add(rtype, ttl, rdata).map_err(EditError::from)
    }

    /// Replaces a set; one without records is taken out.
    ///
    /// # Errors
    ///
    /// [`EditError`].
    pub fn put(&mut self, owner: &Name, set: &RrSet) -> Result<(), EditError> {
        self.open(owner)?.put(set).map_err(EditError::from)
    }

    /// Takes a set out.
    ///
    /// # Errors
    ///
    /// [`EditError::OutOfZone`].
    pub fn remove_set(&mut self, owner: &Name, rtype: Type) -> Result<(), EditError> {
        self.open(owner)?.remove(rtype);
        Ok(())
    }

    /// Takes a record out, and says whether it was there; the policy of what is left is [`Policy::All`](crate::Policy).
    ///
    /// # Errors
    ///
    /// [`EditError::OutOfZone`].
    pub fn remove_record(&mut self, owner: &Name, rtype: Type, rdata: &[u8]) -> Result<bool, EditError> {
        Ok(self.open(owner)?.remove_record(rtype, rdata))
    }

    /// Takes all records of a name out.
    ///
    /// # Errors
    ///
    /// [`EditError::OutOfZone`].
    pub fn remove(&mut self, owner: &Name) -> Result<(), EditError> {
        self.open(owner)?.clear();
        Ok(())
    }

    /// The zone with all changes.
    pub fn finish(mut self) -> Zone {
        self.close();
        self.zone.refresh_apex();
        self.zone
    }

    /// The zone as it is so far; the name changed last is put back first.
    pub fn zone(&mut self) -> &Zone {
        self.close();
        self.zone.refresh_apex();
        &self.zone
    }

    fn open(&mut self, owner: &Name) -> Result<&mut NodeEdit, EditError> {
        if self.open.as_ref().is_none_or(|open| open.edit.name() != owner) {
            self.close();
            let qname = Qname::new(owner);
            let origin_depth = self.zone.origin.depth();
            if qname.depth() < origin_depth || qname.suffix(origin_depth) != self.zone.origin.name() {
                return Err(EditError::OutOfZone);
            }
            let hash = qname.extend_hash(self.zone.origin_hash, origin_depth, qname.depth());
            let node = self.zone.nodes.get(hash, qname.name());
            let edit = node.map_or_else(|| NodeEdit::new(qname.name()), NodeEdit::of);
            self.open = Some(Open { hash, depth: qname.depth(), before: node.map(Node::flags), edit });
        }
        self.open.as_mut().map(|open| &mut open.edit).ok_or(EditError::OutOfZone)
    }

    /// Puts the open name back into the zone, or takes it out if nothing is left of it.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        self.zone.has_addresses = false;
        let is_apex = open.depth == self.zone.origin.depth();
        let keep = is_apex || !open.edit.is_empty();
        let after = keep.then(|| open.edit.compile());
        self.count(open.before, after.as_ref().map(Node::flags), open.depth);
        match after {
            Some(node) => {
                let wildcard = open.edit.name().is_wildcard();
                self.zone.max_depth = self.zone.max_depth.max(open.depth as u8);
                if self.zone.nodes.insert(open.hash, node) {
                    self.zone.wildcards += u32::from(wildcard);
                    if let Some(parent) = self.zone.parent(open.edit.name()) {
                        self.zone.add_children(&parent, self.hasher.hash(&parent), 1, self.hasher);
                    }
                }
            }
            None if open.before.is_some() => self.remove_node(open.hash, open.edit.name()),
            None => {}
        }
    }

    fn count(&mut self, before: Option<NodeFlags>, after: Option<NodeFlags>, depth: usize) {
        let is_cut = |flags: NodeFlags| self.zone.is_cut(flags, depth);
        let (was, is) = (before.is_some_and(is_cut), after.is_some_and(is_cut));
        if was != is {
            self.zone.count_cut(depth, is);
        }
    }

    /// Takes a name out, and those above it that existed only for its sake.
    fn remove_node(&mut self, hash: u64, name: &Name) {
        self.zone.nodes.remove(hash, name);
        self.zone.wildcards -= u32::from(name.is_wildcard());
        let mut name = name.to_buf();
        while let Some(parent) = self.zone.parent(&name) {
            let hash = self.hasher.hash(&parent);
            let Some(node) = self.zone.nodes.get_mut(hash, &parent) else { return };
            let children = node.children().saturating_sub(1);
            node.set_children(children);
            if children > 0 || node.sets().next().is_some() || *parent == *self.zone.origin.name() {
                return;
            }
            self.zone.nodes.remove(hash, &parent);
            self.zone.wildcards -= u32::from(parent.is_wildcard());
            name = parent;
        }
    }
}

impl From<SetTooLarge> for EditError {
    fn from(_: SetTooLarge) -> EditError {
        EditError::TooLarge
    }
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EditError::OutOfZone => f.write_str("the owner lies outside the zone"),
            EditError::TooLarge => fmt::Display::fmt(&SetTooLarge, f),
        }
    }
}

impl std::error::Error for EditError {}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} names)", self.origin(), self.len())
    }
}

impl fmt::Debug for ZoneEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "changes to {:?}", self.zone)
    }
}
