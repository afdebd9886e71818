//! What is made beside its place, and takes it when it is whole: a half of it is never taken for the whole.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::failure::Failure;

/// A file or folder in the making, `TO.unfinished`. It is removed where it is not finished.
pub(crate) struct Unfinished {
    path: PathBuf,
    to: PathBuf,
}

impl Unfinished {
    /// A folder that is to be `to`, which must not be there.
    pub(crate) fn folder(to: &Path) -> Result<Unfinished> {
        if to.exists() {
            return Err(Failure::Records(format!("{} is there already", to.display())));
        }
        let (path, to) = paths(to);
        fs::create_dir(&path).map_err(|error| taken(&path, error))?;
        Ok(Unfinished { path, to })
    }

    /// A file that is to be `to`, or to take its place; and where to write it.
    pub(crate) fn file(to: &Path) -> Result<(Unfinished, File)> {
        // Where a link leads is what is replaced.
        let (path, to) = paths(&fs::canonicalize(to).unwrap_or_else(|_| to.to_owned()));
        let file = File::create_new(&path).map_err(|error| taken(&path, error))?;
        let unfinished = Unfinished { path, to };
        // Who could not read what is replaced is not to read what replaces it.
        if let Ok(replaced) = fs::metadata(&unfinished.to) {
            let done = file.set_permissions(replaced.permissions());
            done.map_err(|error| at(&unfinished.path, error))?;
        }
        Ok((unfinished, file))
    }

    /// Where it is made.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name. What is in it is on the disk.
    pub(crate) fn finish(self) -> Result<()> {
        let parent = self.to.parent().filter(|parent| !parent.as_os_str().is_empty());
        let named = fs::rename(&self.path, &self.to)
            .and_then(|()| File::open(parent.unwrap_or(Path::new(".")))?.sync_all());
        named.map_err(|error| at(&self.to, error))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // What is finished is not there any more; what cannot be removed has the name of what it is.
        _ = if self.path.is_dir() { fs::remove_dir_all(&self.path) } else { fs::remove_file(&self.path) };
    }
}

/// Where `to` is made, and `to` without slashes at its end.
fn paths(to: &Path) -> (PathBuf, PathBuf) {
    let to: PathBuf = to.components().collect();
    let mut path = to.clone().into_os_string();
    path.push(OsStr::new(".unfinished"));
    (path.into(), to)
}

fn taken(path: &Path, error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::Records(format!(
            "{} is there: another makes it now, or was stopped before the end; remove it then",
            path.display()
        )),
        _ => at(path, error),
    }
}

/// Says where an error was met.
pub(crate) fn at(path: &Path, error: io::Error) -> Failure {
    Failure::File { path: path.display().to_string(), error }
}
