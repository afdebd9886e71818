//! The model's regular expressions, by hand.
//!
//! There are eight, and two look ahead, which the regular languages crates of Rust do not; as predicates over
//! bytes they are shorter than a dependency and cannot backtrack.

/// A pattern of the model: its text, which error messages quote, and what it accepts.
pub(crate) struct Pattern {
    pub(crate) text: &'static str,
    accepts: fn(&[u8]) -> bool,
}

impl Pattern {
    pub(crate) fn accepts(&self, text: &str) -> bool {
        (self.accepts)(text.as_bytes())
    }
}

/// The name of an HTTP namespace: printable ASCII that is not an ARN.
pub(crate) const HTTP_NAMESPACE: Pattern = Pattern {
    text: r"^(?!arn:)[!-~]{1,1024}$",
    accepts: |name| graphic(name, 1024) && !name.starts_with(b"arn:"),
};

/// The name of a private DNS namespace: the same, as long as a domain name may be.
pub(crate) const PRIVATE_NAMESPACE: Pattern = Pattern {
    text: r"^(?!arn:)[!-~]{1,253}$",
    accepts: |name| graphic(name, 253) && !name.starts_with(b"arn:"),
};

/// The name of a public DNS namespace: two or more labels of letters, digits and inner hyphens.
pub(crate) const PUBLIC_NAMESPACE: Pattern = Pattern {
    text: r"^([a-zA-Z0-9]([a-zA-Z0-9\-]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z0-9]([a-zA-Z0-9\-]{0,61}[a-zA-Z0-9])?$",
    accepts: |name| name.contains(&b'.') && name.split(|&b| b == b'.').all(host_label),
};

/// A namespace as DiscoverInstances names it.
pub(crate) const NAMESPACE: Pattern =
    Pattern { text: r"^[!-~]{1,1024}$", accepts: |name| graphic(name, 1024) };

/// The name of a service: labels that may hold underscores, or a lone dot.
pub(crate) const SERVICE: Pattern = Pattern {
    text: r"((?=^.{1,127}$)^([a-zA-Z0-9_][a-zA-Z0-9-_]{0,61}[a-zA-Z0-9_]|[a-zA-Z0-9])(\.([a-zA-Z0-9_][a-zA-Z0-9-_]{0,61}[a-zA-Z0-9_]|[a-zA-Z0-9]))*$)|(^\.$)",
    accepts: |name| name == b"." || (name.len() <= 127 && name.split(|&b| b == b'.').all(service_label)),
};

/// The key of an attribute: printable ASCII without a space.
pub(crate) const ATTRIBUTE_KEY: Pattern =
    Pattern { text: r"^[a-zA-Z0-9!-~]+$", accepts: |key| graphic(key, usize::MAX) };

/// The value of an attribute: nothing, or printable ASCII, spaces and tabs that do not begin with one of the two.
pub(crate) const ATTRIBUTE_VALUE: Pattern = Pattern {
    text: r"^([a-zA-Z0-9!-~][ \ta-zA-Z0-9!-~]*){0,1}[a-zA-Z0-9!-~]{0,1}$",
    accepts: |value| match value {
        [] => true,
        [first, rest @ ..] => {
            first.is_ascii_graphic() && rest.iter().all(|b| b.is_ascii_graphic() || matches!(b, b' ' | b'\t'))
        }
    },
};

/// The id of an instance.
pub(crate) const INSTANCE_ID: Pattern = Pattern {
    text: r"^[0-9a-zA-Z_/:.@-]+$",
    accepts: |id| !id.is_empty() && id.iter().all(|b| b.is_ascii_alphanumeric() || b"_/:.@-".contains(b)),
};

/// `[!-~]{1,max}`
fn graphic(text: &[u8], max: usize) -> bool {
    (1..=max).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic)
}

/// `[a-zA-Z0-9]([a-zA-Z0-9\-]{0,61}[a-zA-Z0-9])?`
fn host_label(label: &[u8]) -> bool {
    let [first, .., last] = label else { return matches!(label, [only] if only.is_ascii_alphanumeric()) };
    label.len() <= 63
        && first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && label.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'-')
}

/// `[a-zA-Z0-9_][a-zA-Z0-9-_]{0,61}[a-zA-Z0-9_]|[a-zA-Z0-9]`
fn service_label(label: &[u8]) -> bool {
    let [first, .., last] = label else { return matches!(label, [only] if only.is_ascii_alphanumeric()) };
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    label.len() <= 63 && word(*first) && word(*last) && label.iter().all(|&b| word(b) || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &Pattern, accepted: &[&str], refused: &[&str]) {
        for text in accepted {
            assert!(pattern.accepts(text), "{text:?} is refused by {}", pattern.text);
        }
        for text in refused {
            assert!(!pattern.accepts(text), "{text:?} is accepted by {}", pattern.text);
        }
    }

    #[test]
    fn a_namespace_is_not_named_like_an_arn() {
        check(&HTTP_NAMESPACE, &["a", "arn", "xarn:", &"a".repeat(1024)], &["", "arn:x", "a b", "caf\u{e9}"]);
        check(&HTTP_NAMESPACE, &[], &[&"a".repeat(1025)]);
        check(&PRIVATE_NAMESPACE, &["local", "a_b.c", &"a".repeat(253)], &["", "arn:", &"a".repeat(254)]);
        check(&NAMESPACE, &["arn:aws:x", "~"], &["", "a\u{7f}", "a\n"]);
    }

    #[test]
    fn a_public_namespace_has_two_host_labels_or_more() {
        let longest = format!("{}.example", "a".repeat(63));
        check(&PUBLIC_NAMESPACE, &["example.com", "a.b", "A-b.0", &longest], &[]);
        let too_long = format!("{}.example", "a".repeat(64));
        check(
            &PUBLIC_NAMESPACE,
            &[],
            &["", "nodots", ".", "a.", ".a", "a..b", "a_b.example", "-a.b", "a-.b", &too_long],
        );
    }

    #[test]
    fn a_service_name_is_labels_within_127_octets_or_a_dot() {
        let longest = format!("{}.{}", "a".repeat(63), "b".repeat(63));
        check(&SERVICE, &["web", "_http._tcp", "a", "a_", "__", ".", "a.b.c", "a-b", &longest], &[]);
        let too_long = format!("{longest}.c");
        check(
            &SERVICE,
            &[],
            &["", "_", "a.", ".a", "..", "a..b", "abc-", "-abc", "a b", &"a".repeat(64), &too_long],
        );
    }

    #[test]
    fn attributes_are_printable() {
        check(&ATTRIBUTE_KEY, &["k", "p!~/:.@-_+="], &["", "a b", "a\t"]);
        check(
            &ATTRIBUTE_VALUE,
            &["", "v", "two words\tand a tab", "trailing "],
            &[" v", "\tv", "a\nb", "caf\u{e9}"],
        );
        check(&INSTANCE_ID, &["i-1", "a_b/c:d.e@f"], &["", "a b", "a,b"]);
    }
}
