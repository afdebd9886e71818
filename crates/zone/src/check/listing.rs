//! The records of a master file with their lines, in little room, for the checks.

use std::hash::{DefaultHasher, Hash, Hasher};

use cartonym_wire::{Name, Ttl, Type};

use super::Entry;
use crate::master::{MasterError, MasterRecord, Parser};

/// Records in the order in which sets come together. Costs 32 octets a record beside owner and data.
#[derive(Debug, Default)]
pub struct Listing {
    octets: Vec<u8>,
    items: Vec<Item>,
    files: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    /// Of the owner: brings names together without comparing them.
    hash: u64,
    /// Where the owner begins, the data behind it.
    at: usize,
    ttl: Ttl,
    line: u32,
    rtype: Type,
    rdata_len: u16,
    file: u16,
    owner_len: u8,
}

impl Listing {
    /// Reads all records of a file, or the first mistakes in it, at most `most`.
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
        listing.items.sort_unstable_by_key(|item| (item.hash, item.rtype, item.at));
        Ok(listing)
    }

    /// The records, those of one name and type one after the other.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.items.iter().map(|item| self.entry(item))
    }

    fn push(&mut self, record: &MasterRecord<'_>) {
        let mut hasher = DefaultHasher::new();
        record.owner.hash(&mut hasher);
        let file = self.file(record.file);
        self.items.push(Item {
            hash: hasher.finish(),
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
            self.files.push(name.to_owned());
            self.files.len() - 1
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
