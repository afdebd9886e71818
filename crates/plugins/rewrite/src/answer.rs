//! Names of a response, taken back.

use cartonym_plugin::Response;
use cartonym_wire::{MAX_MESSAGE_LEN, Message, Name, NameBuf, RdataNames, Section, Type, expand_rdata};
use regex::Regex;

use crate::pattern::{Pattern, fill, fully_qualified};

/// A change of the question's name, and of the names in the response.
#[derive(Debug)]
pub(crate) struct NameChange {
    pub(crate) to: String,
    /// Whether the response's names are taken back without being told how.
    pub(crate) auto: bool,
    pub(crate) answers: Vec<AnswerRule>,
}

/// A rule for names in the response.
#[derive(Clone, Debug)]
pub(crate) struct AnswerRule {
    pub(crate) place: AnswerPlace,
    pub(crate) regex: Regex,
    pub(crate) to: String,
}

/// Which names in the response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AnswerPlace {
    Owner,
    Value,
}

/// How the names of one response are changed.
pub(crate) struct Names<'r> {
    back: Option<Back<'r>>,
    owners: bool,
    values: bool,
    rules: &'r [AnswerRule],
}

/// The way back.
enum Back<'r> {
    /// A name, and what lies below it.
    Name { from: &'r Name, to: &'r Name },
    /// The end of a name, which need not begin with a label.
    Suffix { from: &'r str, to: &'r str },
}

impl NameChange {
    /// What takes the names of a response back, whose question had one name before the rule and another behind it.
    pub(crate) fn reverse<'r>(
        &'r self,
        pattern: &'r Option<Pattern>,
        before: &'r Name,
        after: &'r Name,
    ) -> Names<'r> {
        let is_exact = matches!(pattern, Some(Pattern::Exact(_)));
        let back = match pattern {
            Some(Pattern::Suffix(suffix)) => Back::Suffix { from: &self.to, to: suffix },
            _ => Back::Name { from: after, to: before },
        };
        Names {
            back: (is_exact || self.auto).then_some(back),
            owners: is_exact || self.auto,
            values: self.auto,
            rules: &self.answers,
        }
    }
}

impl Names<'_> {
    /// Writes the response's records anew, their names changed.
    pub(crate) fn apply(&self, response: &mut Response<'_>) {
        if self.back.is_none() && self.rules.is_empty() {
            return;
        }
        let Some(octets) = response.message().map(|message| message.as_bytes().to_vec()) else { return };
        response.clear_records();
        // What has been written is a message.
        let _ = self.rewrite(&octets, response);
    }

    fn rewrite(&self, octets: &[u8], response: &mut Response<'_>) -> Option<()> {
        let mut expanded = vec![0; MAX_MESSAGE_LEN];
        for record in Message::new(octets).ok()?.records() {
            let record = record.ok()?;
            let (start, len) = (record.rdata_start, record.rdata.len());
            let len = expand_rdata(octets, record.rtype, start, len, &mut expanded).ok()?;
            let rdata = self.rdata(record.rtype, expanded.get(..len)?);
            let section = match record.section {
                0 => Section::Answer,
                1 => Section::Authority,
                _ => Section::Additional,
            };
            let owner = self.change(&record.owner, AnswerPlace::Owner).unwrap_or(record.owner);
            // A longer name may leave no room; the response is marked as truncated then.
            response
                .record_of_class(section, &owner, record.rtype, record.class, record.ttl(), &rdata)
                .ok()?;
        }
        Some(())
    }

    /// RDATA with its names changed.
    fn rdata(&self, rtype: Type, rdata: &[u8]) -> Vec<u8> {
        self.changed_rdata(rtype, rdata).unwrap_or_else(|| rdata.to_vec())
    }

    fn changed_rdata(&self, rtype: Type, rdata: &[u8]) -> Option<Vec<u8>> {
        if !POINTING.contains(&rtype) {
            return None;
        }
        let shape = RdataNames::of(rtype)?;
        let (before, mut rest) = rdata.split_at_checked(shape.skip(rdata)?)?;
        let mut changed = before.to_vec();
        for _ in 0..shape.names {
            let (name, after) = Name::split(rest).ok()?;
            let new = self.change(name, AnswerPlace::Value);
            changed.extend_from_slice(new.as_deref().unwrap_or(name).as_wire());
            rest = after;
        }
        changed.extend_from_slice(rest);
        Some(changed)
    }

    /// What becomes of a name; none if it stays.
    fn change(&self, name: &Name, place: AnswerPlace) -> Option<NameBuf> {
        let goes_back = match place {
            AnswerPlace::Owner => self.owners,
            AnswerPlace::Value => self.values,
        };
        let mut changed = self.back.as_ref().filter(|_| goes_back).and_then(|back| back.take(name));
        for rule in self.rules.iter().filter(|rule| rule.place == place) {
            let text = changed.as_deref().unwrap_or(name).to_string().to_ascii_lowercase();
            let new = rule.regex.captures(&text).map(|captures| fill(&rule.to, &captures));
            // What is no name cannot be written: the name stays as it is.
            if let Some(new) = new.and_then(|text| fully_qualified(&text).parse().ok()) {
                changed = Some(new);
            }
        }
        changed
    }
}

impl Back<'_> {
    fn take(&self, name: &Name) -> Option<NameBuf> {
        match self {
            Back::Name { from, to } if name.is_within(from) => name.with_suffix(from, to).ok(),
            Back::Name { .. } => None,
            Back::Suffix { from, to } => {
                let text = name.to_string().to_ascii_lowercase();
                text.strip_suffix(from).and_then(|rest| format!("{rest}{to}").parse().ok())
            }
        }
    }
}

/// Types whose names are changed.
const POINTING: [Type; 8] =
    [Type::CNAME, Type::DNAME, Type::SOA, Type::SRV, Type::MX, Type::NAPTR, Type::NS, Type::PTR];
