//! What is different when a file has changed.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use cartonym_registry::Timestamp;

/// A file as the system knows it, whatever links lead to it: one that is replaced, or that a link leads to instead, is
/// another. All zero where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    len_octets: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// That of a file that is left alone: it has not changed for `pause`, as far as is known, or else between two looks so
    /// far from each other. Whom it is never left alone by does not hold up a start for ever.
    pub(crate) fn at_rest(path: &Path, pause: Duration) -> Stamp {
        let mut last = Stamp::of(path);
        let changed = Duration::new(last.changed.0.unsigned_abs(), last.changed.1.unsigned_abs() as u32);
        if Duration::from_millis(Timestamp::now().as_millis()).saturating_sub(changed) > pause {
            return last;
        }
        for _ in 0..LOOKS {
            std::thread::sleep(pause);
            let now = Stamp::of(path);
            if now == last {
                break;
            }
            last = now;
        }
        last
    }

    pub(crate) fn of(path: &Path) -> Stamp {
        let Ok(file) = std::fs::metadata(path) else { return Stamp::default() };
        Stamp {
            device: file.dev(),
            inode: file.ino(),
            len_octets: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

/// How often a file that goes on changing is looked at before it is read all the same.
const LOOKS: usize = 10;
