//! What the Domain Name System can hold of the names given.

/// The longest name in text without its last dot: 255 octets on the wire (RFC 1035 §2.3.4).
const MAX_CHARS: usize = 253;
const MAX_LABEL_CHARS: usize = 63;

/// Why a name cannot stand in the DNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing, or more characters than the kind of name has.
    #[error("the name has {0} characters")]
    Length(usize),
    /// Two dots in a row, or a dot at an end.
    #[error("a label is empty")]
    EmptyLabel,
    /// A label of more than 63 octets.
    #[error("a label is longer than 63 octets")]
    LongLabel,
    /// A character that this kind of name may not hold.
    #[error("the character {0:?} is not allowed")]
    Character(char),
    /// A label that begins or ends with what it must not.
    #[error("a label begins or ends with a character not allowed there")]
    LabelEdge,
    /// One label where two are the least.
    #[error("the name has a single label")]
    SingleLabel,
    /// A prefix kept for other uses.
    #[error("the name begins with a reserved prefix")]
    ReservedPrefix,
}

/// Checks that `name`, without a last dot, is one to 253 printable octets in labels of one to 63.
pub(crate) fn check_dns(name: &str) -> Result<(), NameError> {
    check_printable(name, MAX_CHARS)?;
    name.split('.').try_for_each(|label| match label.len() {
        0 => Err(NameError::EmptyLabel),
        1..=MAX_LABEL_CHARS => Ok(()),
        _ => Err(NameError::LongLabel),
    })
}

/// Checks that `name` is the name of a host elsewhere, with or without its last dot.
pub(crate) fn check_target(name: &str) -> Result<(), NameError> {
    check_dns(name.strip_suffix('.').unwrap_or(name))
}

/// Checks that `name` is one to `max` of the printable ASCII characters but space.
pub(crate) fn check_printable(name: &str, max: usize) -> Result<(), NameError> {
    if let Some(other) = name.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(NameError::Character(other));
    }
    if !(1..=max).contains(&name.len()) {
        return Err(NameError::Length(name.len()));
    }
    Ok(())
}

/// The name as it is compared: ASCII letters in lower case (RFC 4343).
pub(crate) fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// Checks that `name` is one for the public DNS: two labels or more of letters, digits and inner hyphens.
pub(crate) fn check_public(name: &str) -> Result<(), NameError> {
    check_dns(name)?;
    if let Some(other) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !"-.".contains(*c)) {
        return Err(NameError::Character(other));
    }
    if name.split('.').any(|label| label.starts_with('-') || label.ends_with('-')) {
        return Err(NameError::LabelEdge);
    }
    if !name.contains('.') {
        return Err(NameError::SingleLabel);
    }
    Ok(())
}

/// Checks that `name` is a service's: labels of letters, digits, inner hyphens and underscores; or `.` alone.
pub(crate) fn check_service(name: &str) -> Result<(), NameError> {
    if name == "." {
        return Ok(());
    }
    if !(1..=127).contains(&name.len()) {
        return Err(NameError::Length(name.len()));
    }
    check_dns(name)?;
    if let Some(other) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !"-_.".contains(*c)) {
        return Err(NameError::Character(other));
    }
    // One character alone is a letter or a digit; of two or more, the first and the last may be underscores.
    let edge_fits = |label: &str| label != "_" && !label.starts_with('-') && !label.ends_with('-');
    if !name.split('.').all(edge_fits) {
        return Err(NameError::LabelEdge);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_name_is_any_printable_text_that_fits_in_labels() {
        for name in ["local", "tutorial", "a_b.c", "*.x", "A.b", &format!("{}.x", "a".repeat(63))] {
            assert_eq!(check_dns(name), Ok(()), "{name}");
        }
        assert_eq!(check_dns(""), Err(NameError::Length(0)));
        assert_eq!(check_dns("a..b"), Err(NameError::EmptyLabel));
        assert_eq!(check_dns("a."), Err(NameError::EmptyLabel));
        assert_eq!(check_dns("."), Err(NameError::EmptyLabel));
        assert_eq!(check_dns("a b"), Err(NameError::Character(' ')));
        assert_eq!(check_dns(&"a".repeat(64)), Err(NameError::LongLabel));
        assert_eq!(check_dns(&["a".repeat(60).as_str(); 5].join(".")), Err(NameError::Length(304)));
    }

    #[test]
    fn a_public_name_is_two_labels_of_letters_digits_and_inner_hyphens() {
        assert_eq!(check_public("a-b.example"), Ok(()));
        assert_eq!(check_public("nodots"), Err(NameError::SingleLabel));
        assert_eq!(check_public("a_b.example"), Err(NameError::Character('_')));
        assert_eq!(check_public("-a.example"), Err(NameError::LabelEdge));
    }

    #[test]
    fn a_service_name_follows_cloud_maps_pattern() {
        for name in ["a", "web", "_http._tcp", "a.b", ".", "__", &"a".repeat(63)] {
            assert_eq!(check_service(name), Ok(()), "{name}");
        }
        for name in ["", "_", "my service", "abc-", "-abc", "a..b", "a.", &"a".repeat(64), "é"] {
            assert!(check_service(name).is_err(), "{name}");
        }
    }
}
