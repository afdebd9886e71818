//! Numbers of things, as they are said.

use std::fmt::Display;

/// So many of what is called `one`: `1 record`, `2 records`.
pub(crate) fn counted<N: Display + PartialEq + From<u8>>(count: N, one: &str) -> String {
    let many = if count == N::from(1) { "" } else { "s" };
    format!("{count} {one}{many}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_said_otherwise_than_none_and_many() {
        let said = [0, 1, 2].map(|count| counted(count, "record"));
        assert_eq!(said, ["0 records", "1 record", "2 records"]);
    }
}
