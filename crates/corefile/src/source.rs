//! What a Corefile may ask of the world around it.

use std::io;
use std::path::Path;

/// Where imported files and environment variables come from.
///
/// The parser itself does no IO: [`Filesystem`](crate::Filesystem) asks the operating system,
/// [`Memory`](crate::Memory) answers tests and fuzzers.
pub trait Source {
    /// Reads a whole file. A relative path is relative to where the first file's name is.
    ///
    /// # Errors
    ///
    /// Of kind [`io::ErrorKind::NotFound`] if there is no such file; anything else if it cannot be read.
    fn read(&self, path: &Path) -> io::Result<String>;

    /// The names of what is in a folder, in any order; the empty path is the current folder.
    ///
    /// # Errors
    ///
    /// Taken as an empty folder: a pattern matches nothing there.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// The value of an environment variable, if it is set.
    fn env(&self, name: &str) -> Option<String>;
}
