//! What is left of a store that is damaged: its pages are read one by one, whatever leads to them.
//!
//! ```text
//! a leaf:  1  kind, 1 for a leaf
//!          1  nothing
//!          2  number of entries, little-endian
//!          4  end of each key, from the start of the page, little-endian
//!          4  end of each value
//!             the keys, the values
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use cartonym_registry::{Key, Record, Revision};

use crate::OpenError;
use crate::acknowledged::Acknowledged;
use crate::folder::{Folder, at};

/// What could be read of a store.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Salvaged {
    /// The records by their keys, so that parents come first.
    pub records: BTreeMap<Key, Record>,
    /// Where in the file a page begins that has a record's key, and not the record.
    pub broken: Vec<u64>,
    /// The latest revision of any record; the registry's own may have been later.
    pub revision: Revision,
    /// The revision of the last change that was acknowledged, where that is known.
    pub acknowledged: Revision,
}

/// Reads what is whole of the store in `folder`, which stays as it is.
///
/// Of each record it finds the latest state that is in any page. A page that was freed is still there for a while: what was
/// deleted may be back, and where the latest state is lost an earlier one may be found. Which pages count is what a damaged
/// store cannot be asked. A page that is no longer one is passed over, and nobody knows how many records it had; what can be read
/// as a record is not compared with a checksum.
///
/// # Errors
///
/// A folder without a registry, or that another process has open, or a file that cannot be read at all.
pub fn salvage(folder: impl AsRef<Path>) -> Result<Salvaged, OpenError> {
    let folder = Folder::lock_existing(folder.as_ref())?;
    let path = folder.file();
    let octets = fs::read(&path).map_err(at(&path))?;
    let mut latest: BTreeMap<Key, (Revision, Record)> = BTreeMap::new();
    let mut broken = Vec::new();
    for start in (0..octets.len()).step_by(PAGE) {
        // A page of many is one that begins here; its entries say how far it goes.
        let Some(entries) = octets.get(start..).and_then(leaf) else { continue };
        let mut is_broken = false;
        for found in entries.filter_map(|(key, value)| record(key, value)) {
            let Some((revision, record)) = found else {
                is_broken = true;
                continue;
            };
            let key = record.key();
            if latest.get(&key).is_none_or(|(known, _)| *known < revision) {
                latest.insert(key, (revision, record));
            }
        }
        if is_broken {
            broken.push(start as u64);
        }
    }
    let revision = latest.values().map(|(revision, _)| *revision).max().unwrap_or_default();
    let records = latest.into_iter().map(|(key, (_, record))| (key, record)).collect();
    Ok(Salvaged { records, broken, revision, acknowledged: Acknowledged::of(&folder) })
}

/// The keys and values of a leaf, if there is one.
fn leaf(page: &[u8]) -> Option<impl Iterator<Item = (&[u8], &[u8])>> {
    let [LEAF, _, low, high] = *page.first_chunk()? else { return None };
    let count = usize::from(u16::from_le_bytes([low, high]));
    let ends = page.get(4..4 + 8 * count)?;
    let end = move |n: usize| {
        let octets = ends.get(4 * n..)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*octets)).ok()
    };
    let start = move |n: usize| if n == 0 { Some(4 + 8 * count) } else { end(n - 1) };
    // The first value begins where the last key ends: the ends are one list.
    let part = move |n: usize| page.get(start(n)?..end(n)?);
    Some((0..count).filter_map(move |n| Some((part(n)?, part(count + n)?))))
}

/// `None` where the key is not one of a record's; `Some(None)` where it is, and the value cannot be read.
fn record(key: &[u8], value: &[u8]) -> Option<Option<(Revision, Record)>> {
    let key: Key = std::str::from_utf8(key).ok()?.parse().ok()?;
    let read = || {
        let (revision, packed) = value.split_first_chunk()?;
        Some((Revision(u64::from_be_bytes(*revision)), Record::unpack(key, packed).ok()?))
    };
    Some(read())
}

/// The size of the least page; each begins at a multiple of it.
const PAGE: usize = 4096;
const LEAF: u8 = 1;
