//! One template, and the records that it makes.

use std::collections::BTreeSet;
use std::sync::Arc;

use cartonym_expression::{self as expression, Expression, Facts, Formula, Names};
use cartonym_plugin::corefile::{Directive, Error, Word};
use cartonym_plugin::metrics::Counter;
use cartonym_plugin::{Fallthrough, Metadata, Query, Setup, Told};
use cartonym_wire::{Class, Ede, Name, NameBuf, Rcode, Section, Ttl, Type};
use cartonym_zone::master::{NoIncludes, Parser};
use regex::Regex;

use crate::data::{Found, data};
use crate::evaluate::render;
use crate::language::{Node, labels, parse};
use crate::value::Value;

/// One template.
#[derive(Debug)]
pub(crate) struct Rule {
    class: Class,
    qtype: Type,
    zones: Vec<NameBuf>,
    expressions: Vec<Regex>,
    /// What must be true of a query besides.
    conditions: Vec<Expression>,
    /// Values that records use, by name.
    variables: Vec<(String, Formula)>,
    /// What others know of a query, by the labels that records use.
    labels: Vec<(String, Told)>,
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
        let (metrics, metadata) = (setup.metrics(), setup.in_block::<Metadata>());
        let counter = |name, help| {
            let labels = [("class", &*class.to_string()), ("type", &*qtype.to_string())];
            metrics.counter(name, help, &["server", "zone", "view"], &labels)
        };
        let mut rule = Rule {
            class,
            qtype,
            zones: setup.zones_or_block(zones)?,
            expressions: Vec::new(),
            conditions: Vec::new(),
            variables: Vec::new(),
            labels: Vec::new(),
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
        let (expressions, rest): (Vec<_>, Vec<_>) =
            directive.block_entries().iter().partition(|entry| entry.name() == "match");
        for entry in expressions {
            entry.no_block()?;
            rule.add_expressions(entry)?;
        }
        // Wherever they stand, for those who name their groups.
        let groups = rule.groups();
        for entry in rest {
            entry.no_block()?;
            rule.set(entry, &metadata, &groups)?;
        }
        let templates = rule.records.iter().map(|(_, template)| &**template);
        let labels: BTreeSet<String> = templates.flat_map(labels).collect();
        rule.labels = labels.into_iter().map(|label| (label.clone(), metadata.clone().read(label))).collect();
        Ok(rule)
    }

    fn add_expressions(&mut self, entry: &Directive) -> Result<(), Error> {
        for word in entry.arg_count(1..)? {
            let regex = Regex::new(word.as_str()).map_err(|error| word.error(format!("{error}")))?;
            self.expressions.push(regex);
        }
        Ok(())
    }

    /// The names and numbers of all groups; the whole is one, also where any name matches.
    fn groups(&self) -> Vec<String> {
        let each = self.expressions.iter().flat_map(|regex| regex.capture_names().enumerate());
        let named = each.flat_map(|(number, name)| [Some(number.to_string()), name.map(str::to_owned)]);
        std::iter::once("0".to_owned()).chain(named.flatten()).collect()
    }

    fn set(&mut self, entry: &Directive, metadata: &Arc<Metadata>, groups: &[String]) -> Result<(), Error> {
        match entry.name() {
            "answer" => self.add_records(Section::Answer, entry)?,
            "authority" => self.add_records(Section::Authority, entry)?,
            "additional" => self.add_records(Section::Additional, entry)?,
            "rcode" => self.rcode = entry.one_arg()?.parse("an rcode")?,
            "ederror" => self.ede = Some(ede(entry)?),
            "fallthrough" => self.fallthrough = Fallthrough::of(entry)?,
            "expr" => {
                let [first, more @ ..] = entry.arg_count(1..)? else {
                    return Err(entry.error("no expression"));
                };
                self.conditions.push(Expression::parse(first, more, &self.names(metadata, groups))?);
            }
            "var" => self.add_variable(entry, metadata, groups)?,
            // What CoreDNS reads and does not use any more.
            "upstream" => {}
            _ => return Err(entry.unexpected_property(&PROPERTIES)),
        }
        Ok(())
    }

    fn add_variable(
        &mut self,
        entry: &Directive,
        metadata: &Arc<Metadata>,
        groups: &[String],
    ) -> Result<(), Error> {
        let [name, first, more @ ..] = entry.arg_count(2..)? else {
            return Err(entry.error("a name and an expression are needed"));
        };
        let is_name = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'_';
        if !name.as_str().bytes().all(is_name) || name.as_str().starts_with(|c: char| c.is_ascii_digit()) {
            return Err(name.error("a variable is named by letters, digits and `_`"));
        }
        if self.variables.iter().any(|(other, _)| other == name.as_str()) {
            return Err(name.error(format!("there is a `{name}` already")));
        }
        let formula = Formula::parse(first, more, &self.names(metadata, groups))?;
        self.variables.push((name.as_str().to_owned(), formula));
        Ok(())
    }

    /// What expressions may name: groups, and the variables that stand above.
    fn names<'a>(&'a self, metadata: &'a Arc<Metadata>, groups: &'a [String]) -> Names<'a> {
        Names { metadata, groups: Some(groups), variables: &self.variables }
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
        let groups =
            self.expressions.iter().find_map(|regex| regex.captures(&text).map(|groups| (regex, groups)));
        let found = Found { name: &text, groups };
        if (found.groups.is_some() || self.expressions.is_empty())
            && let Some(values) = self.values(query, &found)
        {
            return Matched::Yes(data(query, zone, &found, self.said(query, values)));
        }
        if self.fallthrough.takes(name) { Matched::No } else { Matched::Refused }
    }

    /// The values of the variables; none where a condition is false.
    fn values(&self, query: &Query<'_>, groups: &Found<'_>) -> Option<Vec<expression::Value>> {
        let mut values = Vec::with_capacity(self.variables.len());
        for (_, formula) in &self.variables {
            let value = formula.value(&Facts { query, groups, variables: &values });
            values.push(value);
        }
        let facts = Facts { query, groups, variables: &values };
        self.conditions.iter().all(|condition| condition.is_true(&facts)).then_some(values)
    }

    /// The variables, and what others say.
    fn said(&self, query: &Query<'_>, values: Vec<expression::Value>) -> [(&'static str, Value); 2] {
        let names = self.variables.iter().map(|(name, _)| name.clone());
        let variables = names.zip(values.into_iter().map(Value::from));
        let labels = self
            .labels
            .iter()
            .map(|(label, told)| (label.clone(), Value::text(told.text(query).unwrap_or_default())));
        [
            ("Var", Value::Map { entries: variables.collect(), is_open: false }),
            ("Meta", Value::Map { entries: labels.collect(), is_open: false }),
        ]
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

const PROPERTIES: [&str; 9] =
    ["match", "expr", "var", "answer", "additional", "authority", "rcode", "ederror", "fallthrough"];
