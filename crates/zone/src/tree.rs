//! The nodes of a zone by hash: a table whose versions share what they have in common.
//!
//! Linear hashing: the table grows one shard at a time, so that no change ever pays for the whole. Shards hang in
//! blocks of 32, and these in branches of 32 behind a list, each behind its own count of references:
//!
//! ```text
//! list ─► branch ─► block ─► shard: (hash, node) (hash, node) …
//!                         ─► shard
//!                ─► block ─► shard
//!      ─► branch ─► block ─► shard
//! ```
//!
//! A version is a copy of the list; a change copies one branch, one block, one shard and one node, whatever the table
//! holds. To copy is to count references, each in a line of memory that nobody has looked at for long: hence so narrow.
//!
//! The first shard hangs in none of them: where there are 100,000 zones, most have no other, and each step on the way to it would be
//! a line of memory that has to be fetched.

use std::sync::Arc;

use cartonym_wire::Name;

use crate::node::Node;

/// A table of nodes; cheap to clone, and a change to a clone leaves the original as it was.
#[derive(Clone, Default)]
pub(crate) struct Tree {
    first: Shard,
    /// All but the first, whose place there stays empty.
    branches: Vec<Arc<Branch>>,
    shards: usize,
    len: usize,
}

type Branch = [Option<Arc<Block>>; WIDTH];

type Block = [Shard; WIDTH];

type Shard = Option<Arc<[Slot]>>;

#[derive(Clone, Default)]
pub(crate) struct Slot {
    pub(crate) hash: u64,
    pub(crate) node: Node,
}

/// Blocks of a branch, and shards of a block.
const WIDTH: usize = 32;
/// Nodes a shard has on average at most.
const LOAD: usize = 6;

impl Tree {
    /// A tree of all these nodes at once, fewer than 2³²: each shard is made a single time, at its size. Of nodes of one
    /// name, the first and the others, `merge` makes one.
    pub(crate) fn of(slots: Vec<Slot>, mut merge: impl FnMut(&Node, &[Node]) -> Node) -> Tree {
        let mut tree = Tree { shards: slots.len().div_ceil(LOAD).max(1), ..Tree::default() };
        // A counting sort: where the slots of each shard begin in `order`, once the loop below has gone back to there.
        let mut starts = vec![0u32; tree.shards + 1];
        let ends = slots.iter().map(|slot| tree.address(slot.hash));
        ends.for_each(|at| starts[at] += 1);
        starts.iter_mut().fold(0, |sum, start| {
            *start += sum;
            *start
        });
        let mut order = vec![0u32; slots.len()];
        for (number, slot) in slots.iter().enumerate().rev() {
            let start = &mut starts[tree.address(slot.hash)];
            *start -= 1;
            order[*start as usize] = number as u32;
        }
        let mut slots: Vec<Option<Slot>> = slots.into_iter().map(Some).collect();
        let (mut shard, mut others) = (Vec::new(), Vec::new());
        for at in 0..tree.shards {
            for &number in &order[starts[at] as usize..starts[at + 1] as usize] {
                let Some(slot) = slots[number as usize].take() else { continue };
                let is_same = |there: &Slot| there.hash == slot.hash && there.node.is(slot.node.name());
                match shard.iter().position(is_same) {
                    Some(first) => others.push((first, slot.node)),
                    None => shard.push(slot),
                }
            }
            while let Some((first, _)) = others.last() {
                let first = *first;
                let same: Vec<Node> =
                    others.extract_if(.., |(at, _)| *at == first).map(|(_, node)| node).collect();
                shard[first].node = merge(&shard[first].node, &same);
            }
            tree.len += shard.len();
            if let Some(place) = tree.make_place(at) {
                *place = (!shard.is_empty()).then(|| shard.drain(..).collect());
            }
        }
        tree
    }

    pub(crate) fn get(&self, hash: u64, name: &Name) -> Option<&Node> {
        let at = self.address(hash);
        self.shard(at)?.iter().find(|slot| slot.hash == hash && slot.node.is(name)).map(|slot| &slot.node)
    }

    /// The node, to change in place; shared parts on the way are copied.
    pub(crate) fn get_mut(&mut self, hash: u64, name: &Name) -> Option<&mut Node> {
        let shard = self.place(self.address(hash))?.as_mut()?;
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
        let Some(shard) = self.place(at) else { return false };
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
        let Some(shard) = self.place(self.address(hash)) else { return false };
        let there = shard.as_deref().unwrap_or_default();
        let slots: Vec<Slot> =
            there.iter().filter(|slot| slot.hash != hash || !slot.node.is(name)).cloned().collect();
        let removed = slots.len() != there.len();
        *shard = (!slots.is_empty()).then(|| slots.into());
        self.len -= usize::from(removed);
        removed
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        let blocks = self.branches.iter().flat_map(|branch| branch.iter().flatten());
        let others = blocks.flat_map(|block| block.iter());
        std::iter::once(&self.first)
            .chain(others)
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
        let branches = (0..self.branches.len().max(before.branches.len()))
            .filter(|&at| !are_shared(self.branches.get(at), before.branches.get(at)));
        let blocks = branches
            .flat_map(|branch| branch * WIDTH..(branch + 1) * WIDTH)
            .filter(|&at| !are_shared(self.block(at), before.block(at)));
        let others = blocks.flat_map(|block| block * WIDTH..(block + 1) * WIDTH).filter(|&at| at > 0);
        let shards =
            std::iter::once(0).chain(others).filter(|&at| !are_shared(self.shard(at), before.shard(at)));
        for at in shards {
            // A node moves when its shard is split: it is looked for by its hash, not at its place.
            for slot in before.shard(at).map_or(&[][..], |slots| slots) {
                match self.get(slot.hash, slot.node.name()) {
                    Some(node) if node.is_shared_with(&slot.node) => {}
                    node => change(Some(&slot.node), node),
                }
            }
            for slot in self.shard(at).map_or(&[][..], |slots| slots) {
                if before.get(slot.hash, slot.node.name()).is_none() {
                    change(None, Some(&slot.node));
                }
            }
        }
    }

