//! Where included files come from.

use std::io;
use std::path::Path;

/// Reads the files that `$INCLUDE` names.
pub trait Source {
    /// Gives the name and the text of `path`, as named in the file `from`.
    ///
    /// # Errors
    ///
    /// Why it cannot be read; the parser adds where it was asked for.
    fn read(&self, from: &str, path: &str) -> io::Result<(String, Vec<u8>)>;
}

/// Reads files of the file system; a relative path begins at the folder of the file that includes it.
#[derive(Clone, Copy, Debug)]
pub struct Files;

/// Refuses every `$INCLUDE`, for text that is not from a file.
#[derive(Clone, Copy, Debug)]
pub struct NoIncludes;

impl Source for Files {
    fn read(&self, from: &str, path: &str) -> io::Result<(String, Vec<u8>)> {
        let folder = Path::new(from).parent().unwrap_or(Path::new(""));
        let path = folder.join(path);
        // A device or a pipe might never end.
        if !std::fs::metadata(&path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok((path.display().to_string(), std::fs::read(&path)?))
    }
}

impl Source for NoIncludes {
    fn read(&self, _: &str, _: &str) -> io::Result<(String, Vec<u8>)> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "files cannot be included here"))
    }
}
