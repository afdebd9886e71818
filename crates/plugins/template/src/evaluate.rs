//! Filling a template in.

use crate::functions::call;
use crate::language::{Node, Operand, Pipeline};
use crate::value::{Failure, Value};

/// The text of a template for `data`.
pub(crate) fn render(template: &[Node], data: &Value) -> Result<String, Failure> {
    let mut text = String::new();
    write(template, data, &mut text)?;
    Ok(text)
}

fn write(nodes: &[Node], dot: &Value, text: &mut String) -> Result<(), Failure> {
    for node in nodes {
        match node {
            Node::Text(literal) => text.push_str(literal),
            Node::Print(pipeline) => text.push_str(&value(pipeline, dot)?.to_string()),
            Node::If(branches, otherwise) => {
                let mut chosen = otherwise;
                for (condition, nodes) in branches {
                    if value(condition, dot)?.is_true() {
                        chosen = nodes;
                        break;
                    }
                }
                write(chosen, dot, text)?;
            }
            Node::Range(list, nodes, otherwise) => match value(list, dot)? {
                Value::List(values) if !values.is_empty() => {
                    values.iter().try_for_each(|value| write(nodes, value, text))?;
                }
                Value::List(_) | Value::Nothing => write(otherwise, dot, text)?,
                other => return Err(Failure(format!("{other} is not a list"))),
            },
            Node::With(pipeline, nodes, otherwise) => match value(pipeline, dot)? {
                value if value.is_true() => write(nodes, &value, text)?,
                _ => write(otherwise, dot, text)?,
            },
        }
        if text.len() > MAX_LEN {
            return Err(Failure("too long".to_owned()));
        }
    }
    Ok(())
}

fn value(pipeline: &Pipeline, dot: &Value) -> Result<Value, Failure> {
    let mut piped = None;
    for command in pipeline {
        piped = Some(match command.split_first() {
            Some((Operand::Function(name), operands)) => {
                let mut arguments = operands
                    .iter()
                    .map(|operand| operand_value(operand, dot))
                    .collect::<Result<Vec<_>, _>>()?;
                arguments.extend(piped);
                call(name, &arguments)?
            }
            // The one field that is a function.
            Some((Operand::Field(path), [label])) if *path == ["Meta"] && piped.is_none() => {
                call("index", &[walk(dot.clone(), path)?, operand_value(label, dot)?])?
            }
            Some((operand, [])) if piped.is_none() => operand_value(operand, dot)?,
            _ => return Err(Failure("only a function takes arguments".to_owned())),
        });
    }
    piped.ok_or_else(|| Failure("a pipeline without commands".to_owned()))
}

fn operand_value(operand: &Operand, dot: &Value) -> Result<Value, Failure> {
    match operand {
        Operand::Literal(value) => Ok(value.clone()),
        Operand::Field(path) => walk(dot.clone(), path),
        Operand::Sub(pipeline, path) => walk(value(pipeline, dot)?, path),
        Operand::Function(name) => call(name, &[]),
    }
}

fn walk(value: Value, path: &[String]) -> Result<Value, Failure> {
    path.iter().try_fold(value, |value, name| value.field(name))
}

/// A record has at most 65535 octets of RDATA, and an octet at most four characters.
const MAX_LEN: usize = 4 * 65_535 + 1024;
