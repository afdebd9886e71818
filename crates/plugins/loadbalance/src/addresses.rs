//! The addresses of a message, and their order.
//!
//! Records of one set have the same owner, type and TTL, so that only their RDATA change places: all other octets of the
//! message stay, and so do the pointers among them. That takes no memory but a few hundred octets of the stack.

use std::net::IpAddr;

use cartonym_plugin::{Network, Response};
use cartonym_wire::{Message, NameBuf, Record, Type};

use crate::weights::Weights;

/// The addresses of a message in their order, by set.
pub(crate) struct RecordSets {
    /// slots[..len], those of a set beside each other.
    slots: [Slot; MAX_ADDRESSES],
    len: usize,
    random: u64,
    /// The owner of the first set of addresses in the answer section.
    owner: Option<NameBuf>,
}

/// A place for an address in the message, and the address to put there.
#[derive(Clone, Copy)]
struct Slot {
    at: usize,
    address: IpAddr,
    /// Which set it belongs to; counted from 0.
    set: usize,
    section: u8,
}

impl RecordSets {
    /// Reads the addresses of `message`; what lies behind the 128th keeps its place.
    pub(crate) fn of(message: Message<'_>, random: u64) -> RecordSets {
        let nothing = Slot { at: 0, address: IpAddr::from([0, 0, 0, 0]), set: 0, section: 0 };
        let mut sets = RecordSets { slots: [nothing; MAX_ADDRESSES], len: 0, random, owner: None };
        let (mut set, mut last): (usize, Option<Record<'_>>) = (0, None);
        for record in message.records().map_while(Result::ok) {
            if last.is_some_and(|last| !is_one_set(&last, &record)) {
                set += 1;
            }
            last = Some(record);
            let Some(address) = address(&record) else { continue };
            let Some(slot) = sets.slots.get_mut(sets.len) else { break };
            *slot = Slot { at: record.rdata_start, address, set, section: record.section };
            sets.len += 1;
            if record.section == 0 {
                sets.owner.get_or_insert(record.owner);
            }
        }
        sets
    }

    /// Puts each set into a random order.
    pub(crate) fn shuffle(&mut self) {
        self.each_set(|slots, random| {
            for i in (1..slots.len()).rev() {
                let j = below(random, i + 1);
                swap_addresses(slots, i, j);
            }
        });
    }

    /// Puts one address of the answer first, chosen by weight; for an SRV query, of the additional section.
    pub(crate) fn choose(&mut self, weights: &Weights) {
        let Some(weights) = self.owner.as_ref().and_then(|owner| weights.of(owner)) else { return };
        self.each_set(|slots, random| {
            let weight = |slot: &Slot| usize::from(weights.get(&slot.address).copied().unwrap_or(1));
            let total = slots.iter().map(weight).sum::<usize>();
            if slots.first().is_none_or(|slot| slot.section != 0) || total == 0 {
                return;
            }
            let mut left = below(random, total);
            for i in 0..slots.len() {
                let weight = slots.get(i).map_or(0, weight);
                if left < weight {
                    return swap_addresses(slots, 0, i);
                }
                left -= weight;
            }
        });
    }

    /// Puts the addresses of the first network first, then those of the second, and so on; otherwise nothing moves.
    pub(crate) fn prefer(&mut self, networks: &[Network]) {
        let rank = |address: IpAddr| networks.iter().position(|network| network.contains(address));
        let key = |slot: &Slot| rank(slot.address).unwrap_or(networks.len());
        self.each_set(|slots, _| {
            // By insertion: it keeps the order of equals, and there are few.
            for i in 1..slots.len() {
                let mut j = i;
                while j > 0 && slots.get(j - 1).map(key) > slots.get(j).map(key) {
                    swap_addresses(slots, j - 1, j);
                    j -= 1;
                }
            }
        });
    }

    /// Writes the addresses to their places in the message they were read from.
    pub(crate) fn write(&self, response: &mut Response<'_>) {
        for slot in self.slots.iter().take(self.len) {
            match slot.address {
                IpAddr::V4(v4) => write_words(response, slot.at, &v4.octets()),
                IpAddr::V6(v6) => write_words(response, slot.at, &v6.octets()),
            }
        }
    }

    fn each_set(&mut self, mut change: impl FnMut(&mut [Slot], &mut u64)) {
        let slots = self.slots.get_mut(..self.len).unwrap_or_default();
        for slots in slots.chunk_by_mut(|a, b| a.set == b.set) {
            change(slots, &mut self.random);
        }
    }
}

fn is_one_set(a: &Record<'_>, b: &Record<'_>) -> bool {
    a.section == b.section && a.rtype == b.rtype && a.owner == b.owner
}

fn address(record: &Record<'_>) -> Option<IpAddr> {
    match record.rtype {
        Type::A => <[u8; 4]>::try_from(record.rdata).ok().map(IpAddr::from),
        Type::AAAA => <[u8; 16]>::try_from(record.rdata).ok().map(IpAddr::from),
        _ => None,
    }
}

/// The addresses change places, the places stay.
fn swap_addresses(slots: &mut [Slot], i: usize, j: usize) {
    if let (Some(a), Some(b)) = (slots.get(i).copied(), slots.get(j).copied()) {
        for (at, address) in [(i, b.address), (j, a.address)] {
            if let Some(slot) = slots.get_mut(at) {
                slot.address = address;
            }
        }
    }
}

fn write_words(response: &mut Response<'_>, at: usize, octets: &[u8]) {
    for (at, word) in (at..).step_by(2).zip(octets.as_chunks().0) {
        response.builder().patch(at, u16::from_be_bytes(*word));
    }
}

/// A number below `bound`, from a generator that is good enough to turn addresses (splitmix64).
fn below(state: &mut u64, bound: usize) -> usize {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    ((u128::from(mixed) * bound as u128) >> 64) as usize
}

/// As many as a message of 2 KB can have.
const MAX_ADDRESSES: usize = 128;
