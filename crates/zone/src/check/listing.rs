//! Records of a master file with their lines, in little room.

use std::hash::{DefaultHasher, Hash, Hasher};

use cartonym_wire::{Name, Ttl, Type};

use super::Entry;
use crate::master::{MasterError, MasterRecord, Parser};

/// Records, each with its place. Costs 24 octets a record beside owner and data.
#[derive(Debug, Default)]
pub struct Listing {
    octets: Vec<u8>,
    items: Vec<Item>,
    files: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    /// Where the owner begins, the data behind it.
    at: usize,
    ttl: Ttl,
    line: u32,
    rtype: Type,
    rdata_len: u16,
    file: u16,
    owner_len: u8,
}

/// Octets of owner and data that a record mostly has at most.
const OCTETS: usize = 64;

impl Listing {
    /// Reads all records of a file in the order in which sets come together, or the first mistakes in it, at most `most`.
    ///
    /// # Errors
    ///
    /// The mistakes, if there are any; reading goes on behind each.
    pub fn read(parser: &mut Parser<'_>, most: usize) -> Result<Listing, Vec<MasterError>> {
        let (mut listing, mut mistakes) = (Listing::default(), Vec::new());
        while let Some(record) = parser.next_record() {
            match record {
                Ok(record) => listing.push(&record),
                Err(mistake) => mistakes.push(mistake),
            }
            if mistakes.len() >= most.max(1) {
                break;
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let mut items = std::mem::take(&mut listing.items);
        // Hashes bring names together without comparing them.
        items.sort_by_cached_key(|item| (hash(listing.entry(item).owner), item.rtype, item.at));
        listing.items = items;
        Ok(listing)
    }

    /// Reads up to `most` records in their order, and says whether there may be more, or the mistake behind them.
    pub(crate) fn read_some(parser: &mut Parser<'_>, most: usize) -> (Listing, Result<bool, MasterError>) {
        let (octets, items) = (Vec::with_capacity(most.saturating_mul(OCTETS)), Vec::with_capacity(most));
        let mut listing = Listing { octets, items, files: Vec::new() };
        while listing.items.len() < most {
            match parser.next_record() {
                Some(Ok(record)) => listing.push(&record),
                Some(Err(mistake)) => return (listing, Err(mistake)),
                None => return (listing, Ok(false)),
            }
        }
        (listing, Ok(true))
    }

    /// The sets, of what was read in their order.
    pub fn sets(&self) -> impl Iterator<Item = impl Iterator<Item = Entry<'_>> + Clone> {
        let is_same = |a: &Item, b: &Item| a.rtype == b.rtype && self.entry(a).owner == self.entry(b).owner;
        self.items.chunk_by(is_same).map(|items| items.iter().map(|item| self.entry(item)))
    }

    /// The records.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.items.iter().map(|item| self.entry(item))
    }

    fn push(&mut self, record: &MasterRecord<'_>) {
        let file = self.file(record.file);
        self.items.push(Item {
            at: self.octets.len(),
            ttl: record.ttl,
            line: record.line,
            rtype: record.rtype,
            rdata_len: record.rdata.len() as u16,
            file,
            owner_len: record.owner.len() as u8,
        });
        self.octets.extend_from_slice(record.owner.as_wire());
        self.octets.extend_from_slice(record.rdata);
    }

    /// The number of a file; files past 65,535 are taken for the last.
    fn file(&mut self, name: &str) -> u16 {
        // Mostly it is that of the record before.
        let known = self.files.iter().rposition(|file| file == name);
        let at = known.unwrap_or_else(|| {
            let at = self.files.len();
            self.files.push(name.to_owned());
            at
        });
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    fn entry(&self, item: &Item) -> Entry<'_> {
        let octets = self.octets.get(item.at..).unwrap_or_default();
        let (owner, rest) = octets.split_at_checked(usize::from(item.owner_len)).unwrap_or_default();
        let file = self.files.get(usize::from(item.file)).map_or("", String::as_str);
        Entry {
            owner: Name::from_wire(owner).unwrap_or(Name::ROOT),
            rtype: item.rtype,
            ttl: item.ttl,
            rdata: rest.get(..usize::from(item.rdata_len)).unwrap_or_default(),
            place: Some((file, item.line)),
        }
    }
}

fn hash(name: &Name) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}
