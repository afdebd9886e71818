//! A part of the language of Go's templates: text with actions in double braces.

use std::iter::Peekable;
use std::str::CharIndices;

use crate::value::{Failure, Value};

/// A piece of a template.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Node {
    Text(String),
    Print(Pipeline),
    /// The first branch whose condition is true, or else the last.
    If(Vec<(Pipeline, Vec<Node>)>, Vec<Node>),
    /// For each value of a list, or else if there is none.
    Range(Pipeline, Vec<Node>, Vec<Node>),
    /// With a value that is not empty, or else.
    With(Pipeline, Vec<Node>, Vec<Node>),
}

/// Commands, the value of each the last argument of the next.
pub(crate) type Pipeline = Vec<Vec<Operand>>;

/// A word of a command.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Operand {
    Literal(Value),
    /// `.` and the names behind it.
    Field(Vec<String>),
    /// A pipeline in parentheses, and the names behind it.
    Sub(Pipeline, Vec<String>),
    Function(String),
}

/// Reads a template.
pub(crate) fn parse(text: &str) -> Result<Vec<Node>, Failure> {
    let mut parser = Parser { pieces: split(text)?.into_iter().peekable(), depth: 0 };
    let (nodes, end) = parser.nodes()?;
    match end {
        End::Text => Ok(nodes),
        _ => Err(failure("`else` or `end` without a beginning")),
    }
}

/// The labels that a template asks for by `.Meta`.
pub(crate) fn labels(template: &[Node]) -> Vec<String> {
    let (mut pipelines, mut bodies): (Vec<&Pipeline>, Vec<&[Node]>) = (Vec::new(), Vec::new());
    for node in template {
        match node {
            Node::Text(_) => {}
            Node::Print(pipeline) => pipelines.push(pipeline),
            Node::If(branches, otherwise) => {
                pipelines.extend(branches.iter().map(|(condition, _)| condition));
                bodies.extend(branches.iter().map(|(_, nodes)| &**nodes).chain([&**otherwise]));
            }
            Node::Range(pipeline, nodes, otherwise) | Node::With(pipeline, nodes, otherwise) => {
                pipelines.push(pipeline);
                bodies.extend([&**nodes, otherwise]);
            }
        }
    }
    let of_pipelines = pipelines.into_iter().flat_map(labels_of);
    of_pipelines.chain(bodies.into_iter().flat_map(labels)).collect()
}

fn labels_of(pipeline: &Pipeline) -> Vec<String> {
    let mut found = Vec::new();
    for command in pipeline {
        if let [Operand::Field(path), Operand::Literal(Value::Text(label))] = &**command
            && *path == ["Meta"]
        {
            found.push(label.clone());
        }
        for operand in command {
            if let Operand::Sub(pipeline, _) = operand {
                found.extend(labels_of(pipeline));
            }
        }
    }
    found
}

/// Text, or the words of an action.
#[derive(Debug)]
enum Piece {
    Text(String),
    Action(Vec<Token>),
}

#[derive(Clone, PartialEq, Debug)]
enum Token {
    Word(String),
    Field(Vec<String>),
    Literal(Value),
    Pipe,
    Open,
    /// With the names behind it.
    Close(Vec<String>),
}

/// The words of an action, from some on.
type Tokens<'t> = Peekable<std::iter::Cloned<std::slice::Iter<'t, Token>>>;

struct Parser {
    pieces: Peekable<std::vec::IntoIter<Piece>>,
    depth: usize,
}

/// What ends a list of nodes.
enum End {
    Text,
    Closed,
    Else(Vec<Token>),
}

