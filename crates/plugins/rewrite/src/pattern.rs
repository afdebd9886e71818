//! What a rule looks for in a name, and what it makes of it.

use std::borrow::Cow;

use cartonym_wire::{Name, NameBuf};
use regex::{Captures, Regex};

/// What a name is matched with.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    Exact(Box<NameBuf>),
    Prefix(String),
    Suffix(String),
    Substring(String),
    Regex(Regex),
}

impl Pattern {
    /// Whether `name`, in lower case, matches.
    pub(crate) fn matches(&self, name: &Name) -> bool {
        match self {
            // The one kind that needs no text, and the most frequent.
            Pattern::Exact(exact) => ***exact == *name,
            Pattern::Prefix(prefix) => name.to_string().starts_with(prefix),
            Pattern::Suffix(suffix) => name.to_string().ends_with(suffix),
            Pattern::Substring(part) => name.to_string().contains(part),
            Pattern::Regex(regex) => regex.is_match(&name.to_string()),
        }
    }

    /// `to` in the place of what matches in `name`; none if nothing does.
    pub(crate) fn replace(&self, name: &Name, to: &str) -> Option<String> {
        if let Pattern::Exact(exact) = self {
            return (***exact == *name).then(|| to.to_owned());
        }
        let text = name.to_string();
        match self {
            Pattern::Exact(_) => None,
            Pattern::Prefix(prefix) => text.strip_prefix(prefix).map(|rest| format!("{to}{rest}")),
            Pattern::Suffix(suffix) => text.strip_suffix(suffix).map(|rest| format!("{rest}{to}")),
            Pattern::Substring(part) => text.contains(part).then(|| text.replace(part, to)),
            Pattern::Regex(regex) => regex.captures(&text).map(|captures| fill(to, &captures)),
        }
    }
}

/// `template` with `{1}` and so on replaced by groups.
pub(crate) fn fill(template: &str, captures: &Captures<'_>) -> String {
    (1..captures.len()).fold(template.to_owned(), |text, group| {
        let value = captures.get(group).map_or("", |group| group.as_str());
        text.replace(&format!("{{{group}}}"), value)
    })
}

/// The greatest group that `template` asks for.
pub(crate) fn greatest_group(template: &str) -> usize {
    let numbers = template.split('{').skip(1).filter_map(|rest| rest.split_once('}')?.0.parse().ok());
    numbers.max().unwrap_or(0)
}

/// In lower case, and with the dot at its end.
pub(crate) fn fully_qualified(text: &str) -> Cow<'_, str> {
    match text.ends_with('.') && !text.bytes().any(|octet| octet.is_ascii_uppercase()) {
        true => text.into(),
        false => format!("{}.", text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(pattern: Pattern, name: &str, to: &str) -> Option<String> {
        pattern.replace(&name.parse::<NameBuf>().unwrap(), to)
    }

    #[test]
    fn what_matches_is_replaced() {
        let exact = || Pattern::Exact(Box::new("a.example.".parse().unwrap()));
        assert_eq!(replace(exact(), "a.example.", "b."), Some("b.".into()));
        assert_eq!(replace(exact(), "x.a.example.", "b."), None);
        let prefix = || Pattern::Prefix("a-".into());
        assert_eq!(replace(prefix(), "a-b.example.", "c-"), Some("c-b.example.".into()));
        assert_eq!(replace(prefix(), "b.a-.example.", "c-"), None);
        let suffix = || Pattern::Suffix(".a.".into());
        assert_eq!(replace(suffix(), "x.a.", ".b."), Some("x.b.".into()));
        assert_eq!(replace(suffix(), "a.", ".b."), None);
        let part = Pattern::Substring("aa".into());
        assert_eq!(replace(part, "aab.aa.", "c"), Some("cb.c.".into()));
        let regex = Pattern::Regex(Regex::new(r"^(.*)-(.*)\.a\.$").unwrap());
        assert_eq!(replace(regex, "x-y.a.", "{2}.{1}.{3}.b."), Some("y.x.{3}.b.".into()));
    }

    #[test]
    fn groups_of_a_template_are_counted() {
        for (template, group) in [("", 0), ("{1}.{3}", 3), ("{x}{", 0), ("{12}", 12), ("{-1}", 0)] {
            assert_eq!(greatest_group(template), group, "{template}");
        }
    }
}
