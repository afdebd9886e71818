//! A name and its records in one block of memory, compiled for copying.
//!
//! ```text
//! 0          name length     1 octet
//! 1          flags           1
//! 2          sets            2, big-endian like all here
//! 4          children        4
//! 8          name            lower case, uncompressed
//! 8 + name   sets:           type 2 · policy 2 · most 2 · records 2 · ttl 4 · body length 4 · body
//! ```
//!
//! The body of [`Policy::All`] is records in wire form, their owner a pointer to the question; behind them may stand, as
//! many octets as `most` says, the addresses of their targets, whose owners say how far from the first record the
//! target is. The others choose, and so begin with an index: for each item its end in the body and the sum of weights
//! up to it, 4 octets each. An item is a record, and behind it the addresses of its target without owners, which go to
//! the additional section. Behind the last set may be room to spare.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use cartonym_wire::{Class, Name, NameBuf, Ttl, Type};

/// A name and its records; shared between the versions of a zone.
#[derive(Clone, Default)]
pub(crate) struct Node(Arc<[u8]>);

/// What a node is besides data, so that a lookup need not look for it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct NodeFlags(u8);

impl NodeFlags {
    pub(crate) const CNAME: NodeFlags = NodeFlags(1);
    pub(crate) const NS: NodeFlags = NodeFlags(2);
    pub(crate) const DNAME: NodeFlags = NodeFlags(4);

    pub(crate) fn has(self, flag: NodeFlags) -> bool {
        self.0 & flag.0 != 0
    }

    fn of(rtype: Type) -> u8 {
        match rtype {
            Type::CNAME => Self::CNAME.0,
            Type::NS => Self::NS.0,
            Type::DNAME => Self::DNAME.0,
            _ => 0,
        }
    }
}

/// Which of a set's records an answer has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Policy {
    /// All, in order.
    #[default]
    All,
    /// At most so many, chosen at random for each query; all, in an order of chance, where there are no more.
    Sample(u16),
    /// One, chosen at random by weight.
    One,
}

/// The records of one name and type, written down as they are told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RrSet {
    rtype: Type,
    ttl: Ttl,
    policy: Policy,
    count: usize,
    /// The sum of the weights so far.
    weights: u32,
    /// For each item its end in `items` and the sum of weights up to it; nothing with [`Policy::All`].
    index: Vec<[u32; 2]>,
    items: Vec<u8>,
}

/// A view of a set in a node.
#[derive(Clone, Copy)]
pub(crate) struct Set<'a> {
    pub(crate) rtype: Type,
    pub(crate) policy: Policy,
    pub(crate) count: u16,
    pub(crate) ttl: Ttl,
    body: &'a [u8],
    /// Records of the targets of [`Policy::All`], where they are known.
    pub(crate) addresses: Option<&'a [u8]>,
}

/// What a chosen item says.
pub(crate) struct Item<'a> {
    /// The record in wire form, its owner a pointer to the question.
    pub(crate) record: &'a [u8],
    /// Addresses of its target: records without owners.
    pub(crate) addresses: &'a [u8],
}

/// A node in the making: the same, but of growing parts.
pub(crate) struct NodeEdit {
    name: NameBuf,
    children: u32,
    sets: Vec<SetEdit>,
    /// Bodies of sets that are no more, empty: room for others.
    spare: Vec<Vec<u8>>,
}

struct SetEdit {
    rtype: Type,
    policy: Policy,
    count: u16,
    ttl: Ttl,
    body: Vec<u8>,
}

const NAME_AT: usize = 8;
const SET_HEADER: usize = 16;
/// The octet that says that behind a set, all of which are given, are the addresses of its targets.
const WITH_ADDRESSES: u8 = 3;
/// Octets of a record before its RDATA: owner pointer, type, class, TTL, length.
pub(crate) const RECORD_HEADER: usize = 12;
/// A pointer to the question's name (RFC 1035 §4.1.4).
pub(crate) const QUESTION_POINTER: u16 = 0xC00C;
/// Marks an item that is an alias; private use (RFC 6895 §3.1).
pub(crate) const ALIAS: Type = Type(65401);

