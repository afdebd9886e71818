//! From tokens to a tree, by precedence; kinds are checked on the way.
//!
//! ```text
//! ? :    || or    && and    == != < <= > >= in contains startsWith endsWith matches    + -    * / %    ! not -    ( ) f()
//! ```

use std::sync::Arc;

use cartonym_plugin::corefile::{Error, nearest};

use crate::Formula;
use crate::facts::Names;
use crate::pattern::{NoPattern, Pattern};
use crate::token::{Token, Tokens};
use crate::tree::{Asked, Change, Kind, Number, Relation, Text, Truth};

/// Reads all tokens as one expression.
pub(crate) fn parse(tokens: &Tokens, names: &Names<'_>) -> Result<Kind, Error> {
    let mut parser = Parser { tokens, names, element: None, at: 0, depth: 0, operators: 0 };
    let kind = parser.choice()?;
    match parser.peek() {
        None => Ok(kind),
        Some(_) => Err(parser.error("the expression goes on where it should end")),
    }
}

struct Parser<'t> {
    tokens: &'t Tokens,
    names: &'t Names<'t>,
    /// What `#` is, in the condition of an `any`.
    element: Option<Token>,
    at: usize,
    /// How many brackets are open.
    depth: usize,
    /// How many operators there have been, on the way to here, of those that make a tree deeper.
    operators: usize,
}

/// Brackets in brackets. Enough for people, and little for a stack, as is the next.
const MAX_DEPTH: usize = 64;
const MAX_OPERATORS: usize = 256;

