//! Signatures that were made before.

use std::sync::Arc;

use parking_lot::Mutex;

/// What a signature is of: the digest of all that is signed but its times.
pub(crate) type Digest = [u8; 32];

/// RDATA of the RRSIG records of one set, one for each key that signs it.
pub(crate) type Signatures = Arc<[Vec<u8>]>;

/// So many signatures, in parts that are locked one by one.
#[derive(Debug)]
pub(crate) struct Store {
    // A lock for each: held to look at a few digests, by one of the few workers there are; never while signing.
    parts: Box<[Mutex<Vec<Entry>>]>,
    /// How many entries a part has room for.
    room: usize,
}

#[derive(Debug)]
struct Entry {
    digest: Digest,
    signatures: Signatures,
    /// Until when they are used, in seconds since the Unix epoch.
    until: u64,
}

/// Entries that are looked at for one.
const PART: usize = 32;

impl Store {
    pub(crate) fn new(capacity: usize) -> Store {
        let room = capacity.clamp(1, PART);
        Store { parts: (0..(capacity / room).max(1)).map(|_| Mutex::default()).collect(), room }
    }

    /// The signatures of what has this digest, if they are there and not too old.
    pub(crate) fn get(&self, digest: &Digest, now: u64) -> Option<Signatures> {
        let mut part = self.part(digest).lock();
        let at = part.iter().position(|entry| entry.digest == *digest)?;
        if part[at].until <= now {
            part.swap_remove(at);
            return None;
        }
        let signatures = part[at].signatures.clone();
        // One place forward each time: what is asked for often is far from the end, where room is made.
        part.swap(at, at.saturating_sub(1));
        Some(signatures)
    }

    /// Keeps signatures; the last of a part that is full makes room, so that names which are asked for once drive out each
    /// other, and not what is popular.
    pub(crate) fn put(&self, digest: Digest, signatures: Signatures, until: u64) {
        let mut part = self.part(&digest).lock();
        if part.len() >= self.room {
            part.pop();
        }
        part.push(Entry { digest, signatures, until });
    }

    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.lock().len()).sum()
    }

    fn part(&self, digest: &Digest) -> &Mutex<Vec<Entry>> {
        let [a, b, c, d, ..] = *digest;
        &self.parts[u32::from_be_bytes([a, b, c, d]) as usize % self.parts.len()]
    }
}
