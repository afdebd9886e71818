//! A tree as a Corefile: one line per directive, imports and variables already in their place.

use std::fmt;

use crate::{Corefile, Directive, ServerBlock, Word};

/// Reads back as the same tree, but for places, warnings and braces that are left out; two files that mean the same look the same.
///
/// Some values of environment variables cannot be written without the variable, and read back as something else: a
/// backslash before a quote or at the end of a word that needs quotes, and what looks like a further variable.
impl fmt::Display for Corefile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.servers.iter().try_for_each(|server| writeln!(f, "{server}"))
    }
}

impl fmt::Display for ServerBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for key in &self.keys {
            write!(f, "{} ", Written(&key.to_string()))?;
        }
        f.write_str("{\n")?;
        self.directives.iter().try_for_each(|directive| write_directive(f, directive, INDENT))?;
        f.write_str("}")
    }
}

fn write_directive(f: &mut fmt::Formatter<'_>, directive: &Directive, indent: usize) -> fmt::Result {
    write!(f, "{:indent$}{}", "", Written(&directive.name.text))?;
    directive.args.iter().try_for_each(|Word { text, .. }| write!(f, " {}", Written(text)))?;
    if let Some(block) = &directive.block {
        f.write_str(" {\n")?;
        let deeper = indent.saturating_add(INDENT);
        block.iter().try_for_each(|directive| write_directive(f, directive, deeper))?;
        write!(f, "{:indent$}}}", "")?;
    }
    f.write_str("\n")
}

/// Blanks before the lines of a block, more than before the line that it belongs to.
const INDENT: usize = 4;

/// A word, in quotes if it would not read as itself without.
struct Written<'t>(&'t str);

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = *self;
        let special = matches!(text, "" | "{" | "}" | "import") || text.starts_with('"');
        if special || text.contains(|c: char| c == '#' || c.is_whitespace()) {
            write!(f, "\"{}\"", text.replace('"', "\\\""))
        } else {
            f.write_str(text)
        }
    }
}
