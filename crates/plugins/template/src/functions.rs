//! Functions of templates.

use std::cmp::Ordering;

use crate::value::{Failure, Value};

/// What a function makes of its arguments.
pub(crate) fn call(name: &str, arguments: &[Value]) -> Result<Value, Failure> {
    match (name, arguments) {
        ("parseInt", [Value::Text(text), base, bits]) => parse_int(text, base.number()?, bits.number()?),
        ("printf", [Value::Text(format), arguments @ ..]) => printf(format, arguments).map(Value::Text),
        ("print", values) => Ok(Value::Text(values.iter().map(Value::to_string).collect())),
        ("len", [Value::Text(text)]) => Ok(Value::Number(text.len() as i64)),
        ("len", [Value::List(values)]) => Ok(Value::Number(values.len() as i64)),
        ("index", [value, keys @ ..]) => keys.iter().try_fold(value.clone(), index),
        ("slice", [Value::Text(text), bounds @ ..]) => slice(text, bounds),
        ("eq", [value, others @ ..]) if !others.is_empty() => Ok(Value::Truth(others.contains(value))),
        ("ne", [a, b]) => Ok(Value::Truth(a != b)),
        ("lt", [a, b]) => Ok(Value::Truth(compare(a, b)?.is_lt())),
        ("le", [a, b]) => Ok(Value::Truth(compare(a, b)?.is_le())),
        ("gt", [a, b]) => Ok(Value::Truth(compare(a, b)?.is_gt())),
        ("ge", [a, b]) => Ok(Value::Truth(compare(a, b)?.is_ge())),
        ("not", [value]) => Ok(Value::Truth(!value.is_true())),
        // The first that decides, or the last.
        ("and", [.., last]) => Ok(arguments.iter().find(|value| !value.is_true()).unwrap_or(last).clone()),
        ("or", [.., last]) => Ok(arguments.iter().find(|value| value.is_true()).unwrap_or(last).clone()),
        _ => Err(Failure(format!("`{name}` does not take these arguments"))),
    }
}

/// A number without a sign in some base, that has at most so many bits.
fn parse_int(text: &str, base: i64, bits: i64) -> Result<Value, Failure> {
    let failure = || Failure(format!("{text} is not a number of base {base} with {bits} bits"));
    let radix = u32::try_from(base).ok().filter(|base| (2..=36).contains(base)).ok_or_else(failure)?;
    let number = u64::from_str_radix(text, radix).map_err(|_| failure())?;
    let bits = if bits == 0 { 63 } else { bits.clamp(1, 63) };
    match i64::try_from(number) {
        Ok(value) if number >> bits == 0 && !text.starts_with('+') => Ok(Value::Number(value)),
        _ => Err(failure()),
    }
}

fn index(value: Value, key: &Value) -> Result<Value, Failure> {
    match (value, key) {
        (Value::List(values), Value::Number(at)) => {
            let found = usize::try_from(*at).ok().and_then(|at| values.into_iter().nth(at));
            found.ok_or_else(|| Failure(format!("no value at {at}")))
        }
        (map @ Value::Map { .. }, Value::Text(name)) => map.field(name),
        (value, key) => Err(Failure(format!("{value} has no index {key}"))),
    }
}

fn slice(text: &str, bounds: &[Value]) -> Result<Value, Failure> {
    let bound = |at: usize, default: usize| match bounds.get(at) {
        Some(bound) => usize::try_from(bound.number()?).map_err(|_| Failure("a bound below zero".to_owned())),
        None => Ok(default),
    };
    let (start, end) = (bound(0, 0)?, bound(1, text.len())?);
    let part = text.get(start..end).filter(|_| bounds.len() <= 2);
    part.map(Value::text).ok_or_else(|| Failure(format!("no part {start} to {end} of {text}")))
}

fn compare(a: &Value, b: &Value) -> Result<Ordering, Failure> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => Ok(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) => Ok(a.cmp(b)),
        _ => Err(Failure(format!("{a} and {b} do not compare"))),
    }
}

/// `%[-][0][WIDTH]VERB`
fn printf(format: &str, arguments: &[Value]) -> Result<String, Failure> {
    let (mut text, mut arguments) = (String::new(), arguments.iter());
    let mut parts = format.split('%');
    text.push_str(parts.next().unwrap_or_default());
    while let Some(part) = parts.next() {
        if part.is_empty() {
            // `%%`: the text behind it is a part of its own.
            text.push('%');
            text.push_str(parts.next().unwrap_or_default());
            continue;
        }
        let (flags, rest) = part.split_at(part.len() - part.trim_start_matches(['-', '0']).len());
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (width, rest) = rest.split_at(digits);
        let width = width.parse().unwrap_or(0).min(MAX_WIDTH);
        let mut rest = rest.chars();
        let argument =
            arguments.next().ok_or_else(|| Failure("`printf` has too few arguments".to_owned()))?;
        let word = match (rest.next(), argument) {
            (Some('d'), Value::Number(number)) => number.to_string(),
            (Some('x'), Value::Number(number)) => format!("{number:x}"),
            (Some('X'), Value::Number(number)) => format!("{number:X}"),
            (Some('o'), Value::Number(number)) => format!("{number:o}"),
            (Some('b'), Value::Number(number)) => format!("{number:b}"),
            (Some('s'), Value::Text(text)) => text.clone(),
            (Some('q'), Value::Text(text)) => format!("{text:?}"),
            (Some('v'), value) => value.to_string(),
            (verb, value) => return Err(Failure(format!("`printf` has no {verb:?} for {value}"))),
        };
        text.push_str(&padded(&word, width, flags));
        text.push_str(rest.as_str());
    }
    Ok(text)
}