impl RrSet {
    /// A set without records: their type, their time to live, which is one for all (RFC 2181 §5.2), and which of them an
    /// answer has.
    pub fn new(rtype: Type, ttl: Ttl, policy: Policy) -> RrSet {
        RrSet { rtype, ttl, policy, count: 0, weights: 0, index: Vec::new(), items: Vec::new() }
    }

    /// Adds a record: RDATA in wire form, names uncompressed. [`Policy::One`] gives it a share of one.
    pub fn push(&mut self, rdata: &[u8]) {
        self.push_weighted(rdata, 1, [None, None]);
    }

    /// Adds a record with its share under [`Policy::One`], where 0 is never chosen, and the addresses of its target. With
    /// [`Policy::All`] those are looked up instead.
    pub fn push_weighted(&mut self, rdata: &[u8], weight: u16, addresses: [Option<IpAddr>; 2]) {
        push_record(&mut self.items, QUESTION_POINTER, self.rtype, self.ttl, rdata);
        if self.policy != Policy::All {
            for address in addresses.iter().flatten() {
                match address {
                    IpAddr::V4(v4) => push_fields(&mut self.items, Type::A, self.ttl, &v4.octets()),
                    IpAddr::V6(v6) => push_fields(&mut self.items, Type::AAAA, self.ttl, &v6.octets()),
                }
            }
        }
        self.end_item(weight);
    }

    /// Adds a name whose records are the answer instead, found when asked, and its share. Only with [`Policy::One`].
    pub fn push_alias(&mut self, target: &Name, weight: u16) {
        push_record(&mut self.items, QUESTION_POINTER, ALIAS, self.ttl, target.as_wire());
        self.end_item(weight);
    }

    /// Leaves of records that are the same the first (RFC 2181 §5), but under [`Policy::One`], where each is a share, and under
    /// [`Policy::All`].
    pub fn dedup(&mut self) {
        if !matches!(self.policy, Policy::Sample(_)) || self.count < 2 {
            return;
        }
        let mut start = 0;
        let items: Vec<&[u8]> = self
            .index
            .iter()
            .map(|[end, _]| {
                let item = self.items.get(start..*end as usize).unwrap_or_default();
                start = *end as usize;
                item
            })
            .collect();
        let mut seen = HashSet::with_capacity(items.len());
        let is_first: Vec<bool> = items.iter().map(|item| seen.insert(*item)).collect();
        if seen.len() == items.len() {
            return;
        }
        let mut left = RrSet::new(self.rtype, self.ttl, self.policy);
        for (item, _) in items.iter().zip(is_first).filter(|(_, is_first)| *is_first) {
            left.items.extend_from_slice(item);
            left.end_item(1);
        }
        *self = left;
    }

    /// The type of its records.
    pub fn rtype(&self) -> Type {
        self.rtype
    }

    /// Which of its records an answer has.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// How many records it has.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn end_item(&mut self, weight: u16) {
        self.count += 1;
        self.weights = self.weights.saturating_add(weight.into());
        if self.policy != Policy::All {
            // A set so long that an end does not fit is refused as a whole.
            self.index.push([u32::try_from(self.items.len()).unwrap_or(u32::MAX), self.weights]);
        }
    }
}

impl Node {
    pub(crate) fn name(&self) -> &Name {
        let len = usize::from(self.0.first().copied().unwrap_or(0));
        self.0.get(NAME_AT..NAME_AT + len).and_then(|bytes| Name::from_wire(bytes).ok()).unwrap_or(Name::ROOT)
    }

    /// Whether this is the node of `name`, which is in lower case.
    pub(crate) fn is(&self, name: &Name) -> bool {
        self.0.get(NAME_AT..NAME_AT + name.len()) == Some(name.as_wire())
            && self.0.first().copied().map(usize::from) == Some(name.len())
    }

    pub(crate) fn flags(&self) -> NodeFlags {
        NodeFlags(self.0.get(1).copied().unwrap_or(0))
    }

    pub(crate) fn children(&self) -> u32 {
        read_u32(&self.0, 4)
    }

