//! A folder of master files: which zones they are of, and which have changed.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use cartonym_plugin::aside;
use cartonym_wire::{Name, NameBuf};
use cartonym_zone::{RecordTable, Zone, load};
use parking_lot::Mutex;
use regex::{Captures, Regex};

/// A folder, and what has been read of it.
#[derive(Debug)]
pub(crate) struct Folder {
    /// Its place among those of its shelf.
    number: usize,
    path: PathBuf,
    naming: Naming,
    /// Zones that are none of these, nor below one, are not served.
    zones: Vec<NameBuf>,
    /// How often the folder is looked at; once if zero.
    reload: Duration,
    shelf: Arc<Shelf>,
    /// Whether the folder could be read at all.
    is_read: AtomicBool,
}

/// What the folders of a block put their zones on.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) table: Arc<RecordTable>,
    /// What is served, by origin. Held while a folder is looked at, by one thread at a time; no query comes here.
    served: Mutex<HashMap<NameBuf, Served>>,
}

/// A zone that is served: from this file of the folder of this number.
#[derive(Debug)]
struct Served {
    folder: usize,
    file: File,
}

/// From a file's name to its zone's.
#[derive(Debug)]
pub(crate) struct Naming {
    pattern: Regex,
    template: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Group(usize),
}

/// A file as it was before it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
struct File {
    path: PathBuf,
    changed: Option<SystemTime>,
    len: u64,
}

/// What a look has found.
#[derive(Default)]
struct News {
    new: Vec<Arc<Zone>>,
    gone: Vec<NameBuf>,
}

impl Folder {
    pub(crate) fn new(
        number: usize,
        path: PathBuf,
        naming: Naming,
        zones: Vec<NameBuf>,
        reload: Duration,
        shelf: Arc<Shelf>,
    ) -> Folder {
        Folder { number, path, naming, zones, reload, shelf, is_read: AtomicBool::new(false) }
    }

    pub(crate) fn is_read(&self) -> bool {
        self.is_read.load(Ordering::Relaxed)
    }

    /// Looks at the folder again and again.
    pub(crate) async fn watch(self: Arc<Self>) {
        while !self.reload.is_zero() {
            tokio::time::sleep(self.reload).await;
            let folder = Arc::clone(&self);
            let _ = tokio::task::spawn_blocking(move || folder.look_aside()).await;
        }
    }

    /// Reads files that are new or have changed, and forgets zones whose file is gone: one change of the table.
    ///
    /// Costs a look at each file's time, and no reading of those that are as they were. A file with a mistake is read
    /// again each time; what was served for it goes on.
    pub(crate) fn look(&self) {
        let mut served = self.shelf.served.lock();
        let news = self.read_all(&mut served);
        self.publish(news);
    }

    /// The same, and threads that give way to those who answer read.
    fn look_aside(&self) {
        let mut guard = self.shelf.served.lock();
        let served = &mut *guard;
        let news = aside(|| self.read_all(served));
        self.publish(news);
    }

    /// Reads what is new or has changed.
    fn read_all(&self, served: &mut HashMap<NameBuf, Served>) -> News {
        let found = match self.find() {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(folder = %self.path.display(), %error, "not read; what was served goes on");
                return News::default();
            }
        };
        self.is_read.store(true, Ordering::Relaxed);
        let is_gone =
            |(origin, from): &(&NameBuf, &Served)| from.folder == self.number && !found.contains_key(*origin);
        let gone: Vec<_> = served.iter().filter(is_gone).map(|(origin, _)| *origin).collect();
        gone.iter().for_each(|origin| drop(served.remove(origin)));
        let mut new = Vec::new();
        for (origin, file) in found {
            let before = served.get(&origin);
            if let Some(other) = before.filter(|before| before.folder != self.number) {
                let (first, path) = (other.file.path.display(), file.path.display());
                tracing::debug!(zone = %origin, %first, %path, "two files for one zone; the first counts");
                continue;
            }
            let before = before.map(|before| &before.file);
            if before != Some(&file)
                && let Some(zone) = self.read(&origin, &file, before)
            {
                new.extend(zone);
                served.insert(origin, Served { folder: self.number, file });
            }
        }
        News { new, gone }
    }

    fn publish(&self, News { new, gone }: News) {
        if gone.is_empty() && new.is_empty() {
            return;
        }
        tracing::info!(folder = %self.path.display(), read = new.len(), gone = gone.len(), "zones");
        self.shelf.table.change(|snapshot| {
            let snapshot = gone.iter().fold(snapshot, |snapshot, origin| snapshot.without(origin));
            new.into_iter().fold(snapshot, |snapshot, zone| snapshot.with(zone))
        });
    }

    /// The zone of a file, unless that version of it is served already; nothing where the file is wrong.
    fn read(&self, origin: &Name, file: &File, before: Option<&File>) -> Option<Option<Arc<Zone>>> {
        match load(&file.path, origin, self.shelf.table.hasher()) {
            Ok((zone, report)) => {
                for finding in &report.findings {
                    tracing::warn!(zone = %origin, "{finding}");
                }
                let snapshot = self.shelf.table.load();
                let serial = snapshot.zone(origin).and_then(|served| served.soa()).map(|(_, serial)| serial);
                let is_other = before.is_none_or(|before| before.path != file.path);
                let is_new = is_other || serial != zone.soa().map(|(_, serial)| serial);
                Some(is_new.then(|| Arc::new(zone)))
            }
            Err(error) => {
                tracing::error!(zone = %origin, %error, "not read; what was served goes on");
                None
            }
        }
    }

    /// The files by their zones; of several for one zone the first in the order of names.
    fn find(&self) -> io::Result<HashMap<NameBuf, File>> {
        let mut found = HashMap::new();
        self.walk(&self.path, &mut found)?;
        Ok(found)
    }

    fn walk(&self, folder: &Path, found: &mut HashMap<NameBuf, File>) -> io::Result<()> {
        let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_unstable_by_key(fs::DirEntry::file_name);
        for entry in entries {
            // A folder behind a link may be one above: links lead to files only.
            if entry.file_type()?.is_dir() {
                self.walk(&entry.path(), found)?;
                continue;
            }
            let name = entry.file_name();
            let Some(origin) = name.to_str().and_then(|name| self.naming.origin(name)) else { continue };
            if !self.zones.iter().any(|zone| origin.is_within(zone)) {
                continue;
            }
            let path = entry.path();
            // A file may be gone by now.
            let Some(metadata) = fs::metadata(&path).ok().filter(Metadata::is_file) else { continue };
            if let Some(first) = found.get(&origin) {
                let (first, path) = (first.path.display(), path.display());
                tracing::warn!(zone = %origin, %first, %path, "two files for one zone; the first counts");
                continue;
            }
            found.insert(origin, File { path, changed: metadata.modified().ok(), len: metadata.len() });
        }
        Ok(())
    }
}

