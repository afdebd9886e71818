//! Expressions by kind, and what they come to. None can fail: what could, was an error when it was read.

use std::cmp::Ordering;
use std::fmt;
use std::net::IpAddr;

use cartonym_plugin::{Network, Told};

use crate::facts::{Facts, Value};
use crate::pattern::Pattern;
use crate::room::Room;

/// An expression of any kind.
#[derive(Debug)]
pub(crate) enum Kind {
    Truth(Truth),
    Number(Number),
    Text(Text),
    Numbers(Vec<Number>),
    Texts(Vec<Text>),
}

#[derive(Debug)]
pub(crate) enum Truth {
    Literal(bool),
    DnssecOk,
    /// The one at this place.
    Variable(usize),
    Not(Box<Truth>),
    All(Vec<Truth>),
    Any(Vec<Truth>),
    Same(Box<Truth>, Box<Truth>),
    Numbers(Number, Relation, Number),
    NumberIn(Number, Vec<Number>),
    OfText(Text, Asked),
    If(Box<(Truth, Truth, Truth)>),
}

/// What is asked of a text.
#[derive(Debug)]
pub(crate) enum Asked {
    Compared(Relation, Text),
    In(Vec<Text>),
    Contains(Text),
    StartsWith(Text),
    EndsWith(Text),
    Matches(Pattern),
    Within(Network),
}

#[derive(Debug)]
pub(crate) enum Number {
    Literal(i64),
    BufferSize,
    Id,
    Opcode,
    Size,
    /// The one at this place.
    Variable(usize),
    Negative(Box<Number>),
    Sum(Box<Number>, Box<Number>),
    Difference(Box<Number>, Box<Number>),
    Product(Box<Number>, Box<Number>),
    /// The divisor is not 0.
    Quotient(Box<Number>, i64),
    /// The divisor is not 0.
    Remainder(Box<Number>, i64),
    If(Box<(Truth, Number, Number)>),
}

#[derive(Debug)]
pub(crate) enum Text {
    Literal(String),
    Name,
    Type,
    Class,
    Protocol,
    ClientAddress,
    ClientPort,
    ServerAddress,
    ServerPort,
    Metadata(Told),
    /// What a pattern of the caller has found, by the name of its group.
    Group(String),
    /// The one at this place.
    Variable(usize),
    Replaced(Box<Change>),
    If(Box<(Truth, Text, Text)>),
}

/// A text in which `to` stands for each `from`.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) text: Text,
    pub(crate) from: String,
    pub(crate) to: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Relation {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Kind {
    /// What it is, for people.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Kind::Truth(_) => "a condition",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "a text",
            Kind::Numbers(_) | Kind::Texts(_) => "a list",
        }
    }

    /// What it comes to; of a list, which is no value, nothing.
    pub(crate) fn value(&self, facts: &Facts<'_, '_>) -> Value {
        match self {
            Kind::Truth(truth) => Value::Truth(truth.holds(facts)),
            Kind::Number(number) => Value::Number(number.value(facts)),
            Kind::Text(text) => Value::Text(text.text(facts, &mut Room::default()).to_owned()),
            Kind::Numbers(_) | Kind::Texts(_) => Value::Text(String::new()),
        }
    }
}

impl Truth {
    pub(crate) fn holds(&self, facts: &Facts<'_, '_>) -> bool {
        match self {
            Truth::Literal(truth) => *truth,
            Truth::DnssecOk => facts.query.edns().is_some_and(|edns| edns.dnssec_ok),
            Truth::Variable(number) => matches!(facts.variable(*number), Some(Value::Truth(true))),
            Truth::Not(truth) => !truth.holds(facts),
            Truth::All(truths) => truths.iter().all(|truth| truth.holds(facts)),
            Truth::Any(truths) => truths.iter().any(|truth| truth.holds(facts)),
            Truth::Same(left, right) => left.holds(facts) == right.holds(facts),
            Truth::Numbers(left, relation, right) => {
                relation.holds(left.value(facts).cmp(&right.value(facts)))
            }
            Truth::NumberIn(number, list) => {
                let number = number.value(facts);
                list.iter().any(|element| element.value(facts) == number)
            }
            Truth::OfText(text, asked) => asked.holds(text, facts),
            Truth::If(choice) => if choice.0.holds(facts) { &choice.1 } else { &choice.2 }.holds(facts),
        }
    }
}