    pub(crate) fn sets(&self) -> Sets<'_> {
        let len = usize::from(self.0.first().copied().unwrap_or(0));
        Sets { left: read_u16(&self.0, 2), bytes: self.0.get(NAME_AT + len..).unwrap_or_default() }
    }

    /// Every record but an alias: owner, type, TTL and RDATA.
    pub(crate) fn records(&self) -> impl Iterator<Item = (&Name, Type, Ttl, &[u8])> {
        let name = self.name();
        self.sets().flat_map(move |set| set.rdatas().map(move |rdata| (name, set.rtype, set.ttl, rdata)))
    }

    pub(crate) fn set(&self, rtype: Type) -> Option<Set<'_>> {
        self.sets().find(|set| set.rtype == rtype)
    }

    /// Puts records of their targets behind those of a set, which are all; in place where no other version has this node, and
    /// it has the room. None where there is no such set, or they are too many.
    pub(crate) fn add_addresses(&mut self, rtype: Type, addresses: &[u8]) -> Option<()> {
        let (mut at, mut found) = (NAME_AT + self.name().len(), None);
        for set in self.sets() {
            let end = at + SET_HEADER + set.body.len() + set.addresses.map_or(0, <[u8]>::len);
            if set.rtype == rtype && set.policy == Policy::All && set.addresses.is_none() {
                found = Some((at, end));
            }
            at = end;
        }
        let (start, body_end) = found?;
        let (sets_end, len) = (at, at + addresses.len());
        let most = u16::try_from(addresses.len()).ok()?;
        let body_len = u32::try_from(body_end + addresses.len() - start - SET_HEADER).ok()?;
        if Arc::get_mut(&mut self.0).is_none_or(|bytes| bytes.len() < len) {
            let mut bytes = self.0.get(..sets_end)?.to_vec();
            bytes.resize(len, 0);
            self.0 = Arc::from(bytes);
        }
        let bytes = Arc::get_mut(&mut self.0)?.get_mut(..len)?;
        bytes.copy_within(body_end..sets_end, body_end + addresses.len());
        bytes.get_mut(body_end..body_end + addresses.len())?.copy_from_slice(addresses);
        let [high, low] = most.to_be_bytes();
        bytes.get_mut(start + 3..start + 6)?.copy_from_slice(&[WITH_ADDRESSES, high, low]);
        bytes.get_mut(start + 12..start + SET_HEADER)?.copy_from_slice(&body_len.to_be_bytes());
        Some(())
    }

    /// Whether the two are one and the same.
    pub(crate) fn is_shared_with(&self, other: &Node) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether two nodes of one name have the same records in the same order; what lies below may differ.
    pub(crate) fn has_records_of(&self, other: &Node) -> bool {
        self.0.get(..4) == other.0.get(..4) && self.0.get(NAME_AT..) == other.0.get(NAME_AT..)
    }

    /// Octets in memory, without the allocator's.
    pub(crate) fn octets(&self) -> usize {
        self.0.len() + 2 * size_of::<usize>()
    }

    /// Counts children; in place where no other version of the zone has this node.
    pub(crate) fn set_children(&mut self, children: u32) {
        if Arc::get_mut(&mut self.0).is_none() {
            self.0 = Arc::from(&*self.0);
        }
        if let Some(to) = Arc::get_mut(&mut self.0).and_then(|bytes| bytes.get_mut(4..8)) {
            to.copy_from_slice(&children.to_be_bytes());
        }
    }
}

/// The sets of a node.
#[derive(Clone)]
pub(crate) struct Sets<'a> {
    left: u16,
    bytes: &'a [u8],
}

impl<'a> Iterator for Sets<'a> {
    type Item = Set<'a>;

    fn next(&mut self) -> Option<Set<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (header, rest) = self.bytes.split_first_chunk::<SET_HEADER>()?;
        let [a, b, _, policy, m, n, c, d, e, f, g, h, i, j, k, l] = *header;
        let (body, rest) = rest.split_at_checked(u32::from_be_bytes([i, j, k, l]) as usize)?;
        self.bytes = rest;
        let most = u16::from_be_bytes([m, n]);
        let (policy, addresses) = match policy {
            0 => (Policy::All, None),
            1 => (Policy::Sample(most), None),
            WITH_ADDRESSES => (Policy::All, Some(usize::from(most))),
            _ => (Policy::One, None),
        };
        let (body, behind) = body.split_at_checked(body.len().checked_sub(addresses.unwrap_or(0))?)?;
        Some(Set {
            rtype: Type(u16::from_be_bytes([a, b])),
            policy,
            count: u16::from_be_bytes([c, d]),
            ttl: Ttl::from_secs(u32::from_be_bytes([e, f, g, h])),
            body,
            addresses: addresses.map(|_| behind),
        })
    }
}