impl Parser<'_> {
    /// `condition ? one : other`, or what binds closer.
    fn choice(&mut self) -> Result<Kind, Error> {
        let outside = self.depth;
        self.depth = outside.saturating_add(1);
        if self.depth > MAX_DEPTH {
            return Err(self.error("brackets are too deep"));
        }
        let start = self.at;
        let mut kind = self.binary(0)?;
        if self.takes("?") {
            let condition = self.truth(kind, start)?;
            let one = self.choice()?;
            self.expect(":")?;
            let start = self.at;
            let other = self.choice()?;
            kind = match (one, other) {
                (Kind::Truth(one), Kind::Truth(other)) => {
                    Kind::Truth(Truth::If(Box::new((condition, one, other))))
                }
                (Kind::Number(one), Kind::Number(other)) => {
                    Kind::Number(Number::If(Box::new((condition, one, other))))
                }
                (Kind::Text(one), Kind::Text(other)) => {
                    Kind::Text(Text::If(Box::new((condition, one, other))))
                }
                (one, other) => return Err(self.mismatch(start, "? :", &one, &other)),
            };
        }
        self.depth = outside;
        Ok(kind)
    }

    /// Operators that bind at least so close.
    fn binary(&mut self, least: u8) -> Result<Kind, Error> {
        let mut start = self.at;
        let before = self.operators;
        let mut left = self.unary()?;
        while let Some((operator, closeness, is_negated)) = self.operator() {
            if closeness < least {
                break;
            }
            let at = self.at;
            self.operators = self.operators.saturating_add(usize::from(closeness > AND));
            if self.operators > MAX_OPERATORS {
                return Err(self.error("the expression is too deep"));
            }
            if is_negated {
                self.advance();
            }
            self.advance();
            let right_start = self.at;
            // All of them go from left to right.
            let closer = closeness.saturating_add(1);
            let right = match closeness {
                ..=AND => self.beside(before, |parser| parser.binary(closer))?,
                _ => self.binary(closer)?,
            };
            left = self.combine((at, operator), (left, start), (right, right_start))?;
            if is_negated {
                left = Kind::Truth(Truth::Not(Box::new(self.truth(left, at)?)));
            }
            start = at;
        }
        Ok(left)
    }

    /// Reads one of several that stand side by side, before the first of which there were so many operators: a tree is as
    /// deep as the deepest of them, however many they are.
    fn beside<T>(
        &mut self,
        before: usize,
        read: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let deepest = std::mem::replace(&mut self.operators, before);
        let read = read(self)?;
        self.operators = self.operators.max(deepest);
        Ok(read)
    }

    /// The operator that is next, how close it binds, and whether there is a `not` before it.
    fn operator(&self) -> Option<(&'static str, u8, bool)> {
        let find = |at: usize| {
            let text = match &self.tokens.tokens.get(at)?.token {
                Token::Sign(sign) => sign,
                Token::Word(word) => word.as_str(),
                _ => return None,
            };
            OPERATORS.iter().copied().find(|(operator, _)| *operator == text)
        };
        match find(self.at) {
            Some((operator, closeness)) => Some((operator, closeness, false)),
            None if self.is_next("not") => {
                let (operator, closeness) = find(self.at.saturating_add(1))?;
                NEGATED.contains(&operator).then_some((operator, closeness, true))
            }
            None => None,
        }
    }

    fn combine(
        &self,
        (at, operator): (usize, &str),
        (left, left_at): (Kind, usize),
        (right, right_at): (Kind, usize),
    ) -> Result<Kind, Error> {
        let truth = match (operator, left, right) {
            ("&&" | "and", left, right) => match (self.truth(left, left_at)?, self.truth(right, right_at)?) {
                (Truth::All(truths), right) => Truth::All(with(truths, right)),
                (left, right) => Truth::All(vec![left, right]),
            },
            ("||" | "or", left, right) => match (self.truth(left, left_at)?, self.truth(right, right_at)?) {
                (Truth::Any(truths), right) => Truth::Any(with(truths, right)),
                (left, right) => Truth::Any(vec![left, right]),
            },
            ("==", Kind::Truth(left), Kind::Truth(right)) => Truth::Same(left.into(), right.into()),
            ("!=", Kind::Truth(left), Kind::Truth(right)) => {
                Truth::Not(Truth::Same(left.into(), right.into()).into())
            }
            ("in", Kind::Number(left), Kind::Numbers(list)) => Truth::NumberIn(left, list),
            (_, Kind::Number(left), Kind::Number(right)) => match relation(operator) {
                Some(relation) => Truth::Numbers(left, relation, right),
                None => return self.arithmetic((at, operator), left, (right, right_at)),
            },
            ("in", Kind::Text(left), Kind::Texts(list)) => Truth::OfText(left, Asked::In(list)),
            (_, Kind::Text(left), Kind::Text(right)) => {
                Truth::OfText(left, self.asked((at, operator), (right, right_at))?)
            }
            (_, left, right) => return Err(self.mismatch(at, operator, &left, &right)),
        };
        Ok(Kind::Truth(truth))
    }

    /// What an operator asks of the text on its left.
    fn asked(&self, (at, operator): (usize, &str), (right, right_at): (Text, usize)) -> Result<Asked, Error> {
        Ok(match (operator, right) {
            ("contains", part) => Asked::Contains(part),
            ("startsWith", part) => Asked::StartsWith(part),
            ("endsWith", part) => Asked::EndsWith(part),
            ("matches", Text::Literal(pattern)) => {
                let wrong = |wrong: NoPattern| self.tokens.error(right_at, wrong.to_string());
                Asked::Matches(Pattern::new(&pattern).map_err(wrong)?)
            }
            ("matches", _) => {
                return Err(self.tokens.error(right_at, "`matches` takes a pattern that is written out"));
            }
            (_, right) => match relation(operator) {
                Some(relation) => Asked::Compared(relation, right),
                None => {
                    let text = Kind::Text(right);
                    return Err(self.mismatch(at, operator, &text, &text));
                }
            },
        })
    }

    fn arithmetic(
        &self,
        (at, operator): (usize, &str),
        left: Number,
        (right, right_at): (Number, usize),
    ) -> Result<Kind, Error> {
        let number = match (operator, right) {
            ("+", right) => Number::Sum(left.into(), right.into()),
            ("-", right) => Number::Difference(left.into(), right.into()),
            ("*", right) => Number::Product(left.into(), right.into()),
            ("/", Number::Literal(divisor)) if divisor != 0 => Number::Quotient(left.into(), divisor),
            ("%", Number::Literal(divisor)) if divisor != 0 => Number::Remainder(left.into(), divisor),
            ("/" | "%", _) => {
                let message = "a divisor is a number that is written out, and not 0";
                return Err(self.tokens.error(right_at, message));
            }
            (_, right) => {
                return Err(self.mismatch(at, operator, &Kind::Number(left), &Kind::Number(right)));
            }
        };
        Ok(Kind::Number(number))
    }

    fn unary(&mut self) -> Result<Kind, Error> {
        let mut negations = 0usize;
        while self.takes("!") || self.takes("not") {
            negations = negations.saturating_add(1);
        }
        let start = self.at;
        let kind = if self.takes("-") {
            match self.primary()? {
                Kind::Number(Number::Literal(number)) => Kind::Number(Number::Literal(number.wrapping_neg())),
                Kind::Number(number) => Kind::Number(Number::Negative(number.into())),
                other => {
                    return Err(self
                        .tokens
                        .error(start, format!("`-` takes a number, not {}", other.name())));
                }
            }
        } else {
            self.primary()?
        };
        if negations == 0 {
            return Ok(kind);
        }
        let truth = self.truth(kind, start)?;
        Ok(Kind::Truth(if negations.is_multiple_of(2) { truth } else { Truth::Not(truth.into()) }))
    }

    fn primary(&mut self) -> Result<Kind, Error> {
        let start = self.at;
        let Some(token) = self.peek() else { return Err(self.error("the expression ends too early")) };
        let token = token.clone();
        self.advance();
        match token {
            Token::Text(text) => Ok(Kind::Text(Text::Literal(text))),
            Token::Number(number) => Ok(Kind::Number(Number::Literal(number))),
            Token::Sign("(") => {
                let kind = self.choice()?;
                self.expect(")")?;
                Ok(kind)
            }
            Token::Sign("[") => self.list(start),
            Token::Sign("#") => match self.element.clone() {
                Some(Token::Text(text)) => Ok(Kind::Text(Text::Literal(text))),
                Some(Token::Number(number)) => Ok(Kind::Number(Number::Literal(number))),
                _ => Err(self.tokens.error(start, "`#` is an element of a list, in the condition of `any`")),
            },
            Token::Sign(sign) => Err(self.tokens.error(start, format!("`{sign}` is not expected here"))),
            Token::Word(word) => match word.as_str() {
                "true" => Ok(Kind::Truth(Truth::Literal(true))),
                "false" => Ok(Kind::Truth(Truth::Literal(false))),
                name => match self.variable(name) {
                    Some(variable) => Ok(variable),
                    None => self.call(name, start),
                },
            },
        }
    }

    /// The elements of a list, all of the kind of the first.
    fn list(&mut self, start: usize) -> Result<Kind, Error> {
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        for (element, at) in self.elements("]")? {
            match element {
                Kind::Number(number) if texts.is_empty() => numbers.push(number),
                Kind::Text(text) if numbers.is_empty() => texts.push(text),
                other => {
                    let message = format!("a list is of texts or of numbers; this is {}", other.name());
                    return Err(self.tokens.error(at, message));
                }
            }
        }
        match (numbers.is_empty(), texts.is_empty()) {
            (true, true) => Err(self.tokens.error(start, "the list is empty")),
            (false, _) => Ok(Kind::Numbers(numbers)),
            _ => Ok(Kind::Texts(texts)),
        }
    }

    /// The variable of this name, if it is one and no call.
    fn variable(&self, name: &str) -> Option<Kind> {
        if self.is_next("(") {
            return None;
        }
        let place = self.names.variables.iter().position(|(known, _)| known == name)?;
        let (_, Formula(kind)) = self.names.variables.get(place)?;
        match kind {
            Kind::Truth(_) => Some(Kind::Truth(Truth::Variable(place))),
            Kind::Number(_) => Some(Kind::Number(Number::Variable(place))),
            Kind::Text(_) => Some(Kind::Text(Text::Variable(place))),
            Kind::Numbers(_) | Kind::Texts(_) => None,
        }
    }

    /// What is behind `any(`: a list, and a condition in which `#` is each of its elements, as if all were written out with
    /// `or` between them.
    fn any(&mut self, start: usize) -> Result<Kind, Error> {
        if self.element.is_some() {
            return Err(self.tokens.error(start, "there is no `any` in the condition of another"));
        }
        let elements = self.literals()?;
        self.expect(",")?;
        let (at, before) = (self.at, self.operators);
        let mut truths = Vec::new();
        for element in elements {
            self.at = at;
            self.element = Some(element);
            let condition = self.beside(before, Self::choice)?;
            truths.push(self.truth(condition, at)?);
        }
        self.element = None;
        self.expect(")")?;
        Ok(Kind::Truth(Truth::Any(truths)))
    }

    /// A list of texts and numbers that are written out; at least one.
    fn literals(&mut self) -> Result<Vec<Token>, Error> {
        let mut literals = Vec::new();
        self.expect("[")?;
        loop {
            match self.peek() {
                Some(literal @ (Token::Text(_) | Token::Number(_))) => literals.push(literal.clone()),
                _ => return Err(self.error("the list of `any` is of texts and numbers that are written out")),
            }
            self.at = self.at.saturating_add(1);
            if self.takes("]") {
                return Ok(literals);
            }
            self.expect(",")?;
        }
    }

    /// A function and its arguments.
    fn call(&mut self, name: &str, start: usize) -> Result<Kind, Error> {
        let is_there = |function: &&str| *function != "group" || self.names.groups.is_some();
        if !FUNCTIONS.iter().filter(|&function| is_there(function)).any(|function| *function == name) {
            let error = self.tokens.error(start, format!("there is no `{name}`"));
            return Err(match nearest(name, FUNCTIONS.iter().copied().filter(is_there)) {
                Some(near) => error.help(format!("did you mean `{near}()`?")),
                None => error,
            });
        }
        if !self.takes("(") {
            return Err(self.error(format!("`{name}` is a function: `{name}()`")));
        }
        if name == "any" {
            return self.any(start);
        }
        let arguments = self.elements(")")?;
        let wrong = |message: &str| Err(self.tokens.error(start, message));
        let mut arguments = arguments.into_iter();
        let kind = match (name, arguments.next(), arguments.next(), arguments.next()) {
            ("incidr", Some((address, at)), Some((network, network_at)), None) => {
                let Kind::Text(address) = address else {
                    return Err(self.tokens.error(at, "an address is a text"));
                };
                let Kind::Text(Text::Literal(network)) = network else {
                    return Err(self.tokens.error(network_at, "the network must be written out"));
                };
                let not_a_network =
                    |_| self.tokens.error(network_at, format!("`{network}` is not a network"));
                let network = network.parse().map_err(not_a_network)?;
                Kind::Truth(Truth::OfText(address, Asked::Within(network)))
            }
            ("incidr", ..) => return wrong("`incidr` takes an address and a network"),
            ("metadata", Some((Kind::Text(Text::Literal(label)), _)), None, _) => {
                Kind::Text(Text::Metadata(Arc::clone(self.names.metadata).read(label)))
            }
            ("metadata", ..) => return wrong("`metadata` takes a label that is written out"),
            ("group", Some((Kind::Text(Text::Literal(group)), at)), None, _) => self.group(group, at)?,
            ("group", ..) => return wrong("`group` takes a name that is written out"),
            (
                "replace",
                Some((Kind::Text(text), _)),
                Some((Kind::Text(Text::Literal(from)), _)),
                Some((Kind::Text(Text::Literal(to)), _)),
            ) if arguments.next().is_none() => Kind::Text(Text::Replaced(Change { text, from, to }.into())),
            ("replace", ..) => {
                return wrong(
                    "`replace` takes a text, and two that are written out: what is replaced and by what",
                );
            }
            (_, Some(_), ..) => return wrong(&format!("`{name}` takes no arguments")),
            ("do", ..) => Kind::Truth(Truth::DnssecOk),
            ("bufsize", ..) => Kind::Number(Number::BufferSize),
            ("id", ..) => Kind::Number(Number::Id),
            ("opcode", ..) => Kind::Number(Number::Opcode),
            ("size", ..) => Kind::Number(Number::Size),
            ("name", ..) => Kind::Text(Text::Name),
            ("type", ..) => Kind::Text(Text::Type),
            ("class", ..) => Kind::Text(Text::Class),
            ("proto", ..) => Kind::Text(Text::Protocol),
            ("client_ip", ..) => Kind::Text(Text::ClientAddress),
            ("port", ..) => Kind::Text(Text::ClientPort),
            ("server_ip", ..) => Kind::Text(Text::ServerAddress),
            _ => Kind::Text(Text::ServerPort),
        };
        Ok(kind)
    }

    /// The group of this name, which stands at `at`.
    fn group(&self, name: String, at: usize) -> Result<Kind, Error> {
        let known = self.names.groups.unwrap_or_default();
        if known.contains(&name) {
            return Ok(Kind::Text(Text::Group(name)));
        }
        let error = self.tokens.error(at, format!("no expression has a group `{name}`"));
        Err(match nearest(&name, known.iter().map(String::as_str)) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        })
    }

    /// Expressions with commas between them, up to the closing bracket, and where each begins.
    fn elements(&mut self, close: &str) -> Result<Vec<(Kind, usize)>, Error> {
        let mut elements = Vec::new();
        let before = self.operators;
        while !self.takes(close) {
            if !elements.is_empty() {
                self.expect(",")?;
            }
            let start = self.at;
            elements.push((self.beside(before, Self::choice)?, start));
        }
        Ok(elements)
    }

    fn truth(&self, kind: Kind, at: usize) -> Result<Truth, Error> {
        match kind {
            Kind::Truth(truth) => Ok(truth),
            other => Err(self.tokens.error(at, format!("a condition is expected, not {}", other.name()))),
        }
    }

    fn mismatch(&self, at: usize, operator: &str, left: &Kind, right: &Kind) -> Error {
        let (left, right) = (left.name(), right.name());
        self.tokens.error(at, format!("`{operator}` does not go with {left} and {right}"))
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.tokens.get(self.at).map(|spanned| &spanned.token)
    }

    fn is_next(&self, text: &str) -> bool {
        match self.peek() {
            Some(Token::Sign(sign)) => *sign == text,
            Some(Token::Word(word)) => word == text,
            _ => false,
        }
    }

    fn takes(&mut self, text: &str) -> bool {
        let takes = self.is_next(text);
        if takes {
            self.advance();
        }
        takes
    }

    fn advance(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn expect(&mut self, text: &str) -> Result<(), Error> {
        if self.takes(text) { Ok(()) } else { Err(self.error(format!("`{text}` is expected here"))) }
    }

    fn error(&self, message: impl Into<String>) -> Error {
        self.tokens.error(self.at, message)
    }
}

