//! The nodes of a zone by hash: a table whose versions share what they have in common.
//!
//! Linear hashing: the table grows one shard at a time, so that no change ever pays for the whole. Shards hang in
//! blocks of 256 behind a list, each behind its own count of references:
//!
//! ```text
//! list ─► block ─► shard: (hash, node) (hash, node) …
//!      ─► block ─► shard
//! ```
//!
//! A version is a copy of the list; a change copies one block, one shard and one node, whatever the table holds.

use std::sync::Arc;

use cartonym_wire::Name;

use crate::node::Node;

/// A table of nodes; cheap to clone, and a change to a clone leaves the original as it was.
#[derive(Clone, Default)]
pub(crate) struct Tree {
    blocks: Vec<Arc<Block>>,
    shards: usize,
    len: usize,
}

#[derive(Clone)]
struct Block([Shard; BLOCK]);

type Shard = Option<Arc<[Slot]>>;

#[derive(Clone, Default)]
struct Slot {
    hash: u64,
    node: Node,
}

const BLOCK: usize = 256;
/// Nodes a shard has on average at most.
const LOAD: usize = 6;

impl Tree {
    pub(crate) fn get(&self, hash: u64, name: &Name) -> Option<&Node> {
        let at = self.address(hash);
        self.shard(at)?.iter().find(|slot| slot.hash == hash && slot.node.is(name)).map(|slot| &slot.node)
    }

    /// The node, to change in place; shared parts on the way are copied.
    pub(crate) fn get_mut(&mut self, hash: u64, name: &Name) -> Option<&mut Node> {
        let shard = self.shard_mut(self.address(hash))?.as_mut()?;
        Arc::make_mut(shard)
            .iter_mut()
            .find(|slot| slot.hash == hash && slot.node.is(name))
            .map(|slot| &mut slot.node)
    }

    /// Puts a node in, and says whether its name is new.
    pub(crate) fn insert(&mut self, hash: u64, node: Node) -> bool {
        if self.len >= self.shards * LOAD {
            self.grow();
        }
        let at = self.address(hash);
        let Some(shard) = self.shard_mut(at) else { return false };
        let is_same = |slot: &Slot| slot.hash == hash && slot.node.is(node.name());
        if let Some(there) = shard
            && let Some(same) = there.iter().position(is_same)
        {
            if let Some(slot) = Arc::make_mut(there).get_mut(same) {
                slot.node = node;
            }
            return false;
        }
        *shard = Some(match shard {
            Some(there) => extended(there, Slot { hash, node }),
            None => Arc::new([Slot { hash, node }]),
        });
        self.len += 1;
        true
    }

    /// Takes a node out, and says whether it was there.
    pub(crate) fn remove(&mut self, hash: u64, name: &Name) -> bool {
        let Some(shard) = self.shard_mut(self.address(hash)) else { return false };
        let there = shard.as_deref().unwrap_or_default();
        let slots: Vec<Slot> =
            there.iter().filter(|slot| slot.hash != hash || !slot.node.is(name)).cloned().collect();
        let removed = slots.len() != there.len();
        *shard = (!slots.is_empty()).then(|| slots.into());
        self.len -= usize::from(removed);
        removed
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.blocks
            .iter()
            .flat_map(|block| block.0.iter())
            .flat_map(|shard| shard.as_deref().unwrap_or_default())
            .map(|slot| &slot.node)
    }

    /// The nodes from a place on, each with its shard and its slot there.
    pub(crate) fn nodes_from(
        &self,
        shard: usize,
        slot: usize,
    ) -> impl Iterator<Item = (usize, usize, &Node)> {
        (shard..self.shards).flat_map(move |at| {
            let skip = if at == shard { slot } else { 0 };
            let slots = self.shard(at).map_or(&[][..], |slots| slots).iter().enumerate().skip(skip);
            slots.map(move |(slot, there)| (at, slot, &there.node))
        })
    }