fn padded(word: &str, width: usize, flags: &str) -> String {
    match (flags.contains('-'), flags.contains('0')) {
        (true, _) => format!("{word:<width$}"),
        (false, true) => format!("{word:0>width$}"),
        (false, false) => format!("{word:>width$}"),
    }
}

const MAX_WIDTH: usize = 255;

#[cfg(test)]
mod tests {
    use crate::evaluate::render;
    use crate::language::parse;
    use crate::value::{Failure, Value};

    fn fill(template: &str) -> Result<String, Failure> {
        let map = |entries: &[(&str, Value)], is_open| Value::Map {
            entries: entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            is_open,
        };
        let group = map(&[("a", Value::text("0a")), ("empty", Value::text(""))], true);
        let matched = Value::List(vec![Value::text("x"), Value::text("10")]);
        let data = map(&[("Name", Value::text("ab.example.")), ("Group", group), ("Match", matched)], false);
        render(&parse(template)?, &data)
    }

    #[test]
    fn actions_are_filled_in() {
        let table = [
            ("plain", "plain"),
            ("{{ .Name }} {{.Group.a}}", "ab.example. 0a"),
            ("{{ index .Match 1 }} {{ .Match }}", "10 [x 10]"),
            ("{{ index .Group \"a\" }}", "0a"),
            ("{{ parseInt .Group.a 16 8 }}", "10"),
            ("{{ .Name | len }} {{ len .Match }}", "11 2"),
            ("{{ slice .Name 3 }} {{ slice .Name 0 2 }}", "example. ab"),
            ("{{ printf \"%03d-%s-%%-%x\" (parseInt \"7\" 10 8) .Group.a 255 }}", "007-0a-%-ff"),
            ("{{ printf \"%5s|%-5s|\" .Group.a .Group.a }}", "   0a|0a   |"),
            ("{{ print 1 \"b\" true }} {{ print `\\n` }}", "1btrue \\n"),
            ("{{ if .Group.a }}yes{{ else }}no{{ end }}", "yes"),
            ("{{ if .Group.empty }}yes{{ else if .Group.none }}maybe{{ else }}no{{ end }}", "no"),
            (
                "{{ if eq .Group.a \"0a\" \"x\" }}eq{{ end }}{{ if and (ne 1 2) (not (lt 2 1)) }}, and{{ end }}",
                "eq, and",
            ),
            ("{{ if or (gt 1 2) (ge 2 2) (le 3 2) }}or{{ end }}", "or"),
            (
                "{{ range .Match }}<{{ . }}>{{ end }}{{ range .Group.none }}{{ else }}none{{ end }}",
                "<x><10>none",
            ),
            ("{{ with .Group.a }}{{ . }}{{ end }}{{ with .Group.none }}x{{ else }}y{{ end }}", "0ay"),
            ("a  {{- /* a comment */ -}}  b {{- 1 -}} c", "ab1c"),
            ("{{ (index .Match 0) | printf \"%s%s\" .Group.a }}", "0ax"),
            ("{{ .Group.none }}", "<no value>"),
        ];
        for (template, text) in table {
            assert_eq!(fill(template).as_deref(), Ok(text), "{template}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_a_failure() {
        for template in [
            "{{ .Nope }}",
            "{{ .Name.Nope }}",
            "{{ index .Match 2 }}",
            "{{ index .Match -1 }}",
            "{{ parseInt \"256\" 10 8 }}",
            "{{ parseInt \"x\" 10 8 }}",
            "{{ parseInt \"1\" 99 8 }}",
            "{{ slice .Name 5 3 }}",
            "{{ slice .Name 0 99 }}",
            "{{ printf \"%d\" \"x\" }}",
            "{{ printf \"%d\" }}",
            "{{ lt 1 \"a\" }}",
            "{{ .Name 1 }}",
            "{{ range .Name }}{{ end }}",
            "{{",
            "{{ nope }}",
            "{{ if .Name }}",
            "{{ end }}",
            "{{ else }}",
            "{{ | }}",
            "{{ ( }}",
            "{{ (.Name }}",
            "{{ .Name) }}",
            "{{ \"x }}",
            "{{ $x := 1 }}",
            "{{ /* }}",
            "{{ if }}{{ end }}",
        ] {
            assert!(fill(template).is_err(), "{template}: {:?}", fill(template));
        }
        let deep = "{{ if true }}".repeat(1000);
        assert!(parse(&deep).is_err());
        let deep = format!("{{{{ {} 1 {} }}}}", "(".repeat(1000), ")".repeat(1000));
        assert!(parse(&deep).is_err());
    }
}