impl Parser {
    fn nodes(&mut self) -> Result<(Vec<Node>, End), Failure> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(failure("too deep"));
        }
        let mut nodes = Vec::new();
        let end = loop {
            let tokens = match self.pieces.next() {
                None => break End::Text,
                Some(Piece::Text(text)) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Some(Piece::Action(tokens)) => tokens,
            };
            match tokens.split_first() {
                None => {}
                Some((Token::Word(word), rest)) if word == "end" && rest.is_empty() => break End::Closed,
                Some((Token::Word(word), rest)) if word == "else" => break End::Else(rest.to_vec()),
                Some((Token::Word(word), rest)) if word == "if" => nodes.push(self.branches(rest)?),
                Some((Token::Word(word), rest)) if word == "range" => {
                    let (body, otherwise) = self.body()?;
                    nodes.push(Node::Range(pipeline(rest)?, body, otherwise));
                }
                Some((Token::Word(word), rest)) if word == "with" => {
                    let (body, otherwise) = self.body()?;
                    nodes.push(Node::With(pipeline(rest)?, body, otherwise));
                }
                Some(_) => nodes.push(Node::Print(pipeline(&tokens)?)),
            }
        };
        self.depth -= 1;
        Ok((nodes, end))
    }

    /// Reads behind `if`, up to its `end`.
    fn branches(&mut self, condition: &[Token]) -> Result<Node, Failure> {
        let mut branches = Vec::new();
        let mut condition = pipeline(condition)?;
        loop {
            let (nodes, end) = self.nodes()?;
            branches.push((condition, nodes));
            match end {
                End::Closed => return Ok(Node::If(branches, Vec::new())),
                End::Else(rest) if rest.is_empty() => return Ok(Node::If(branches, self.last_body()?)),
                End::Else(rest) => match rest.split_first() {
                    Some((Token::Word(word), rest)) if word == "if" => condition = pipeline(rest)?,
                    _ => return Err(failure("`else` is followed by nothing or by `if`")),
                },
                End::Text => return Err(failure("`if` without `end`")),
            }
        }
    }

    fn body(&mut self) -> Result<(Vec<Node>, Vec<Node>), Failure> {
        match self.nodes()? {
            (nodes, End::Closed) => Ok((nodes, Vec::new())),
            (nodes, End::Else(rest)) if rest.is_empty() => Ok((nodes, self.last_body()?)),
            _ => Err(failure("no `end`")),
        }
    }

    fn last_body(&mut self) -> Result<Vec<Node>, Failure> {
        match self.nodes()? {
            (nodes, End::Closed) => Ok(nodes),
            _ => Err(failure("no `end`")),
        }
    }
}

fn pipeline(tokens: &[Token]) -> Result<Pipeline, Failure> {
    let mut tokens: Tokens<'_> = tokens.iter().cloned().peekable();
    let pipeline = commands(&mut tokens, 0)?;
    match tokens.next() {
        None => Ok(pipeline),
        Some(_) => Err(failure("a parenthesis that closes nothing")),
    }
}

/// Reads up to the end, or a closing parenthesis.
fn commands(tokens: &mut Tokens<'_>, depth: usize) -> Result<Pipeline, Failure> {
    if depth > MAX_DEPTH {
        return Err(failure("too deep"));
    }
    let (mut pipeline, mut command) = (Vec::new(), Vec::new());
    while let Some(token) = tokens.next_if(|token| !matches!(token, Token::Close(_))) {
        match token {
            Token::Word(word) => command.push(word_operand(word)?),
            Token::Field(path) => command.push(Operand::Field(path)),
            Token::Literal(value) => command.push(Operand::Literal(value)),
            Token::Pipe => pipeline.push(std::mem::take(&mut command)),
            Token::Open => {
                let sub = commands(tokens, depth + 1)?;
                let Some(Token::Close(path)) = tokens.next() else {
                    return Err(failure("a parenthesis that is not closed"));
                };
                command.push(Operand::Sub(sub, path));
            }
            Token::Close(_) => {}
        }
    }
    pipeline.push(command);
    if pipeline.iter().any(Vec::is_empty) {
        return Err(failure("a command without words"));
    }
    Ok(pipeline)
}

fn word_operand(word: String) -> Result<Operand, Failure> {
    Ok(match word.as_str() {
        "true" => Operand::Literal(Value::Truth(true)),
        "false" => Operand::Literal(Value::Truth(false)),
        _ => match word.parse() {
            Ok(number) => Operand::Literal(Value::Number(number)),
            Err(_) if FUNCTIONS.contains(&word.as_str()) => Operand::Function(word),
            Err(_) => return Err(failure(format!("unknown word `{word}`"))),
        },
    })
}