    fn shard(&self, at: usize) -> Option<&Arc<[Slot]>> {
        if at == 0 {
            return self.first.as_ref();
        }
        self.block(at / WIDTH)?.get(at % WIDTH)?.as_ref()
    }

    fn block(&self, at: usize) -> Option<&Arc<Block>> {
        self.branches.get(at / WIDTH)?.get(at % WIDTH)?.as_ref()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Octets in memory, without the allocator's.
    pub(crate) fn octets(&self) -> usize {
        self.branches.len() * (size_of::<Branch>() + 24)
            + self.branches.len().min(1) * self.shards.div_ceil(WIDTH) * (size_of::<Block>() + 16)
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
        self.make_place(new);
        self.shards += 1;
        let Some(from) = new.checked_ilog2().map(|log| new - (1 << log)) else { return };
        let Some(mut old) = self.place(from).and_then(Option::take) else { return };
        let slots = Arc::make_mut(&mut old).iter_mut().map(std::mem::take);
        let (stay, go): (Vec<Slot>, Vec<Slot>) = slots.partition(|slot| self.address(slot.hash) == from);
        for (at, slots) in [(from, stay), (new, go)] {
            if let Some(shard) = self.place(at) {
                *shard = (!slots.is_empty()).then(|| slots.into());
            }
        }
    }

    /// The place of a shard, to change it; what is shared on the way is copied.
    fn place(&mut self, at: usize) -> Option<&mut Shard> {
        if at == 0 {
            return Some(&mut self.first);
        }
        let branch = Arc::make_mut(self.branches.get_mut(at / WIDTH / WIDTH)?);
        let block = branch.get_mut(at / WIDTH % WIDTH)?.as_mut()?;
        Arc::make_mut(block).get_mut(at % WIDTH)
    }

    /// The same for the shard behind the last one: its block and branch come into being.
    fn make_place(&mut self, at: usize) -> Option<&mut Shard> {
        if at > 0 {
            if at / WIDTH / WIDTH == self.branches.len() {
                self.branches.push(Arc::new([const { None }; WIDTH]));
            }
            let branch = Arc::make_mut(self.branches.last_mut()?);
            branch.get_mut(at / WIDTH % WIDTH)?.get_or_insert_with(|| Arc::new([const { None }; WIDTH]));
        }
        self.place(at)
    }
}

/// Whether both versions have one and the same part here.
fn are_shared<T: ?Sized>(new: Option<&Arc<T>>, old: Option<&Arc<T>>) -> bool {
    new.zip(old).is_some_and(|(new, old)| Arc::ptr_eq(new, old))
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
    fn a_tree_may_end_anywhere_in_a_block_and_a_branch() {
        for shards in [1, 31, 32, 33, 1023, 1024, 1025, 2048] {
            let slots: Vec<Slot> = (0..shards * LOAD)
                .map(|number| Slot {
                    hash: HASHER.hash(&name(number)),
                    node: NodeEdit::new(&name(number)).compile(),
                })
                .collect();
            let mut tree = Tree::of(slots, |first, _| first.clone());
            assert_eq!((tree.shards, tree.len()), (shards, shards * LOAD));
            for number in shards * LOAD..(shards + 2) * LOAD {
                insert(&mut tree, number);
            }
            assert!((0..(shards + 2) * LOAD).all(|number| has(&tree, number)), "{shards}");
            assert_eq!(tree.nodes().count(), tree.len());
        }
    }

    #[test]
    fn versions_of_different_sizes_differ_by_what_was_put_in_and_taken_out() {
        // Of fewer shards than a branch has, and of more than two have.
        let (few, many) = (6000, 13_000);
        let mut small = Tree::default();
        (0..few).for_each(|number| _ = insert(&mut small, number));
        let mut large = small.clone();
        (few..many).for_each(|number| _ = insert(&mut large, number));
        for number in (0..few).step_by(7) {
            large.remove(HASHER.hash(&name(number)), &name(number));
        }
        let changed = |from: &Tree, to: &Tree| {
            let (mut gone, mut new) = (Vec::new(), Vec::new());
            to.changes(from, |old, now| match (old, now) {
                (Some(old), None) => gone.push(old.name().to_string()),
                (None, Some(now)) => new.push(now.name().to_string()),
                _ => panic!("{old:?} became {now:?}"),
            });
            gone.sort();
            new.sort();
            (gone, new)
        };
        let names = |numbers: &mut dyn Iterator<Item = usize>| {
            let mut names: Vec<String> = numbers.map(|number| name(number).to_string()).collect();
            names.sort();
            names
        };
        let (removed, added) = (names(&mut (0..few).step_by(7)), names(&mut (few..many)));
        assert_eq!(changed(&small, &large), (removed.clone(), added.clone()));
        assert_eq!(changed(&large, &small), (added, removed));
        assert!((few..many).all(|number| has(&large, number) && !has(&small, number)));
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