impl Shelf {
    pub(crate) fn new(table: Arc<RecordTable>) -> Shelf {
        Shelf { table, served: Mutex::default() }
    }
}

impl Naming {
    /// Names the zone of a file as `template` says, in which `{1}` stands for the first group of `pattern`.
    ///
    /// # Errors
    ///
    /// The number of a group that `pattern` has not.
    pub(crate) fn new(pattern: Regex, template: &str) -> Result<Naming, usize> {
        let (mut pieces, mut rest) = (Vec::new(), template);
        while let Some((before, number, after)) = group(rest) {
            if number >= pattern.captures_len() {
                return Err(number);
            }
            pieces.extend([Piece::Text(before.to_owned()), Piece::Group(number)]);
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Naming { pattern, template: pieces })
    }

    /// The zone of a file of this name, in lower case; none if the name is not meant.
    fn origin(&self, file: &str) -> Option<NameBuf> {
        let captures = self.pattern.captures(file)?;
        let piece = |piece: &Piece| self::piece(piece, &captures);
        let name: String = self.template.iter().map(piece).collect();
        let name: NameBuf = name.parse().ok()?;
        Some(name.to_lowercase())
    }
}

fn piece(piece: &Piece, captures: &Captures<'_>) -> String {
    match piece {
        Piece::Text(text) => text.clone(),
        Piece::Group(number) => captures.get(*number).map_or_else(String::new, |m| m.as_str().to_owned()),
    }
}

/// The first `{NUMBER}` in a template, and what is around it.
fn group(template: &str) -> Option<(&str, usize, &str)> {
    for (at, _) in template.match_indices('{') {
        let (before, rest) = template.split_at(at);
        let found = rest.get(1..).and_then(|rest| rest.split_once('}'));
        if let Some((number, after)) = found
            && let Ok(number) = number.parse()
        {
            return Some((before, number, after));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_of_the_zone_that_the_template_says() {
        let table = [
            (r"db\.(.*)", "{1}", "db.example.org", "example.org."),
            (r"db\.(.*)", "{1}", "db.Example.ORG.", "example.org."),
            (r"db\.(.*)", "{1}", "old-db.example.org", "example.org."),
            (r"db\.(.*)", "{1}", "example.org.db", "-"),
            (r"(.*)\.zone$", "{1}", "example.org.zone", "example.org."),
            (r"^(.+)_(.+)$", "{2}.{1}.example", "a_b", "b.a.example."),
            (r"^(.+)$", "{1}{1}", "ab", "abab."),
            (r"^(.+)$", "x{1", "ab", "x{1."),
            (r"db\.(.*)", "{1}", "db.a..b", "-"),
        ];
        for (pattern, template, file, origin) in table {
            let naming = Naming::new(Regex::new(pattern).unwrap(), template).unwrap();
            let named = naming.origin(file).map_or("-".to_owned(), |origin| origin.to_string());
            assert_eq!(named, origin, "{pattern} {template} {file}");
        }
        assert_eq!(Naming::new(Regex::new("a(b)").unwrap(), "{1}{2}").unwrap_err(), 2);
    }
}
