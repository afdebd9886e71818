//! A registry as it was last seen, in a file: what DNS answers when the backend is away at a start.
//!
//! It has the form of an export with revisions. A file is written beside the one before and takes its place when it is whole.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::dump::{Everything, Import};
use crate::model::Model;
use crate::publisher::Published;

/// Where a registry is kept in case its backend is away at the next start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSeen {
    /// The file.
    pub path: PathBuf,
    /// Whose registry it is, in words that are the same at each start: the file says so, and one of another is not served
    /// while the backend is away.
    pub source: String,
    /// Whether an empty backend may take the place of a registry that was not: after a mistake of its operators, it is
    /// the backend that is wrong.
    pub allow_empty: bool,
}

/// Writes the file anew.
pub(crate) fn write(LastSeen { path, source, .. }: &LastSeen, everything: Everything) -> io::Result<()> {
    // Two registries over one store write the same file for a moment, while one takes over from the other.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let mut unfinished = path.clone().into_os_string();
    unfinished.push(format!(".unfinished-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    let unfinished = PathBuf::from(unfinished);
    let file = File::create(&unfinished)?;
    let written = write_all(file, everything, source).and_then(|()| fs::rename(&unfinished, path));
    // A disk that is full is not to be filled further, try by try.
    written.inspect_err(|_| _ = fs::remove_file(&unfinished))
}

fn write_all(file: File, everything: Everything, source: &str) -> io::Result<()> {
    let mut file = BufWriter::new(file);
    for line in everything.with_revisions(source) {
        file.write_all(line.as_bytes())?;
    }
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// Reads a file that was written whole; `None` where there is none, or where it is of another `source` than this one.
pub(crate) fn read(path: &Path, source: Option<&str>) -> io::Result<Option<Model>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let (mut model, mut import) = (Model::default(), Import::default());
    for line in BufReader::new(file).lines() {
        model.load(import.line(&line?).map_err(io::Error::other)?.into_iter().collect());
        // The first line says it.
        if source.is_some() && import.source() != source {
            let (path, of) = (path.display(), import.source());
            tracing::warn!(%path, of, source, "not read: the registry that was last seen is another");
            return Ok(None);
        }
    }
    model.loaded(import.finish().map_err(io::Error::other)?.unwrap_or_default());
    Ok(Some(model))
}

/// Writes the file whenever something has changed, until the registry is gone.
pub(crate) async fn keep(last_seen: LastSeen, published: Weak<Published>) {
    let mut written = None;
    let mut pause = PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        let Some(published) = published.upgrade() else { return };
        let revision = *published.revision.borrow();
        if written == Some(revision) || published.is_away() {
            continue;
        }
        let everything = Everything::of(&published.model.read());
        drop(published);
        // A large registry is written seldom.
        pause = PAUSE + PAUSE * u32::try_from(everything.len() / RECORDS_A_PAUSE).unwrap_or(u32::MAX);
        let kept = last_seen.clone();
        match tokio::task::spawn_blocking(move || write(&kept, everything)).await {
            Ok(Ok(())) => written = Some(revision),
            Ok(Err(error)) => {
                let path = last_seen.path.display();
                tracing::warn!(%path, %error, "the registry as it was last seen is not written");
            }
            Err(_) => return,
        }
    }
}

/// The wait between two looks at whether something has changed.
const PAUSE: Duration = Duration::from_secs(1);
/// For so many records, the wait grows by another pause.
const RECORDS_A_PAUSE: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;

    async fn model() -> Everything {
        let registry = Registry::in_memory();
        for n in 0..20u8 {
            let name = format!("svc-{}.svc.example", n % 3);
            registry.register(&name, &format!("i{n}"), ([192, 0, 2, n], 80).into()).await.unwrap();
        }
        Everything::of(&registry.model())
    }

    fn kept_in(folder: &Path) -> LastSeen {
        LastSeen { path: folder.join("seen"), source: "here".into(), allow_empty: false }
    }

    #[tokio::test]
    async fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let last_seen = kept_in(folder.path());
        assert!(read(&last_seen.path, None).unwrap().is_none());
        let everything = model().await;
        let (revision, len) = (everything.revision, everything.len());
        write(&last_seen, everything).unwrap();
        let read = read(&last_seen.path, Some("here")).unwrap().unwrap();
        assert_eq!((read.revision(), read.instance_count(), read.services().len()), (revision, 20, 3));
        assert_eq!(Everything::of(&read).len(), len);
    }

    #[tokio::test]
    async fn a_file_of_another_source_or_of_none_is_read_only_where_that_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let last_seen = kept_in(folder.path());
        write(&last_seen, model().await).unwrap();
        assert!(read(&last_seen.path, Some("there")).unwrap().is_none());
        assert!(read(&last_seen.path, None).unwrap().is_some());
        let text = fs::read_to_string(&last_seen.path).unwrap();
        let (with, without) = (r#","source":"here""#, "");
        assert!(text.contains(with));
        fs::write(&last_seen.path, text.replacen(with, without, 1)).unwrap();
        assert!(read(&last_seen.path, Some("here")).unwrap().is_none());
        assert!(read(&last_seen.path, None).unwrap().is_some());
    }

    #[tokio::test]
    async fn a_file_that_is_cut_short_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let last_seen = kept_in(folder.path());
        write(&last_seen, model().await).unwrap();
        let whole = fs::read(&last_seen.path).unwrap();
        for len in (0..whole.len() - 1).step_by(97) {
            fs::write(&last_seen.path, &whole[..len]).unwrap();
            assert!(read(&last_seen.path, Some("here")).is_err(), "{len} of {} octets", whole.len());
        }
    }
}