impl<'a> Set<'a> {
    /// All records in wire form, if that is what an answer has.
    pub(crate) fn whole(&self) -> &'a [u8] {
        self.body
    }

    /// The item at `at`, which is below `count`; not for [`Policy::All`].
    pub(crate) fn item(&self, at: usize) -> Option<Item<'a>> {
        let start = if at == 0 { self.index_len() } else { read_u32(self.body, (at - 1) * 8) as usize };
        let item = self.body.get(start..read_u32(self.body, at * 8) as usize)?;
        let rdata_len = usize::from(read_u16(item, RECORD_HEADER - 2));
        let (record, addresses) = item.split_at_checked(RECORD_HEADER + rdata_len)?;
        Some(Item { record, addresses })
    }

    /// The item whose share of all weights `random` falls into; none if all weigh nothing.
    pub(crate) fn weighted(&self, random: u64) -> Option<Item<'a>> {
        let total = read_u32(self.body, (usize::from(self.count) - 1) * 8 + 4);
        let point = ((u128::from(random) * u128::from(total)) >> 64) as u32;
        if total == 0 {
            return None;
        }
        let (mut low, mut high) = (0usize, usize::from(self.count));
        while low < high {
            let middle = (low + high) / 2;
            if read_u32(self.body, middle * 8 + 4) > point { high = middle } else { low = middle + 1 }
        }
        self.item(low)
    }

    /// The RDATA of every record.
    pub(crate) fn rdatas(self) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.records().map(|record| record.get(RECORD_HEADER..).unwrap_or_default())
    }

    /// Every record in wire form, its owner a pointer to the question; aliases are none.
    pub(crate) fn records(self) -> impl Iterator<Item = &'a [u8]> + Clone {
        let mut rest = if self.policy == Policy::All { self.body } else { &[] };
        let mut items = if self.policy == Policy::All { 0..0 } else { 0..usize::from(self.count) };
        std::iter::from_fn(move || {
            if let Some(at) = items.next() {
                return self.item(at).map(|item| item.record);
            }
            let len = RECORD_HEADER + usize::from(read_u16(rest, RECORD_HEADER - 2));
            let (record, after) = rest.split_at_checked(len)?;
            rest = after;
            Some(record)
        })
        .filter(|record| read_u16(record, 2) != ALIAS.0)
    }

    fn index_len(&self) -> usize {
        usize::from(self.count) * 8
    }

    fn edit(&self) -> SetEdit {
        SetEdit {
            rtype: self.rtype,
            policy: self.policy,
            count: self.count,
            ttl: self.ttl,
            body: self.body.into(),
        }
    }
}

impl NodeEdit {
    pub(crate) fn new(name: &Name) -> NodeEdit {
        NodeEdit { name: name.to_lowercase(), children: 0, sets: Vec::new(), spare: Vec::new() }
    }

    pub(crate) fn of(node: &Node) -> NodeEdit {
        NodeEdit {
            name: node.name().to_buf(),
            children: node.children(),
            sets: node.sets().map(|set| set.edit()).collect(),
            spare: Vec::new(),
        }
    }

    /// Begins another name, in the room of the last.
    pub(crate) fn restart(&mut self, name: &Name) {
        self.name = name.to_lowercase();
        self.children = 0;
        self.spare.extend(self.sets.drain(..).map(|set| {
            let mut body = set.body;
            body.clear();
            body
        }));
        // Sets that are put there bring their own.
        self.spare.truncate(SPARE);
    }

    /// Adds the records of another node; of a set that is in both and chooses, this one's stand.
    ///
    /// # Errors
    ///
    /// [`SetTooLarge`]: some of them were added.
    pub(crate) fn merge(&mut self, other: &Node) -> Result<(), SetTooLarge> {
        for set in other.sets() {
            let there = self.sets.iter().find(|there| there.rtype == set.rtype).map(|there| there.policy);
            if there.is_some_and(|policy| policy != Policy::All || set.policy != Policy::All) {
                continue;
            }
            if there.is_some() {
                set.rdatas().try_for_each(|rdata| self.add(set.rtype, set.ttl, rdata).map(drop))?;
            } else {
                self.sets.push(set.edit());
            }
        }
        Ok(())
    }

    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// Whether there is a set of this type.
    pub(crate) fn has(&self, rtype: Type) -> bool {
        self.sets.iter().any(|set| set.rtype == rtype)
    }

