//! What a template is filled in with.

use cartonym_plugin::Query;
use cartonym_wire::Name;
use regex::{Captures, Regex};

use crate::value::Value;

/// The fields for a query; `name` is its name as text.
pub(crate) fn data(
    query: &Query<'_>,
    zone: &Name,
    name: &str,
    groups: Option<(&Regex, Captures<'_>)>,
) -> Value {
    let (matched, by_name) = match groups {
        Some((regex, groups)) => (by_number(&groups), by_name(regex, &groups)),
        None => (vec![Value::text(name)], vec![("0".to_owned(), Value::text(name))]),
    };
    record([
        ("Name", Value::text(name)),
        ("Zone", Value::text(zone)),
        ("Class", Value::text(query.qclass())),
        ("Type", Value::text(query.qtype())),
        ("Remote", Value::text(query.client().address.ip().to_canonical())),
        ("Match", Value::List(matched)),
        ("Group", Value::Map { entries: by_name, is_open: true }),
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
