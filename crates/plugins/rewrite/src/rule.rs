//! Rules, and what they make of a question.

use cartonym_plugin::Response;
use cartonym_wire::{Name, NameBuf, Rcode, Type};

use crate::answer::NameChange;
use crate::pattern::Pattern;

/// One rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Whether rules behind are looked at when this one has matched.
    pub(crate) goes_on: bool,
    /// Which names it is for; all for the type.
    pub(crate) pattern: Option<Pattern>,
    pub(crate) change: Change,
}

/// What a rule changes.
#[derive(Debug)]
pub(crate) enum Change {
    Name(NameChange),
    Type { from: Type, to: Type },
    Ttl(TtlRange),
    Rcode { from: Rcode, to: Rcode },
}

/// What TTLs are moved into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TtlRange {
    pub(crate) min: u32,
    pub(crate) max: u32,
}

/// What the rules make of a question.
#[derive(Debug)]
pub(crate) struct Run<'r> {
    pub(crate) name: NameBuf,
    pub(crate) qtype: Type,
    /// Rules that have matched, with the name before and behind each.
    pub(crate) applied: Vec<(&'r Rule, NameBuf, NameBuf)>,
    /// Whether a rule has made a name that is none.
    pub(crate) failed: bool,
}

impl<'r> Run<'r> {
    pub(crate) fn new(rules: &'r [Rule], name: &Name, qtype: Type) -> Run<'r> {
        let mut run = Run { name: name.to_lowercase(), qtype, applied: Vec::new(), failed: false };
        for rule in rules {
            let before = run.name;
            if run.apply(rule) {
                run.applied.push((rule, before, run.name));
                if !rule.goes_on || run.failed {
                    break;
                }
            }
        }
        run
    }

    /// Whether the rule has matched.
    fn apply(&mut self, rule: &Rule) -> bool {
        match (&rule.change, &rule.pattern) {
            (Change::Type { from, to }, _) if *from == self.qtype => self.qtype = *to,
            (Change::Name(change), Some(pattern)) => {
                let Some(text) = pattern.replace(&self.name, &change.to) else { return false };
                match text.parse::<NameBuf>() {
                    Ok(name) => self.name = name.to_lowercase(),
                    Err(_) => self.failed = true,
                }
            }
            (Change::Ttl(_) | Change::Rcode { .. }, Some(pattern)) => return pattern.matches(&self.name),
            _ => return false,
        }
        true
    }
}

impl TtlRange {
    /// Reads `5`, `5-10`, `5-` or `-10`.
    pub(crate) fn parse(text: &str) -> Option<TtlRange> {
        let (min, max) = text.split_once('-').unwrap_or((text, text));
        if min.is_empty() && max.is_empty() {
            return None;
        }
        let bound = |text: &str, none| if text.is_empty() { Some(none) } else { text.parse().ok() };
        let range = TtlRange { min: bound(min, 0)?, max: bound(max, i32::MAX as u32)? };
        (range.min <= range.max && range.max <= i32::MAX as u32).then_some(range)
    }

    /// Moves the TTLs of the answer into the range.
    pub(crate) fn apply(self, response: &mut Response<'_>) {
        let Some(message) = response.message() else { return };
        let answer = message.records().map_while(Result::ok).take_while(|record| record.section == 0);
        // In front of RDATA are its length, of two octets, and the TTL, of four.
        let ttls: Vec<_> = answer.map(|record| (record.rdata_start - 6, record.ttl().as_secs())).collect();
        for (at, ttl) in ttls {
            let ttl = ttl.clamp(self.min, self.max);
            response.builder().patch(at, (ttl >> 16) as u16);
            response.builder().patch(at + 2, ttl as u16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_ttls_has_several_forms() {
        let max = i32::MAX as u32;
        let table = [
            ("5", Some((5, 5))),
            ("5-10", Some((5, 10))),
            ("5-", Some((5, max))),
            ("-10", Some((0, 10))),
            ("0", Some((0, 0))),
            ("10-5", None),
            ("-", None),
            ("", None),
            ("a-b", None),
            ("1-2-3", None),
            ("4294967295", None),
        ];
        for (text, range) in table {
            assert_eq!(TtlRange::parse(text), range.map(|(min, max)| TtlRange { min, max }), "{text}");
        }
    }
}
