//! A file that stays as it is until it is known to be good.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use redb::backends::FileBackend;

/// A store's file. What is written to it is held in memory until [`Held::release`].
///
/// To open a store is to verify and to repair it, which writes. A file that is then refused, because it is damaged or
/// another version's, must not have been touched.
#[derive(Debug, Clone)]
pub(crate) struct Held(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: FileBackend,
    released: AtomicBool,
    /// Guards what is written while the store is opened, by one thread.
    overlay: Mutex<Overlay>,
}

/// What the file is to be.
#[derive(Debug)]
struct Overlay {
    len: u64,
    /// How much of the file counts; at most `len`. What is between them and not in `blocks` is zero.
    kept: u64,
    /// What differs from the file, in blocks, by their number; zero after `len`.
    blocks: BTreeMap<u64, Box<[u8; BLOCK]>>,
}

const BLOCK: usize = 4096;

impl Held {
    pub(crate) fn new(file: FileBackend) -> io::Result<Self> {
        let len = file.len()?;
        let overlay = Mutex::new(Overlay { len, kept: len, blocks: BTreeMap::new() });
        Ok(Self(Arc::new(Inner { file, released: AtomicBool::new(false), overlay })))
    }

    /// Writes what was held, and holds no more.
    ///
    /// The first block comes last, after the others are on the disk: it says which of them count.
    pub(crate) fn release(&self) -> io::Result<()> {
        let Some(mut overlay) = self.overlay() else { return Ok(()) };
        let file = &self.0.file;
        if overlay.kept < file.len()? {
            file.set_len(overlay.kept)?;
        }
        if overlay.len != file.len()? {
            file.set_len(overlay.len)?;
        }
        let blocks = std::mem::take(&mut overlay.blocks);
        let write = |number: u64, block: &[u8; BLOCK]| {
            let (start, within) = within(number, overlay.len);
            file.write(start, &block[..within])
        };
        for (number, block) in blocks.range(1..) {
            write(*number, block)?;
        }
        file.sync_data()?;
        if let Some(block) = blocks.get(&0) {
            write(0, block)?;
            file.sync_data()?;
        }
        self.0.released.store(true, Ordering::Release);
        Ok(())
    }

    /// What is held, while it is.
    fn overlay(&self) -> Option<MutexGuard<'_, Overlay>> {
        // A panic of the thread that opens is caught, and what it has written is thrown away.
        let held = !self.0.released.load(Ordering::Acquire);
        held.then(|| self.0.overlay.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl StorageBackend for Held {
    fn len(&self) -> io::Result<u64> {
        self.overlay().map_or_else(|| self.0.file.len(), |overlay| Ok(overlay.len))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.overlay() {
            Some(overlay) => overlay.read(&self.0.file, offset, out),
            None => self.0.file.read(offset, out),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        match self.overlay() {
            Some(mut overlay) => overlay.set_len(len),
            None => return self.0.file.set_len(len),
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.overlay() {
            Some(_) => Ok(()),
            None => self.0.file.sync_data(),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match self.overlay() {
            Some(mut overlay) => overlay.write(&self.0.file, offset, data),
            None => self.0.file.write(offset, data),
        }
    }

    fn close(&self) -> io::Result<()> {
        self.0.file.close()
    }
}

impl Overlay {
    fn read(&self, file: &FileBackend, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(out.len() as u64).filter(|end| *end <= self.len);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let from_file =
            usize::try_from(self.kept.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        let (kept, beyond) = out.split_at_mut(from_file);
        if !kept.is_empty() {
            file.read(offset, kept)?;
        }
        beyond.fill(0);
        for (number, block) in self.blocks.range(offset / BLOCK as u64..end.div_ceil(BLOCK as u64)) {
            let (in_out, in_block) = overlap(offset, out.len(), *number);
            out[in_out].copy_from_slice(&block[in_block]);
        }
        Ok(())
    }

    fn write(&mut self, file: &FileBackend, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset + data.len() as u64;
        self.len = self.len.max(end);
        for number in offset / BLOCK as u64..end.div_ceil(BLOCK as u64) {
            if !self.blocks.contains_key(&number) {
                let mut block = Box::new([0; BLOCK]);
                let (start, within) = within(number, self.len);
                self.read(file, start, &mut block[..within])?;
                self.blocks.insert(number, block);
            }
            let (in_data, in_block) = overlap(offset, data.len(), number);
            if let Some(block) = self.blocks.get_mut(&number) {
                block[in_block].copy_from_slice(&data[in_data]);
            }
        }
        Ok(())
    }

    fn set_len(&mut self, len: u64) {
        self.len = len;
        self.kept = self.kept.min(len);
        self.blocks.retain(|number, _| *number < len.div_ceil(BLOCK as u64));
        if let Some(block) = self.blocks.get_mut(&(len / BLOCK as u64)) {
            block[(len % BLOCK as u64) as usize..].fill(0);
        }
    }
}

/// Where a block begins, and how much of it is in a file of `len` octets.
fn within(number: u64, len: u64) -> (u64, usize) {
    let start = number * BLOCK as u64;
    (start, usize::try_from(len.saturating_sub(start)).unwrap_or(BLOCK).min(BLOCK))
}

/// What a range of `len` octets at `offset` shares with a block: as a part of the range, and of the block.
fn overlap(offset: u64, len: usize, number: u64) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let block = number * BLOCK as u64;
    let start = offset.max(block);
    let end = (offset + len as u64).min(block + BLOCK as u64);
    let relative = |base: u64| (start - base) as usize..(end - base) as usize;
    (relative(offset), relative(block))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn file(path: &std::path::Path) -> FileBackend {
        let options = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        FileBackend::new(options.unwrap()).unwrap()
    }

    #[derive(Debug, Clone)]
    enum Step {
        Write(u64, Vec<u8>),
        SetLen(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let write = (0..20_000u64, prop::collection::vec(any::<u8>(), 1..9000));
        let step = prop_oneof![
            3 => write.prop_map(|(offset, data)| Step::Write(offset, data)),
            1 => (0..30_000u64).prop_map(Step::SetLen),
        ];
        prop::collection::vec(step, 0..20)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_held_file_reads_as_written_and_changes_when_released(first in prop::collection::vec(any::<u8>(), 0..20_000), steps in steps()) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("f");
            fs::write(&path, &first).unwrap();
            let (held, mut naive) = (Held::new(file(&path)).unwrap(), first.clone());
            for step in steps {
                match step {
                    Step::Write(offset, data) => {
                        let end = offset as usize + data.len();
                        naive.resize(naive.len().max(end), 0);
                        naive[offset as usize..end].copy_from_slice(&data);
                        held.write(offset, &data).unwrap();
                    }
                    Step::SetLen(len) => {
                        naive.resize(len as usize, 0);
                        held.set_len(len).unwrap();
                    }
                }
            }
            let mut read = vec![1; naive.len()];
            held.read(0, &mut read).unwrap();
            prop_assert_eq!(held.len().unwrap(), naive.len() as u64);
            prop_assert!(read == naive);
            prop_assert!(held.read(naive.len() as u64, &mut [0]).is_err());
            prop_assert!(fs::read(&path).unwrap() == first);
            held.release().unwrap();
            prop_assert!(fs::read(&path).unwrap() == naive);
        }
    }
}
