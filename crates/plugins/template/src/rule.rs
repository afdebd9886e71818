//! One template, and the records that it makes.

use cartonym_plugin::corefile::{Directive, Error, Word};
use cartonym_plugin::metrics::Counter;
use cartonym_plugin::{Fallthrough, Query, Setup};
use cartonym_wire::{Class, Ede, Name, NameBuf, Rcode, Section, Ttl, Type};
use cartonym_zone::master::{NoIncludes, Parser};
use regex::Regex;

use crate::data::data;
use crate::evaluate::render;
use crate::language::{Node, parse};
use crate::value::Value;

/// One template.
#[derive(Debug)]
pub(crate) struct Rule {
    class: Class,
    qtype: Type,
    zones: Vec<NameBuf>,
    expressions: Vec<Regex>,
    records: Vec<(Section, Vec<Node>)>,
    pub(crate) rcode: Rcode,
    pub(crate) ede: Option<(Ede, String)>,
    fallthrough: Fallthrough,
    /// Queries that it has matched.
    pub(crate) matched: Counter,
    /// Queries for which it could not be filled in, or made no record.
    pub(crate) failed: Counter,
}

/// Whether a template is for a query.
pub(crate) enum Matched {
    /// It is for others, or leaves this one to them.
    No,
    /// It is for such queries, but none of its expressions matches this one.
    Refused,
    /// It is, and this is what it is filled in with.
    Yes(Value),
}

/// A record that a template has made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) section: Section,
    pub(crate) owner: NameBuf,
    pub(crate) rtype: Type,
    pub(crate) class: Class,
    pub(crate) ttl: Ttl,
    pub(crate) rdata: Vec<u8>,
}

impl Rule {
    /// Reads `template CLASS TYPE [ZONES...] { ... }`.
    pub(crate) fn of(directive: &Directive, setup: &Setup<'_>) -> Result<Rule, Error> {
        let [class, qtype, zones @ ..] = directive.arg_count(2..)? else {
            return Err(directive.error("no class and type"));
        };
        let (class, qtype): (Class, Type) = (class.parse("a class")?, qtype.parse("a type")?);
        let metrics = setup.metrics();
        let counter = |name, help| {
            let labels = [("class", &*class.to_string()), ("type", &*qtype.to_string())];
            metrics.counter(name, help, &["server", "zone", "view"], &labels)
        };
        let mut rule = Rule {
            class,
            qtype,
            zones: setup.zones_or_block(zones)?,
            expressions: Vec::new(),
            records: Vec::new(),
            rcode: Rcode::NOERROR,
            ede: None,
            fallthrough: Fallthrough::default(),
            matched: counter("coredns_template_matches_total", "Queries that a template has matched."),
            failed: counter(
                "coredns_template_template_failures_total",
                "Queries that a template has failed.",
            ),
        };
        for entry in directive.block_entries() {
            entry.no_block()?;
            rule.set(entry)?;
        }
        Ok(rule)
    }

    fn set(&mut self, entry: &Directive) -> Result<(), Error> {
        match entry.name() {
            "match" => {
                for word in entry.arg_count(1..)? {
                    self.expressions
                        .push(Regex::new(word.as_str()).map_err(|error| word.error(format!("{error}")))?);
                }
            }
            "answer" => self.add_records(Section::Answer, entry)?,
            "authority" => self.add_records(Section::Authority, entry)?,
            "additional" => self.add_records(Section::Additional, entry)?,
            "rcode" => self.rcode = entry.one_arg()?.parse("an rcode")?,
            "ederror" => self.ede = Some(ede(entry)?),
            "fallthrough" => self.fallthrough = Fallthrough::of(entry)?,
            "var" | "expr" => return Err(entry.error(format!("`{}` is not supported yet", entry.name))),
            // What CoreDNS reads and does not use any more.
            "upstream" => {}
            _ => return Err(entry.unexpected_property(&PROPERTIES)),
        }
        Ok(())
    }

    fn add_records(&mut self, section: Section, entry: &Directive) -> Result<(), Error> {
        for word in entry.arg_count(1..)? {
            let template =
                parse(word.as_str()).map_err(|error| word.error(format!("not a template: {error}")))?;
            self.records.push((section, template));
        }
        Ok(())
    }

    /// Whether the template is for a query.
    pub(crate) fn matches(&self, query: &Query<'_>) -> Matched {
        let name = query.name();
        let zone = self.zones.iter().filter(|zone| name.is_within(zone)).max_by_key(|zone| zone.len());
        let is_class = self.class == Class::ANY || self.class == query.qclass();
        let is_type = self.qtype == Type::ANY || self.qtype == query.qtype();
        let Some(zone) = zone.filter(|_| is_class && is_type) else { return Matched::No };
        let text = name.to_string();
        if self.expressions.is_empty() {
            return Matched::Yes(data(query, zone, &text, None));
        }
        let found =
            self.expressions.iter().find_map(|regex| regex.captures(&text).map(|groups| (regex, groups)));
        match found {
            Some(groups) => Matched::Yes(data(query, zone, &text, Some(groups))),
            None if self.fallthrough.takes(name) => Matched::No,
            None => Matched::Refused,
        }
    }

    /// The records for a query; none if one cannot be made.
    pub(crate) fn make(&self, data: &Value) -> Option<Vec<Made>> {
        self.records
            .iter()
            .map(|(section, template)| record(*section, &render(template, data).ok()?))
            .collect()
    }
}

/// Reads a record; none where the text is not exactly one.
fn record(section: Section, text: &str) -> Option<Made> {
    // A name of a query has no `$` that is not escaped, but a template may be anything.
    if text.trim_start().starts_with('$') {
        return None;
    }
    let line = format!("{text}\n");
    let mut parser = Parser::new(line.as_bytes(), "template", Name::ROOT, &NoIncludes);
    let record = parser.next_record()?.ok()?;
    let made = Made {
        section,
        owner: record.owner.to_buf(),
        rtype: record.rtype,
        class: record.class,
        ttl: record.ttl,
        rdata: record.rdata.to_vec(),
    };
    parser.next_record().is_none().then_some(made)
}

/// Reads `CODE [TEXT]`.
fn ede(entry: &Directive) -> Result<(Ede, String), Error> {
    let [code, text @ ..] = entry.arg_count(1..=2)? else { return Err(entry.error("no code")) };
    let text = text.first().map_or("", Word::as_str);
    Ok((Ede(code.parse("the number of an extended error")?), text.to_owned()))
}

const PROPERTIES: [&str; 7] =
    ["match", "answer", "additional", "authority", "rcode", "ederror", "fallthrough"];
