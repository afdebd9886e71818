//! The files that an import's pattern names.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::{Error, Source, Word};

/// Whether a pattern may name several files, or none.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Reads what `pattern` names, in the order of the names; relative paths start beside the file of the word itself.
///
/// A pattern may match nothing; a plain name must be there.
pub(crate) fn files(pattern: &Word, source: &dyn Source) -> Result<Vec<(PathBuf, String)>, Error> {
    let text = &pattern.text;
    let count = |c: char| text.matches(c).count();
    if count('*') > 1 || count('?') > 1 || (count('[') > 0 && count(']') > 0) {
        return Err(pattern
            .error(format!("the pattern `{pattern}` has more than one wildcard"))
            .help("a pattern may hold one `*` and one `?`, and no `[...]`"));
    }
    let last_is_wild = text.rsplit('/').next().is_some_and(is_pattern);
    let mut files = Vec::new();
    for path in matches(pattern, source) {
        match source.read(&path) {
            Ok(text) => files.push((path, text)),
            // `*/zones.conf` names what is there; a folder without it is none of its matches.
            Err(error) if is_pattern(text) && !last_is_wild && is_absent(&error) => {}
            Err(error) if is_absent(&error) => {
                return Err(pattern.error(format!("file to import not found: `{pattern}`")));
            }
            Err(error) => {
                return Err(pattern.error(format!("cannot import `{}`: {error}", path.display())));
            }
        }
    }
    Ok(files)
}

/// Walks down the pattern, folder by folder.
fn matches(pattern: &Word, source: &dyn Source) -> Vec<PathBuf> {
    let folder = Path::new(&*pattern.position.file).parent().unwrap_or(Path::new(""));
    let mut paths = vec![folder.to_path_buf()];
    for component in Path::new(&pattern.text).components() {
        match component {
            Component::CurDir => {}
            Component::Normal(name) if name.to_str().is_some_and(is_pattern) => {
                let pattern = name.to_string_lossy();
                paths = paths.iter().flat_map(|folder| entries(folder, &pattern, source)).collect();
            }
            // An absolute path starts anew: pushing `/` replaces what was there.
            component => paths.iter_mut().for_each(|path| path.push(component)),
        }
    }
    paths
}

fn entries(folder: &Path, pattern: &str, source: &dyn Source) -> Vec<PathBuf> {
    let mut names = source.list(folder).unwrap_or_default();
    names.retain(|name| glob(pattern, name));
    names.sort_unstable();
    names.into_iter().map(|name| folder.join(name)).collect()
}

/// Whether `name` fits `pattern`: `*` stands for any characters, `?` for one. A leading dot is like any other.
fn glob(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        // There is one `*` at most, so that trying each place for it costs little.
        Some('*') => {
            let rest = rest.as_str();
            name.char_indices().any(|(at, _)| glob(rest, name.get(at..).unwrap_or_default()))
                || glob(rest, "")
        }
        Some(p) => {
            let mut chars = name.chars();
            chars.next().is_some_and(|c| p == '?' || p == c) && glob(rest.as_str(), chars.as_str())
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_characters_and_a_question_mark_is_one() {
        let table = [
            ("*", "", true),
            ("*", ".hidden", true),
            ("*.conf", "a.conf", true),
            ("*.conf", ".conf", true),
            ("*.conf", "a.conf~", false),
            ("a*", "a", true),
            ("a*z", "abcz", true),
            ("a*z", "az", true),
            ("a*z", "a", false),
            ("?", "é", true),
            ("?", "", false),
            ("a?c*", "abcdef", true),
            ("*?", "x", true),
            ("*?", "", false),
        ];
        for (pattern, name, fits) in table {
            assert_eq!(glob(pattern, name), fits, "{pattern} {name}");
        }
    }
}