    /// How many records a set has of which all are given.
    pub(crate) fn count_of_all(&self, rtype: Type) -> usize {
        let set = self.sets.iter().find(|set| set.rtype == rtype && set.policy == Policy::All);
        set.map_or(0, |set| usize::from(set.count))
    }

    /// Whether the name has neither records nor names below it: then it does not exist (RFC 8020 §2).
    pub(crate) fn is_empty(&self) -> bool {
        self.children == 0 && self.sets.is_empty()
    }

    /// Adds a record; one that is there already changes nothing, and says so. A set that chose has all from then on.
    pub(crate) fn add(&mut self, rtype: Type, ttl: Ttl, rdata: &[u8]) -> Result<bool, SetTooLarge> {
        let there = self.sets.iter().position(|set| set.rtype == rtype);
        if let Some(set) = there.and_then(|at| self.sets.get(at)) {
            if set.as_set().rdatas().any(|there| there == rdata) {
                return Ok(false);
            }
            if set.body.len() + RECORD_HEADER + rdata.len() > MAX_SET_LEN {
                return Err(SetTooLarge);
            }
        } else if RECORD_HEADER + rdata.len() > MAX_SET_LEN {
            return Err(SetTooLarge);
        }
        let set = match there {
            Some(at) => &mut self.sets[at],
            None => {
                let body = self.spare.pop().unwrap_or_default();
                self.sets.push(SetEdit { rtype, policy: Policy::All, count: 0, ttl, body });
                self.sets.last_mut().ok_or(SetTooLarge)?
            }
        };
        if set.policy != Policy::All {
            set.retain(|_| true);
        }
        // An RRset has one TTL: the smallest (RFC 2181 §5.2).
        if ttl < set.ttl {
            set.set_ttl(ttl);
        }
        let ttl = set.ttl;
        push_record(&mut set.body, QUESTION_POINTER, rtype, ttl, rdata);
        set.count += 1;
        Ok(true)
    }

    /// Replaces the set of this type.
    pub(crate) fn put(&mut self, set: &RrSet) -> Result<(), SetTooLarge> {
        let compiled = if set.is_empty() { None } else { Some(SetEdit::compile(set)?) };
        self.sets.retain(|there| there.rtype != set.rtype);
        self.sets.extend(compiled);
        Ok(())
    }

    pub(crate) fn remove(&mut self, rtype: Type) {
        self.sets.retain(|set| set.rtype != rtype);
    }

    pub(crate) fn clear(&mut self) {
        self.sets.clear();
    }

    /// Takes out one record; its set goes with the last. A set that chose has all from then on.
    pub(crate) fn remove_record(&mut self, rtype: Type, rdata: &[u8]) -> bool {
        let Some(set) = self.sets.iter_mut().find(|set| set.rtype == rtype) else { return false };
        if !set.as_set().rdatas().any(|there| there == rdata) {
            return false;
        }
        set.retain(|there| there != rdata);
        self.sets.retain(|set| set.count > 0);
        true
    }

    pub(crate) fn compile(&self) -> Node {
        let body: usize = self.sets.iter().map(|set| SET_HEADER + set.body.len()).sum();
        self.compile_in(&mut Vec::with_capacity(NAME_AT + self.name.len() + body), 0)
    }

