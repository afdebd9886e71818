//! From words to rules.

use cartonym_plugin::corefile::{Directive, Error, Word};
use cartonym_wire::Rcode;
use regex::Regex;

use crate::answer::{AnswerPlace, AnswerRule, NameChange};
use crate::pattern::{Pattern, fully_qualified, greatest_group};
use crate::rule::{Change, Rule, TtlRange};

/// Reads `rewrite [continue|stop] FIELD ...`, on one line or in braces.
pub(crate) fn rule(directive: &Directive) -> Result<Rule, Error> {
    let lines = directive.block_entries().iter();
    let block = lines.flat_map(|entry| std::iter::once(&entry.name).chain(&entry.args));
    let words: Vec<&Word> = directive.args.iter().chain(block).collect();
    let (goes_on, words) = match &*words {
        [first, rest @ ..] if **first == "continue" => (true, rest),
        [first, rest @ ..] if **first == "stop" => (false, rest),
        words => (false, words),
    };
    let [field, words @ ..] = words else { return Err(directive.error("`rewrite` takes a field")) };
    let (pattern, change) = match field.one_of(&FIELDS)? {
        "name" => {
            let (pattern, words) = pattern(field, words, 1)?;
            let change = name_change(field, &pattern, words)?;
            (Some(pattern), Change::Name(change))
        }
        "type" => {
            let [from, to] = exactly(field, words)?;
            (None, Change::Type { from: from.parse("a type")?, to: to.parse("a type")? })
        }
        "ttl" => {
            let (pattern, words) = pattern(field, words, 1)?;
            let [ttl] = exactly(field, words)?;
            let range = TtlRange::parse(ttl.as_str());
            let range =
                range.ok_or_else(|| ttl.error(format!("`{ttl}` is neither a TTL nor a range of them")))?;
            (Some(pattern), Change::Ttl(range))
        }
        "rcode" => {
            let (pattern, words) = pattern(field, words, 2)?;
            let [from, to] = exactly(field, words)?;
            (Some(pattern), Change::Rcode { from: rcode(from)?, to: rcode(to)? })
        }
        _ => return Err(field.error(format!("`rewrite {field}` is not supported yet"))),
    };
    Ok(Rule { goes_on, pattern, change })
}

/// Reads `[exact|prefix|suffix|substring|regex] FROM`, behind which are at least `more` words.
fn pattern<'a, 'w>(
    field: &Word,
    words: &'a [&'w Word],
    more: usize,
) -> Result<(Pattern, &'a [&'w Word]), Error> {
    let (kind, from, rest) = match words {
        [kind, from, rest @ ..] if rest.len() >= more && KINDS.contains(&kind.as_str()) => {
            (kind.as_str(), from, rest)
        }
        // A kind may be a name, too, where there is no word to spare.
        [from, rest @ ..] if rest.len() >= more => ("exact", from, rest),
        _ => return Err(field.error(format!("`rewrite {field}` has too few words"))),
    };
    let text = from.as_str().to_ascii_lowercase();
    let pattern = match kind {
        "exact" => Pattern::Exact(Box::new(from.parse("a domain name")?)),
        "prefix" => Pattern::Prefix(text),
        "suffix" => Pattern::Suffix(fully_qualified(&text).into_owned()),
        "substring" => Pattern::Substring(text),
        _ => Pattern::Regex(regex(from)?),
    };
    if from.as_str().is_empty() {
        return Err(from.error("nothing matches everywhere"));
    }
    Ok((pattern, rest))
}

/// Reads `TO [answer ANSWER]...`.
fn name_change(field: &Word, pattern: &Pattern, words: &[&Word]) -> Result<NameChange, Error> {
    let [to, words @ ..] = words else { return Err(field.error("no name to change to")) };
    let text = match pattern {
        Pattern::Prefix(_) | Pattern::Substring(_) => to.as_str().to_ascii_lowercase(),
        _ => fully_qualified(to.as_str()).into_owned(),
    };
    if let Pattern::Regex(regex) = pattern {
        check_groups(regex, to)?;
    }
    let mut change = NameChange { to: text, auto: false, answers: Vec::new() };
    let mut words = words.iter().peekable();
    let mut first = true;
    while let Some(word) = words.next() {
        // `answer` may be left out before all but the first.
        let place = match (word.as_str(), first) {
            ("answer", _) => {
                words.next().ok_or_else(|| word.error("`answer` takes `auto`, `name` or `value`"))?
            }
            (_, true) => return Err(word.error(format!("`{word}` is not `answer`"))),
            (_, false) => word,
        };
        first = false;
        let place = match place.one_of(&["auto", "name", "value"])? {
            "auto" => {
                change.auto = true;
                continue;
            }
            "name" => AnswerPlace::Owner,
            _ => AnswerPlace::Value,
        };
        let (Some(from), Some(to)) = (words.next(), words.next()) else {
            return Err(word.error("an answer rule takes an expression and what to make of it"));
        };
        let regex = regex(from)?;
        check_groups(&regex, to)?;
        change.answers.push(AnswerRule { place, regex, to: to.as_str().to_owned() });
    }
    Ok(change)
}

fn regex(word: &Word) -> Result<Regex, Error> {
    Regex::new(word.as_str()).map_err(|error| word.error(format!("{error}")))
}

fn check_groups(regex: &Regex, to: &Word) -> Result<(), Error> {
    let has = regex.captures_len() - 1;
    match greatest_group(to.as_str()) {
        asked if asked > has => {
            Err(to.error(format!("`{to}` asks for group {asked}, but the expression has {has}")))
        }
        _ => Ok(()),
    }
}

fn rcode(word: &Word) -> Result<Rcode, Error> {
    match word.as_str().parse::<u16>() {
        Ok(number) if number < 0x1000 => Ok(Rcode(number)),
        _ => word.parse("an rcode"),
    }
}

fn exactly<'a, 'w, const N: usize>(field: &Word, words: &'a [&'w Word]) -> Result<&'a [&'w Word; N], Error> {
    words.try_into().map_err(|_| {
        let at = words.get(N).copied().unwrap_or(field);
        at.error(format!("`rewrite {field}` has too {} words", if words.len() > N { "many" } else { "few" }))
    })
}

const KINDS: [&str; 5] = ["exact", "prefix", "suffix", "substring", "regex"];
const FIELDS: [&str; 7] = ["name", "type", "ttl", "rcode", "class", "edns0", "cname"];
