//! What the model says about each member of a request, and the words for a request that breaks it.
//!
//! A [`Shape`] is data: the types of [`crate::types`] declare theirs beside their fields. One walk over the decoded
//! request checks all of it, so that what comes out as a Rust type is within its limits.

use std::fmt;

use serde_json::{Map, Value};

use crate::fault::{Code, Fault};
use crate::pattern::Pattern;

/// The form of one value.
pub(crate) enum Shape {
    /// A string of `min..=max` characters, by a pattern if it has one.
    Text { min: usize, max: usize, pattern: Option<&'static Pattern> },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number in `min..=max`.
    Integer { min: i64, max: i64 },
    /// `min..=max` values of one shape.
    List { min: usize, max: usize, member: &'static Shape },
    /// `min..=max` entries.
    Map { min: usize, max: usize, key: &'static Shape, value: &'static Shape },
    /// Named members, in the model's order. Others are ignored, as a newer client's would be.
    Structure(&'static [Member]),
}

/// One member of a structure.
pub(crate) struct Member {
    /// As it is on the wire: `CreatorRequestId`.
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) shape: &'static Shape,
}

impl Shape {
    /// Checks a whole request.
    ///
    /// # Errors
    ///
    /// `SerializationException` for a value of another type, else `InvalidInput` that lists the broken constraints.
    pub(crate) fn check(&self, request: &Value) -> Result<(), Fault> {
        let mut walk = Walk { path: String::new(), broken: Vec::new(), total: 0 };
        walk.value(self, request)?;
        walk.verdict()
    }

    /// What `value` breaks on its own, for values that are part of a list or a map.
    fn limits(&self, value: &Value) -> Vec<Limit> {
        let mut limits = Vec::new();
        match self {
            Shape::Text { min, max, pattern } => {
                let text = value.as_str().unwrap_or_default();
                length(text.chars().count(), *min, *max, &mut limits);
                if let Some(pattern) = pattern.filter(|pattern| !pattern.accepts(text)) {
                    limits.push(Limit::Pattern(pattern.text));
                }
            }
            Shape::Choice(words) if !words.contains(&value.as_str().unwrap_or_default()) => {
                limits.push(Limit::Choice(words));
            }
            Shape::Integer { min, max } => {
                let n = value.as_i64().unwrap_or(i64::MAX);
                if n < *min {
                    limits.push(Limit::AtLeast(*min));
                }
                if n > *max {
                    limits.push(Limit::AtMost(*max));
                }
            }
            Shape::List { min, max, .. } => {
                length(value.as_array().map_or(0, Vec::len), *min, *max, &mut limits);
            }
            Shape::Map { min, max, .. } => {
                length(value.as_object().map_or(0, Map::len), *min, *max, &mut limits);
            }
            Shape::Choice(_) | Shape::Structure(_) => {}
        }
        limits
    }

    /// All limits of a text, broken or not: AWS lists them together for entries of lists and maps.
    fn all_limits(&self) -> Vec<Limit> {
        match self {
            Shape::Text { min, max, pattern } => [Limit::LongerThan(*max), Limit::ShorterThan(*min)]
                .into_iter()
                .filter(|limit| !matches!(limit, Limit::LongerThan(usize::MAX)))
                .chain(pattern.map(|pattern| Limit::Pattern(pattern.text)))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The type's name in a `SerializationException`.
    fn type_name(&self) -> &'static str {
        match self {
            Shape::Text { .. } | Shape::Choice(_) => "a String",
            Shape::Integer { .. } => "an Integer",
            Shape::List { .. } => "a List",
            Shape::Map { .. } => "a Map",
            Shape::Structure(_) => "a Structure",
        }
    }

    fn fits_type(&self, value: &Value) -> bool {
        match self {
            Shape::Text { .. } | Shape::Choice(_) => value.is_string(),
            // Beyond 64 bits is a range error, not a type error.
            Shape::Integer { .. } => value.is_i64() || value.is_u64(),
            Shape::List { .. } => value.is_array(),
            Shape::Map { .. } | Shape::Structure(_) => value.is_object(),
        }
    }
}

/// A constraint that a value breaks.
enum Limit {
    Null,
    ShorterThan(usize),
    LongerThan(usize),
    AtLeast(i64),
    AtMost(i64),
    Pattern(&'static str),
    Choice(&'static [&'static str]),
    Entries(&'static str, Vec<Limit>),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Null => write!(f, "Member must not be null"),
            Limit::ShorterThan(n) => write!(f, "Member must have length greater than or equal to {n}"),
            Limit::LongerThan(n) => write!(f, "Member must have length less than or equal to {n}"),
            Limit::AtLeast(n) => write!(f, "Member must have value greater than or equal to {n}"),
            Limit::AtMost(n) => write!(f, "Member must have value less than or equal to {n}"),
            Limit::Pattern(text) => write!(f, "Member must satisfy regular expression pattern: {text}"),
            Limit::Choice(words) => {
                write!(f, "Member must satisfy enum value set: [{}]", words.join(", "))
            }
            Limit::Entries(which, limits) => {
                write!(f, "{which} must satisfy constraint: [")?;
                for (i, limit) in limits.iter().enumerate() {
                    write!(f, "{}{limit}", if i == 0 { "" } else { ", " })?;
                }
                write!(f, "]")
            }
        }
    }
}

fn length(n: usize, min: usize, max: usize, limits: &mut Vec<Limit>) {
    if n < min {
        limits.push(Limit::ShorterThan(min));
    }
    if n > max {
        limits.push(Limit::LongerThan(max));
    }
}

/// One pass over a request.
struct Walk {
    /// Where the walk is, in AWS's spelling: `dnsConfig.dnsRecords.1.member.type`.
    path: String,
    /// `broken.len() <= MOST_LISTED`
    broken: Vec<String>,
    total: usize,
}

impl Walk {
    fn value(&mut self, shape: &Shape, value: &Value) -> Result<(), Fault> {
        if !shape.fits_type(value) {
            return Err(self.wrong_type(shape, value));
        }
        for limit in shape.limits(value) {
            self.breaks(value, &limit);
        }
        match (shape, value) {
            (Shape::Structure(members), Value::Object(values)) => self.structure(members, values),
            (Shape::List { member, .. }, Value::Array(values)) => self.list(member, value, values),
            (Shape::Map { key, value: entry, .. }, Value::Object(values)) => {
                self.map(key, entry, value, values)
            }
            _ => Ok(()),
        }
    }

    fn structure(&mut self, members: &[Member], values: &Map<String, Value>) -> Result<(), Fault> {
        let at = self.path.len();
        for member in members {
            self.enter(member.name);
            match values.get(member.name) {
                Some(value) if !value.is_null() => self.value(member.shape, value)?,
                _ if member.required => self.breaks(&Value::Null, &Limit::Null),
                _ => {}
            }
            self.path.truncate(at);
        }
        Ok(())
    }

    fn list(&mut self, member: &Shape, whole: &Value, values: &[Value]) -> Result<(), Fault> {
        if let Shape::Structure(_) = member {
            let at = self.path.len();
            for (i, value) in values.iter().enumerate() {
                self.path.push_str(&format!(".{}.member", i + 1));
                self.value(member, value)?;
                self.path.truncate(at);
            }
            return Ok(());
        }
        self.entries("Member", member, whole, values.iter())
    }

    fn map(
        &mut self,
        key: &Shape,
        entry: &Shape,
        whole: &Value,
        values: &Map<String, Value>,
    ) -> Result<(), Fault> {
        // Keys are strings already; as values, they are checked by the same code.
        let keys: Vec<Value> = values.keys().map(|key| Value::from(key.as_str())).collect();
        self.entries("Map keys", key, whole, keys.iter())?;
        self.entries("Map value", entry, whole, values.values())
    }

    /// Simple values in a list or map: AWS names the whole, not the entry.
    fn entries<'v>(
        &mut self,
        which: &'static str,
        shape: &Shape,
        whole: &Value,
        mut values: impl Iterator<Item = &'v Value>,
    ) -> Result<(), Fault> {
        let mut broken = false;
        while let (false, Some(value)) = (broken, values.next()) {
            if !shape.fits_type(value) {
                return Err(self.wrong_type(shape, value));
            }
            broken = !shape.limits(value).is_empty();
        }
        if broken {
            self.breaks(whole, &Limit::Entries(which, shape.all_limits()));
        }
        Ok(())
    }

    fn enter(&mut self, name: &str) {
        if !self.path.is_empty() {
            self.path.push('.');
        }
        let mut letters = name.chars();
        self.path.extend(letters.next().map(|c| c.to_ascii_lowercase()));
        self.path.push_str(letters.as_str());
    }

    fn breaks(&mut self, value: &Value, limit: &Limit) {
        self.total += 1;
        if self.broken.len() < MOST_LISTED {
            let shown = Shown(value);
            self.broken
                .push(format!("Value {shown} at '{}' failed to satisfy constraint: {limit}", self.path));
        }
    }

    #[cold]
    fn wrong_type(&self, shape: &Shape, value: &Value) -> Fault {
        let found = match value {
            Value::Null => "NULL_VALUE",
            Value::Bool(true) => "TRUE_VALUE",
            Value::Bool(false) => "FALSE_VALUE",
            Value::Number(_) => "NUMBER_VALUE",
            Value::String(_) => "STRING_VALUE",
            Value::Array(_) => "START_ARRAY",
            Value::Object(_) => "START_OBJECT",
        };
        Fault::new(
            Code::Serialization,
            format!("{found} can not be converted to {} at '{}'", shape.type_name(), self.path),
        )
    }

    fn verdict(self) -> Result<(), Fault> {
        if self.total == 0 {
            return Ok(());
        }
        let errors = if self.total == 1 { "error" } else { "errors" };
        let message = format!("{} validation {errors} detected: {}", self.total, self.broken.join("; "));
        Err(Fault::new(Code::InvalidInput, message))
    }
}

/// A value as AWS prints it in a message: `'text'`, `'[a, b]'`, `'{k=v}'`, `null`.
struct Shown<'v>(&'v Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_null() {
            return write!(f, "null");
        }
        let mut text = String::new();
        plain(self.0, &mut text);
        if let Some((cut, _)) = text.char_indices().nth(MOST_SHOWN) {
            text.truncate(cut);
            text.push('\u{2026}');
        }
        write!(f, "'{text}'")
    }
}