/// Takes text and actions apart.
fn split(mut text: &str) -> Result<Vec<Piece>, Failure> {
    let mut pieces = Vec::new();
    while let Some((before, rest)) = text.split_once("{{") {
        let (rest, trims) = match rest.strip_prefix('-') {
            Some(trimmed) if trimmed.starts_with(char::is_whitespace) => (trimmed, true),
            _ => (rest, false),
        };
        pieces.push(Piece::Text(if trims { before.trim_end() } else { before }.to_owned()));
        let (tokens, after) = match rest.trim_start().strip_prefix("/*") {
            Some(comment) => {
                let (_, after) =
                    comment.split_once("*/").ok_or_else(|| failure("a comment without an end"))?;
                tokens(after)?
            }
            None => tokens(rest)?,
        };
        pieces.push(Piece::Action(tokens));
        text = after;
    }
    pieces.push(Piece::Text(text.to_owned()));
    Ok(pieces)
}

/// The words of an action, and the text behind its `}}`.
fn tokens(text: &str) -> Result<(Vec<Token>, &str), Failure> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some(&(at, c)) = chars.peek() {
        let rest = text.get(at..).unwrap_or_default();
        if let Some(after) = rest.strip_prefix("}}") {
            return Ok((tokens, after));
        }
        if let Some(after) = rest.strip_prefix("-}}") {
            return Ok((tokens, after.trim_start()));
        }
        match c {
            _ if c.is_whitespace() => drop(chars.next()),
            '|' | '(' => {
                chars.next();
                tokens.push(if c == '|' { Token::Pipe } else { Token::Open });
            }
            ')' => {
                chars.next();
                tokens.push(Token::Close(path(&mut chars)));
            }
            '.' => tokens.push(Token::Field(path(&mut chars))),
            '"' | '`' => tokens.push(Token::Literal(Value::Text(string(&mut chars)?))),
            _ if c.is_alphanumeric() || c == '_' || c == '-' => tokens.push(Token::Word(word(&mut chars))),
            _ => return Err(failure(format!("`{c}` has no meaning"))),
        }
    }
    Err(failure("`{{` without `}}`"))
}

/// The names behind dots: `.Group.a`.
fn path(chars: &mut Peekable<CharIndices<'_>>) -> Vec<String> {
    let mut names = Vec::new();
    while chars.next_if(|(_, c)| *c == '.').is_some() {
        let name = name(chars);
        // A lone dot is the value itself.
        if !name.is_empty() {
            names.push(name);
        }
    }
    names
}

fn name(chars: &mut Peekable<CharIndices<'_>>) -> String {
    let mut name = String::new();
    while let Some((_, c)) = chars.next_if(|(_, c)| c.is_alphanumeric() || *c == '_') {
        name.push(c);
    }
    name
}

fn word(chars: &mut Peekable<CharIndices<'_>>) -> String {
    let minus = chars.next_if(|(_, c)| *c == '-').map(|(_, c)| c);
    minus.into_iter().collect::<String>() + &name(chars)
}

/// A string in quotes, whose backslashes escape, or in backquotes, where they do not.
fn string(chars: &mut Peekable<CharIndices<'_>>) -> Result<String, Failure> {
    let quote = chars.next().map(|(_, c)| c);
    let mut string = String::new();
    while let Some((_, c)) = chars.next() {
        match c {
            _ if Some(c) == quote => return Ok(string),
            '\\' if quote == Some('"') => match chars.next() {
                Some((_, 'n')) => string.push('\n'),
                Some((_, 't')) => string.push('\t'),
                Some((_, c)) => string.push(c),
                None => break,
            },
            _ => string.push(c),
        }
    }
    Err(failure("a string without an end"))
}

fn failure(text: impl Into<String>) -> Failure {
    Failure(text.into())
}

/// What [`crate::functions`] has.
const FUNCTIONS: [&str; 15] = [
    "parseInt", "printf", "print", "len", "index", "slice", "eq", "ne", "lt", "le", "gt", "ge", "and", "or",
    "not",
];
/// Deeper than anybody writes, and not so deep that the stack ends.
const MAX_DEPTH: usize = 32;
