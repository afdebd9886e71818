//! Files and environment that a test makes up.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::Source;

/// A world of its own: what was put in is all there is.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    files: BTreeMap<PathBuf, String>,
    variables: BTreeMap<String, String>,
}

impl Memory {
    /// A world without files and variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a file there; its folders exist from now on.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }
}

impl Source for Memory {
    fn read(&self, path: &Path) -> io::Result<String> {
        if let Some(text) = self.files.get(path) {
            return Ok(text.clone());
        }
        match self.files.keys().any(|file| file.starts_with(path)) {
            true => Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory")),
            false => Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let first_below = |file: &PathBuf| {
            let below = file.strip_prefix(folder).ok()?;
            Some(below.components().next()?.as_os_str().to_string_lossy().into_owned())
        };
        let names: BTreeSet<_> = self.files.keys().filter_map(first_below).collect();
        Ok(names.into_iter().collect())
    }

    fn env(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
}