/// Appends `value`, until there is more than a message will show.
fn plain(value: &Value, out: &mut String) {
    if out.len() > MOST_SHOWN * 4 {
        return;
    }
    match value {
        Value::String(text) => out.push_str(text),
        Value::Array(values) => {
            out.push('[');
            for (i, value) in values.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                plain(value, out);
            }
            out.push(']');
        }
        Value::Object(values) => {
            out.push('{');
            for (i, (key, value)) in values.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                out.push_str(key);
                out.push('=');
                plain(value, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

/// Characters of a refused value that an error message repeats; AWS repeats all, which helps an attacker more.
const MOST_SHOWN: usize = 1024;

/// Broken constraints that one message spells out; all are counted.
const MOST_LISTED: usize = 10;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pattern;

    const ID: Shape = Shape::Text { min: 0, max: 4, pattern: None };
    const KEY: Shape = Shape::Text { min: 1, max: 4, pattern: Some(&pattern::ATTRIBUTE_KEY) };
    const RECORD: Shape = Shape::Structure(&[
        Member { name: "Type", required: true, shape: &Shape::Choice(&["A", "AAAA"]) },
        Member { name: "TTL", required: true, shape: &Shape::Integer { min: 0, max: 9 } },
    ]);
    const REQUEST: Shape = Shape::Structure(&[
        Member { name: "CreatorRequestId", required: false, shape: &ID },
        Member { name: "Name", required: true, shape: &KEY },
        Member { name: "Records", required: false, shape: &Shape::List { min: 1, max: 2, member: &RECORD } },
        Member {
            name: "Keys",
            required: false,
            shape: &Shape::List { min: 0, max: usize::MAX, member: &KEY },
        },
        Member {
            name: "Attributes",
            required: false,
            shape: &Shape::Map { min: 0, max: usize::MAX, key: &KEY, value: &ID },
        },
    ]);

    fn check(request: Value, message: &str) {
        let fault = REQUEST.check(&request).expect_err("the request breaks a constraint");
        assert_eq!(fault.message(), message, "for {request}");
    }

    #[test]
    fn a_request_within_its_limits_passes() {
        REQUEST
            .check(&json!({"Name": "n", "CreatorRequestId": null, "Unknown": [1], "Records": [{"Type": "A", "TTL": 0}]}))
            .unwrap();
    }

    #[test]
    fn an_absent_required_member_is_null() {
        let message = "1 validation error detected: Value null at 'name' failed to satisfy constraint: \
                       Member must not be null";
        check(json!({}), message);
        check(json!({"Name": null}), message);
    }

    #[test]
    fn a_text_too_long_is_named_by_its_path_in_lower_camel_case() {
        check(
            json!({"Name": "n", "CreatorRequestId": "12345"}),
            "1 validation error detected: Value '12345' at 'creatorRequestId' failed to satisfy constraint: \
             Member must have length less than or equal to 4",
        );
    }

    #[test]
    fn length_counts_characters_not_octets() {
        REQUEST.check(&json!({"Name": "n", "CreatorRequestId": "\u{e9}\u{e9}\u{e9}\u{e9}"})).unwrap();
    }

    #[test]
    fn members_of_a_listed_structure_are_numbered_from_one() {
        check(
            json!({"Name": "n", "Records": [{"Type": "A", "TTL": 1}, {"Type": "B", "TTL": 10}]}),
            "2 validation errors detected: Value 'B' at 'records.2.member.type' failed to satisfy constraint: \
             Member must satisfy enum value set: [A, AAAA]; \
             Value '10' at 'records.2.member.tTL' failed to satisfy constraint: \
             Member must have value less than or equal to 9",
        );
    }

    #[test]
    fn entries_of_lists_and_maps_are_refused_as_a_whole() {
        let limits = "[Member must have length less than or equal to 4, Member must have length greater than or \
                      equal to 1, Member must satisfy regular expression pattern: ^[a-zA-Z0-9!-~]+$]";
        check(
            json!({"Name": "n", "Keys": ["ok", "a b"]}),
            &format!(
                "1 validation error detected: Value '[ok, a b]' at 'keys' failed to satisfy constraint: \
                 Member must satisfy constraint: {limits}"
            ),
        );
        check(
            json!({"Name": "n", "Attributes": {"": "v"}}),
            &format!(
                "1 validation error detected: Value '{{=v}}' at 'attributes' failed to satisfy constraint: \
                 Map keys must satisfy constraint: {limits}"
            ),
        );
    }

    #[test]
    fn a_value_of_another_type_is_a_serialization_exception() {
        let fault = REQUEST.check(&json!({"Name": 5})).unwrap_err();
        assert_eq!(fault.code(), Code::Serialization);
        assert_eq!(fault.message(), "NUMBER_VALUE can not be converted to a String at 'name'");
        assert_eq!(REQUEST.check(&json!([])).unwrap_err().code(), Code::Serialization);
    }

    #[test]
    fn a_message_stays_small_whatever_the_request() {
        let long = "x".repeat(1 << 20);
        let records: Vec<Value> = (0..10_000).map(|_| json!({"Type": long.get(..2000), "TTL": 0})).collect();
        let fault =
            REQUEST.check(&json!({"Name": long, "CreatorRequestId": long, "Records": records})).unwrap_err();
        assert!(fault.message().starts_with("10003 validation errors"), "{}", &fault.message()[..80]);
        assert!(fault.message().len() < 32 << 10, "{} octets", fault.message().len());
    }
}
