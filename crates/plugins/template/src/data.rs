//! What a template is filled in with.

use cartonym_expression::Groups;
use cartonym_plugin::Query;
use cartonym_wire::Name;
use regex::{Captures, Regex};

use crate::value::Value;

/// What is found in a name.
pub(crate) struct Found<'t> {
    /// The name as text.
    pub(crate) name: &'t str,
    /// The expression that matches it, if it is one that does, and its groups.
    pub(crate) groups: Option<(&'t Regex, Captures<'t>)>,
}

impl Found<'_> {
    fn by_number(&self) -> Vec<Value> {
        match &self.groups {
            Some((_, groups)) => by_number(groups),
            None => vec![Value::text(self.name)],
        }
    }

    fn by_name(&self) -> Vec<(String, Value)> {
        match &self.groups {
            Some((regex, groups)) => by_name(regex, groups),
            None => vec![("0".to_owned(), Value::text(self.name))],
        }
    }
}

impl Groups for Found<'_> {
    fn found(&self, group: &str) -> &str {
        match &self.groups {
            Some((_, groups)) => {
                let found = groups.name(group).or_else(|| groups.get(group.parse().ok()?));
                found.map_or("", |found| found.as_str())
            }
            None if group == "0" => self.name,
            None => "",
        }
    }
}

/// The fields for a query; `said` is what the template and others say of it.
pub(crate) fn data(query: &Query<'_>, zone: &Name, found: &Found<'_>, said: [(&str, Value); 2]) -> Value {
    let [variables, labels] = said;
    record([
        variables,
        labels,
        ("Name", Value::text(found.name)),
        ("Zone", Value::text(zone)),
        ("Class", Value::text(query.qclass())),
        ("Type", Value::text(query.qtype())),
        ("Remote", Value::text(query.client().address.ip().to_canonical())),
        ("Match", Value::List(found.by_number())),
        ("Group", Value::Map { entries: found.by_name(), is_open: true }),
        ("Question", record([("Name", Value::text(query.question().name))])),
        ("Message", record([("Id", Value::Number(query.id().into()))])),
    ])
}

fn record<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let entries = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Value::Map { entries, is_open: false }
}

fn by_number(groups: &Captures<'_>) -> Vec<Value> {
    groups.iter().map(|group| Value::text(group.map_or("", |group| group.as_str()))).collect()
}

fn by_name(regex: &Regex, groups: &Captures<'_>) -> Vec<(String, Value)> {
    let values = by_number(groups).into_iter().zip(regex.capture_names()).enumerate();
    values
        .flat_map(|(number, (value, name))| {
            let named = name.map(|name| (name.to_owned(), value.clone()));
            [(number.to_string(), value)].into_iter().chain(named)
        })
        .collect()
}
