//! The operating system's files and environment.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::Source;

/// Reads imports from disk and variables from the process's environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filesystem;

impl Source for Filesystem {
    fn read(&self, path: &Path) -> io::Result<String> {
        let mut text = String::new();
        File::open(path)?.take(MAX_FILE_OCTETS + 1).read_to_string(&mut text)?;
        if text.len() as u64 > MAX_FILE_OCTETS {
            return Err(io::Error::other(format!("more than {MAX_FILE_OCTETS} octets")));
        }
        Ok(text)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            // A name that is not UTF-8 cannot be written in a Corefile, and matches no pattern in one.
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn env(&self, name: &str) -> Option<String> {
        // `var_os` panics for a name with `=` or NUL on some platforms.
        if name.is_empty() || name.contains(['=', '\0']) {
            return None;
        }
        std::env::var(name).ok()
    }
}

/// Ends the reading of `/dev/zero`; no Corefile comes near it.
const MAX_FILE_OCTETS: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_files_of_this_crate_are_found() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(Filesystem.list(folder).unwrap().contains(&"Cargo.toml".to_owned()));
        assert!(Filesystem.read(&folder.join("Cargo.toml")).unwrap().contains("cartonym-corefile"));
    }

    #[test]
    fn a_folder_and_a_missing_file_cannot_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(Filesystem.read(folder).is_err());
        assert_eq!(Filesystem.read(&folder.join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_variable_is_read_and_an_impossible_name_is_not_set() {
        assert_eq!(Filesystem.env("CARGO_MANIFEST_DIR").as_deref(), Some(env!("CARGO_MANIFEST_DIR")));
        assert_eq!(Filesystem.env("A=B"), None);
        assert_eq!(Filesystem.env(""), None);
    }
}