    /// Calls `change` for each node that is in one of two trees only, or is another one there: the old and the new.
    /// What both trees share is not looked at.
    pub(crate) fn changes<'t>(
        &'t self,
        before: &'t Tree,
        mut change: impl FnMut(Option<&'t Node>, Option<&'t Node>),
    ) {
        for block in 0..self.blocks.len().max(before.blocks.len()) {
            if let (Some(new), Some(old)) = (self.blocks.get(block), before.blocks.get(block))
                && Arc::ptr_eq(new, old)
            {
                continue;
            }
            for at in block * BLOCK..(block + 1) * BLOCK {
                let (new, old) = (self.shard(at), before.shard(at));
                if let (Some(new), Some(old)) = (new, old)
                    && Arc::ptr_eq(new, old)
                {
                    continue;
                }
                // A node moves when its shard is split: it is looked for by its hash, not at its place.
                for slot in old.map_or(&[][..], |slots| slots) {
                    match self.get(slot.hash, slot.node.name()) {
                        Some(node) if node.is_shared_with(&slot.node) => {}
                        node => change(Some(&slot.node), node),
                    }
                }
                for slot in new.map_or(&[][..], |slots| slots) {
                    if before.get(slot.hash, slot.node.name()).is_none() {
                        change(None, Some(&slot.node));
                    }
                }
            }
        }
    }

    fn shard(&self, at: usize) -> Option<&Arc<[Slot]>> {
        self.blocks.get(at / BLOCK)?.0.get(at % BLOCK)?.as_ref()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Octets in memory, without the allocator's.
    pub(crate) fn octets(&self) -> usize {
        self.blocks.len() * (size_of::<Block>() + 24)
            + self.shards * 2 * size_of::<usize>()
            + self.nodes().map(|node| size_of::<Slot>() + node.octets()).sum::<usize>()
    }

    /// The shard of a hash: by as many low bits as there are shards, one more for those that have been split.
    fn address(&self, hash: u64) -> usize {
        let Some(half) = self.shards.checked_ilog2().map(|log| 1usize << log) else { return 0 };
        let at = hash as usize & (2 * half - 1);
        if at < self.shards { at } else { at - half }
    }

    /// Adds a shard, and moves to it what belongs there: a part of one other shard.
    fn grow(&mut self) {
        let new = self.shards;
        if new.is_multiple_of(BLOCK) {
            self.blocks.push(Arc::new(Block([const { None }; BLOCK])));
        }
        self.shards += 1;
        let Some(from) = new.checked_ilog2().map(|log| new - (1 << log)) else { return };
        let Some(mut old) = self.shard_mut(from).and_then(Option::take) else { return };
        let slots = Arc::make_mut(&mut old).iter_mut().map(std::mem::take);
        let (stay, go): (Vec<Slot>, Vec<Slot>) = slots.partition(|slot| self.address(slot.hash) == from);
        for (at, slots) in [(from, stay), (new, go)] {
            if let Some(shard) = self.shard_mut(at) {
                *shard = (!slots.is_empty()).then(|| slots.into());
            }
        }
    }

    fn shard_mut(&mut self, at: usize) -> Option<&mut Shard> {
        Arc::make_mut(self.blocks.get_mut(at / BLOCK)?).0.get_mut(at % BLOCK)
    }
}

/// The slots of a shard and one more. They are moved where no other version has them: counting a reference to a node
/// means to fetch it.
fn extended(shard: &mut Arc<[Slot]>, more: Slot) -> Arc<[Slot]> {
    match Arc::get_mut(shard) {
        Some(slots) => slots.iter_mut().map(std::mem::take).chain([more]).collect(),
        None => shard.iter().cloned().chain([more]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::NodeEdit;
    use cartonym_wire::{Hasher, NameBuf};

    const HASHER: Hasher = Hasher::new(3);

    fn name(number: usize) -> NameBuf {
        format!("n{number}.example.").parse().unwrap()
    }

    fn insert(tree: &mut Tree, number: usize) -> bool {
        tree.insert(HASHER.hash(&name(number)), NodeEdit::new(&name(number)).compile())
    }

    fn has(tree: &Tree, number: usize) -> bool {
        tree.get(HASHER.hash(&name(number)), &name(number)).is_some()
    }

    #[test]
    fn what_was_put_in_is_found_and_nothing_else() {
        let mut tree = Tree::default();
        assert!(!has(&tree, 0));
        for number in 0..5000 {
            assert!(insert(&mut tree, number));
        }
        assert!(!insert(&mut tree, 17));
        assert_eq!((tree.len(), tree.nodes().count()), (5000, 5000));
        assert!((0..5000).all(|number| has(&tree, number)));
        assert!(!(5000..6000).any(|number| has(&tree, number)));
    }

    #[test]
    fn a_change_leaves_other_versions_as_they_were() {
        let mut tree = Tree::default();
        for number in 0..1000 {
            insert(&mut tree, number);
        }
        let before = tree.clone();
        for number in 500..1500 {
            tree.remove(HASHER.hash(&name(number)), &name(number));
        }
        insert(&mut tree, 2000);
        assert_eq!((before.len(), tree.len()), (1000, 501));
        assert!((0..1000).all(|number| has(&before, number)) && !has(&before, 2000));
        assert!(has(&tree, 499) && !has(&tree, 500) && has(&tree, 2000));
    }
}