impl Asked {
    // On its own, so that the room for texts is taken once, however deep an expression is.
    #[inline(never)]
    fn holds(&self, text: &Text, facts: &Facts<'_, '_>) -> bool {
        let (mut room, mut other) = (Room::default(), Room::default());
        if let Asked::Within(network) = self {
            return text.address(facts, &mut room).is_some_and(|address| network.contains(address));
        }
        let text = text.text(facts, &mut room);
        match self {
            Asked::Compared(relation, right) => relation.holds(text.cmp(right.text(facts, &mut other))),
            Asked::In(list) => list.iter().any(|element| element.text(facts, &mut other) == text),
            Asked::Contains(part) => text.contains(part.text(facts, &mut other)),
            Asked::StartsWith(part) => text.starts_with(part.text(facts, &mut other)),
            Asked::EndsWith(part) => text.ends_with(part.text(facts, &mut other)),
            Asked::Matches(pattern) => pattern.is_match(text),
            Asked::Within(_) => false,
        }
    }
}

impl Number {
    /// The value; what is too large begins again at the other end.
    fn value(&self, facts: &Facts<'_, '_>) -> i64 {
        match self {
            Number::Literal(number) => *number,
            Number::BufferSize => facts.query.buffer_size().into(),
            Number::Id => facts.query.id().into(),
            Number::Opcode => facts.query.opcode().0.into(),
            Number::Size => i64::try_from(facts.query.message().as_bytes().len()).unwrap_or(i64::MAX),
            Number::Variable(number) => match facts.variable(*number) {
                Some(Value::Number(number)) => *number,
                _ => 0,
            },
            Number::Negative(number) => number.value(facts).wrapping_neg(),
            Number::Sum(left, right) => left.value(facts).wrapping_add(right.value(facts)),
            Number::Difference(left, right) => left.value(facts).wrapping_sub(right.value(facts)),
            Number::Product(left, right) => left.value(facts).wrapping_mul(right.value(facts)),
            // A divisor is never 0; the least number by -1 wraps to itself, and leaves nothing.
            Number::Quotient(number, divisor) => {
                number.value(facts).checked_div(*divisor).unwrap_or(i64::MIN)
            }
            Number::Remainder(number, divisor) => number.value(facts).checked_rem(*divisor).unwrap_or(0),
            Number::If(choice) => if choice.0.holds(facts) { &choice.1 } else { &choice.2 }.value(facts),
        }
    }
}

impl Text {
    /// The text, which is written to `room` unless it is there already.
    fn text<'a>(&'a self, facts: &'a Facts<'_, '_>, room: &'a mut Room) -> &'a str {
        let client = facts.query.client();
        match self {
            Text::Literal(text) => text,
            Text::Name => room.write(facts.query.name()),
            Text::Type => room.write(facts.query.qtype()),
            Text::Class => room.write(facts.query.qclass()),
            Text::Protocol => facts.query.asked_over().protocol(),
            Text::ClientAddress => room.write(client.address.ip().to_canonical()),
            Text::ClientPort => room.write(client.address.port()),
            Text::ServerAddress => room.write(client.local.ip().to_canonical()),
            Text::ServerPort => room.write(client.local.port()),
            Text::Metadata(label) => label.text(facts.query).unwrap_or_default(),
            Text::Group(name) => facts.groups.found(name),
            Text::Variable(number) => match facts.variable(*number) {
                Some(Value::Text(text)) => text,
                _ => "",
            },
            Text::Replaced(change) => change.write(facts, room),
            Text::If(choice) => if choice.0.holds(facts) { &choice.1 } else { &choice.2 }.text(facts, room),
        }
    }

    /// The address that it is, with or without brackets.
    fn address(&self, facts: &Facts<'_, '_>, room: &mut Room) -> Option<IpAddr> {
        match self {
            Text::ClientAddress => Some(facts.query.client().address.ip().to_canonical()),
            Text::ServerAddress => Some(facts.query.client().local.ip().to_canonical()),
            other => other.text(facts, room).trim_matches(['[', ']']).parse().ok(),
        }
    }
}

impl Change {
    // On its own, as `Asked::holds`: each takes room for the text that was.
    #[inline(never)]
    fn write<'a>(&self, facts: &Facts<'_, '_>, room: &'a mut Room) -> &'a str {
        let mut before = Room::default();
        let mut parts = self.text.text(facts, &mut before).split(&self.from);
        let first = parts.next().unwrap_or_default();
        room.write(fmt::from_fn(|f| {
            f.write_str(first)?;
            parts.clone().try_for_each(|part| f.write_str(&self.to).and_then(|()| f.write_str(part)))
        }))
    }
}

impl Relation {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Relation::Equal => ordering.is_eq(),
            Relation::NotEqual => ordering.is_ne(),
            Relation::Less => ordering.is_lt(),
            Relation::LessOrEqual => ordering.is_le(),
            Relation::Greater => ordering.is_gt(),
            Relation::GreaterOrEqual => ordering.is_ge(),
        }
    }
}