    /// The same, written in a room that is used again, with so many octets to spare.
    pub(crate) fn compile_in(&self, bytes: &mut Vec<u8>, spare: usize) -> Node {
        bytes.clear();
        let flags = self.sets.iter().fold(0, |flags, set| flags | NodeFlags::of(set.rtype));
        bytes.extend_from_slice(&[self.name.len() as u8, flags]);
        bytes.extend_from_slice(&(self.sets.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&self.children.to_be_bytes());
        bytes.extend_from_slice(self.name.as_wire());
        for set in &self.sets {
            set.write(bytes);
        }
        bytes.resize(bytes.len() + spare, 0);
        Node(Arc::from(bytes.as_slice()))
    }
}

impl SetEdit {
    fn compile(set: &RrSet) -> Result<SetEdit, SetTooLarge> {
        let count = u16::try_from(set.count).map_err(|_| SetTooLarge)?;
        if set.policy == Policy::All && set.items.len() > MAX_SET_LEN {
            return Err(SetTooLarge);
        }
        let index_len = set.index.len() * 8;
        u32::try_from(index_len + set.items.len()).map_err(|_| SetTooLarge)?;
        let mut body = Vec::with_capacity(index_len + set.items.len());
        for [end, weights] in &set.index {
            body.extend_from_slice(&(index_len as u32 + end).to_be_bytes());
            body.extend_from_slice(&weights.to_be_bytes());
        }
        body.extend_from_slice(&set.items);
        Ok(SetEdit { rtype: set.rtype, policy: set.policy, count, ttl: set.ttl, body })
    }

    /// Keeps some of the records, as a set of all.
    fn retain(&mut self, keep: impl Fn(&[u8]) -> bool) {
        let kept: Vec<Vec<u8>> =
            self.as_set().rdatas().filter(|rdata| keep(rdata)).map(<[u8]>::to_vec).collect();
        self.policy = Policy::All;
        self.count = kept.len() as u16;
        self.body.clear();
        for rdata in &kept {
            push_record(&mut self.body, QUESTION_POINTER, self.rtype, self.ttl, rdata);
        }
    }

    fn as_set(&self) -> Set<'_> {
        let SetEdit { rtype, policy, count, ttl, .. } = *self;
        Set { rtype, policy, count, ttl, body: &self.body, addresses: None }
    }

    fn set_ttl(&mut self, ttl: Ttl) {
        self.ttl = ttl;
        let mut at = 0;
        while let Some(to) = self.body.get_mut(at + 6..at + 10) {
            to.copy_from_slice(&ttl.as_secs().to_be_bytes());
            at += RECORD_HEADER + usize::from(read_u16(&self.body, at + RECORD_HEADER - 2));
        }
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        let (policy, most) = match self.policy {
            Policy::All => (0u16, 0u16),
            Policy::Sample(most) => (1, most),
            Policy::One => (2, 1),
        };
        bytes.extend_from_slice(&self.rtype.0.to_be_bytes());
        bytes.extend_from_slice(&policy.to_be_bytes());
        bytes.extend_from_slice(&most.to_be_bytes());
        bytes.extend_from_slice(&self.count.to_be_bytes());
        bytes.extend_from_slice(&self.ttl.as_secs().to_be_bytes());
        bytes.extend_from_slice(&(self.body.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&self.body);
    }
}

fn push_record(bytes: &mut Vec<u8>, owner: u16, rtype: Type, ttl: Ttl, rdata: &[u8]) {
    bytes.extend_from_slice(&owner.to_be_bytes());
    push_fields(bytes, rtype, ttl, rdata);
}

/// A record without its owner.
pub(crate) fn push_fields(bytes: &mut Vec<u8>, rtype: Type, ttl: Ttl, rdata: &[u8]) {
    bytes.extend_from_slice(&rtype.0.to_be_bytes());
    bytes.extend_from_slice(&Class::IN.0.to_be_bytes());
    bytes.extend_from_slice(&ttl.as_secs().to_be_bytes());
    bytes.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
    bytes.extend_from_slice(rdata);
}

pub(crate) fn read_u16(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u16::from_be_bytes(*word))
}

pub(crate) fn read_u32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_be_bytes(*word))
}

/// The set would not fit into a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetTooLarge;

impl fmt::Display for SetTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the records of one name and type do not fit into a message of 64 KiB")
    }
}

impl std::error::Error for SetTooLarge {}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} [{}]",
            self.name(),
            self.sets().map(|set| set.rtype.to_string()).collect::<Vec<_>>().join(" ")
        )
    }
}

/// So many rooms for sets are kept from name to name.
const SPARE: usize = 8;

/// Octets that the records of one set may have: a message less header, longest question and OPT.
const MAX_SET_LEN: usize = cartonym_wire::MAX_MESSAGE_LEN - 12 - 259 - 64;