/// With one more.
fn with(mut truths: Vec<Truth>, truth: Truth) -> Vec<Truth> {
    truths.push(truth);
    truths
}

fn relation(operator: &str) -> Option<Relation> {
    Some(match operator {
        "==" => Relation::Equal,
        "!=" => Relation::NotEqual,
        "<" => Relation::Less,
        "<=" => Relation::LessOrEqual,
        ">" => Relation::Greater,
        ">=" => Relation::GreaterOrEqual,
        _ => return None,
    })
}

/// Operators between two, and how close they bind.
const OPERATORS: [(&str, u8); 20] = [
    ("||", 1),
    ("or", 1),
    ("&&", AND),
    ("and", AND),
    ("==", 3),
    ("!=", 3),
    ("<", 3),
    ("<=", 3),
    (">", 3),
    (">=", 3),
    ("in", 3),
    ("contains", 3),
    ("startsWith", 3),
    ("endsWith", 3),
    ("matches", 3),
    ("+", 4),
    ("-", 4),
    ("*", 5),
    ("/", 5),
    ("%", 5),
];

const AND: u8 = 2;

/// Those that may have a `not` before them.
const NEGATED: [&str; 5] = ["in", "contains", "startsWith", "endsWith", "matches"];

const FUNCTIONS: [&str; 18] = [
    "any",
    "bufsize",
    "class",
    "client_ip",
    "do",
    "group",
    "id",
    "incidr",
    "metadata",
    "name",
    "opcode",
    "port",
    "proto",
    "replace",
    "server_ip",
    "server_port",
    "size",
    "type",
];
