//! Conversations as text.

use std::fmt;
use std::time::Duration;

use cartonym_plugin::Transport;
use cartonym_wire::{Class, Flags, Opcode, OptionCode};

use crate::{Ask, Tester};

/// Files, a configuration, and a conversation, from a text such as this:
///
/// ```text
/// # An alias is followed within the zone.
///
/// corefile
///     . {
///         file db.example example.
///     }
///
/// file db.example
///     example.       3600 SOA   ns.test. hostmaster.test. 1 2 3 4 60
///     www.example.   300  A     192.0.2.1
///     alias.example. 300  CNAME www
///
/// ? alias.example. A
///     NOERROR aa
///     answer alias.example. 300 CNAME www.example.
///     answer www.example. 300 A 192.0.2.1
///
/// ? nothing.example. A edns=1232 tcp
///     NXDOMAIN aa
///     authority example. 60 SOA ...
/// ```
///
/// Sections begin at the margin, and what is theirs is indented; `#` begins a comment at the margin. Of an answer, the
/// first line is rcode and flags as [`Answer`](crate::Answer) displays them, the others are its records, in no order. `...` stands for
/// the rest of a line. `nothing` is what comes of a query that is dropped.
///
/// Behind a question may stand `tcp`, `tls`, `https`, `internal`, `from=ADDRESS`, `edns=OCTETS`, `do`, `option=CODE:HEX`,
/// `class=CLASS`, `opcode=OPCODE`, and instead of RD the flags `flags=none`, `flags=rd,ad,cd`. `at SECONDS` sets the
/// clock, `random NUMBER` the number that chooses.
#[derive(Clone, Debug, Default)]
pub struct Scenario {
    corefile: String,
    files: Vec<(String, String)>,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    At(Duration),
    Random(u64),
    Ask(Box<Exchange>),
}

/// A question, and what should come of it.
#[derive(Clone, Debug)]
struct Exchange {
    line: usize,
    question: String,
    ask: Ask,
    expected: Vec<String>,
}

/// Where a conversation went another way than its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    line: usize,
    question: String,
    expected: String,
    found: String,
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    ///
    /// The number of the line that cannot be read, and why.
    pub fn parse(text: &str) -> Result<Scenario, String> {
        let mut scenario = Scenario::default();
        for (line, head, body) in sections(text) {
            scenario.section(line, head, body).map_err(|why| format!("line {line}: {why}"))?;
        }
        match scenario.steps.is_empty() {
            true => Err("no question is asked".to_owned()),
            false => Ok(scenario),
        }
    }

    fn section(&mut self, line: usize, head: &str, body: Vec<&str>) -> Result<(), String> {
        let (word, rest) = head.split_once(' ').unwrap_or((head, ""));
        match word {
            "corefile" => self.corefile = lines(&body),
            "file" => self.files.push((rest.to_owned(), lines(&body))),
            "at" => self.steps.push(Step::At(Duration::from_secs(number(rest)?))),
            "random" => self.steps.push(Step::Random(number(rest)?)),
            "?" if body.is_empty() => return Err("a question without an answer".to_owned()),
            "?" => self.steps.push(Step::Ask(Box::new(Exchange {
                line,
                question: rest.to_owned(),
                ask: question(rest)?,
                expected: body.iter().map(|line| squeeze(line)).collect(),
            }))),
            _ => return Err(format!("`{word}` begins no section")),
        }
        Ok(())
    }

    /// The text of the configuration; empty if there is none.
    pub fn corefile(&self) -> &str {
        &self.corefile
    }

    /// The files: name and text.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// How many questions are asked.
    pub fn questions(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step, Step::Ask(_))).count()
    }

    /// Asks all questions, one after the other.
    ///
    /// # Errors
    ///
    /// Every answer that is not as expected.
    pub fn play(&self, mut tester: Tester) -> Result<(), Vec<Mismatch>> {
        let mut mismatches = Vec::new();
        for step in &self.steps {
            match step {
                Step::At(now) => tester = tester.now(*now),
                Step::Random(random) => tester = tester.random(*random),
                Step::Ask(exchange) => mismatches.extend(exchange.play(&tester)),
            }
        }
        if mismatches.is_empty() { Ok(()) } else { Err(mismatches) }
    }
}

impl Exchange {
    fn play(&self, tester: &Tester) -> Option<Mismatch> {
        let found = match tester.resolve(&self.ask) {
            Some(answer) => answer.to_string().lines().map(squeeze).collect(),
            None => vec!["nothing".to_owned()],
        };
        (!matches(&self.expected, &found)).then(|| Mismatch {
            line: self.line,
            question: self.question.clone(),
            expected: self.expected.join("\n    "),
            found: found.join("\n    "),
        })
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch { line, question, expected, found } = self;
        write!(f, "line {line}: {question}\n  expected\n    {expected}\n  found\n    {found}")
    }
}

/// The sections of a text: the number of the first line, that line, and the indented lines below it, without what
/// they are all indented by.
fn sections(text: &str) -> Vec<(usize, &str, Vec<&str>)> {
    let mut sections: Vec<(usize, &str, Vec<&str>)> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        match (line.starts_with([' ', '\t']), sections.last_mut()) {
            _ if line.starts_with('#') => {}
            (false, _) if line.trim().is_empty() => {}
            (true, Some((.., body))) if !line.trim().is_empty() => body.push(line),
            (true, _) => {}
            (false, _) => sections.push((number, line.trim_end(), Vec::new())),
        }
    }
    for (.., body) in &mut sections {
        let indent = body.iter().map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
        body.iter_mut().for_each(|line| *line = &line[indent..]);
    }
    sections
}

fn lines(body: &[&str]) -> String {
    body.iter().fold(String::new(), |text, line| text + line + "\n")
}

fn number(text: &str) -> Result<u64, String> {
    text.trim().parse().map_err(|_| format!("not a number: `{text}`"))
}

/// `www.example. A edns=1232 tcp`.
fn question(text: &str) -> Result<Ask, String> {
    let mut words = text.split_whitespace();
    let (Some(name), Some(qtype)) = (words.next(), words.next()) else {
        return Err("a question is a name and a type".to_owned());
    };
    let wrong = |what: &str| format!("not {what}: `{text}`");
    name.parse::<cartonym_wire::NameBuf>().map_err(|_| wrong("a name"))?;
    qtype.parse::<cartonym_wire::Type>().map_err(|_| wrong("a type"))?;
    words.try_fold(Ask::new(&format!("{name} {qtype}")), |ask, word| {
        special(ask, word).ok_or_else(|| wrong(&format!("known or well written (`{word}`)")))
    })
}

fn special(ask: Ask, word: &str) -> Option<Ask> {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    Some(match key {
        "tcp" => ask.over(Transport::Tcp),
        "tls" => ask.over(Transport::Tls),
        "https" => ask.over(Transport::Https),
        "internal" => ask.over(Transport::Internal),
        "do" => ask.dnssec_ok(),
        "edns" => ask.edns(value.parse().ok()?),
        "class" => ask.class(value.parse::<Class>().ok()?),
        "opcode" => {
            let opcode: Opcode = value.parse().ok()?;
            ask.flags(Flags::default().with_opcode(opcode))
        }
        "flags" => ask.flags(
            value.split(',').try_fold(Flags::default(), |flags, name| Some(flags.with(flag(name)?, true)))?,
        ),
        "from" => {
            let is_address = value.parse::<std::net::IpAddr>().is_ok();
            (is_address || value.parse::<std::net::SocketAddr>().is_ok()).then(|| ask.from(value))?
        }
        "option" => {
            let (code, hex) = value.split_once(':')?;
            ask.option(OptionCode(code.parse().ok()?), &octets(hex)?)
        }
        _ => return None,
    })
}

fn flag(name: &str) -> Option<Flags> {
    Some(match name {
        "none" => Flags::default(),
        "aa" => Flags::AA,
        "tc" => Flags::TC,
        "rd" => Flags::RD,
        "ra" => Flags::RA,
        "z" => Flags::Z,
        "ad" => Flags::AD,
        "cd" => Flags::CD,
        _ => return None,
    })
}

fn octets(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let (pairs, []) = digits.as_ref()?.as_chunks::<2>() else { return None };
    Some(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// With single blanks, so that a text may be set in columns.
fn squeeze(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the first lines are the same, and the others in some order.
fn matches(expected: &[String], found: &[String]) -> bool {
    let (Some((status, records)), Some((found_status, found))) =
        (expected.split_first(), found.split_first())
    else {
        return false;
    };
    let mut left: Vec<&String> = found.iter().collect();
    for record in records {
        let Some(at) = left.iter().position(|line| fits(record, line)) else { return false };
        left.swap_remove(at);
    }
    status == found_status && left.is_empty()
}

fn fits(expected: &str, found: &str) -> bool {
    match expected.strip_suffix("...") {
        Some(start) => found.starts_with(start.trim_end()),
        None => expected == found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Canned;

    const TEXT: &str = "
# A comment.
corefile
    . {
        whoami
    }

file db.example
  @ A 192.0.2.1
    A 192.0.2.2

? www.example. A
    NOERROR
    answer www.example. 60 A 192.0.2.1
    answer www.example.   60 A ...
";

    fn tester() -> Tester {
        Tester::of(Canned::new("www.example. 60 A 192.0.2.2\nwww.example. 60 A 192.0.2.1"))
    }

    #[test]
    fn a_text_becomes_files_and_a_conversation() {
        let scenario = Scenario::parse(TEXT).unwrap();
        assert_eq!(scenario.corefile(), ". {\n    whoami\n}\n");
        assert_eq!(scenario.files().collect::<Vec<_>>(), [("db.example", "@ A 192.0.2.1\n  A 192.0.2.2\n")]);
        assert_eq!(scenario.questions(), 1);
        assert_eq!(scenario.play(tester()), Ok(()));
    }

    #[test]
    fn an_answer_that_differs_is_shown_with_its_line() {
        for (wrong, right) in [("NOERROR", "NXDOMAIN"), ("A ...", "A 192.0.2.3"), ("60 A ...", "60 AAAA ...")]
        {
            let scenario = Scenario::parse(&TEXT.replace(wrong, right)).unwrap();
            let mismatches = scenario.play(tester()).unwrap_err();
            assert!(mismatches[0].to_string().starts_with("line 12: www.example. A\n"), "{mismatches:?}");
        }
        let fewer = TEXT.replace("    answer www.example. 60 A 192.0.2.1\n", "");
        assert!(Scenario::parse(&fewer).unwrap().play(tester()).is_err());
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        for (text, expected) in [
            ("", "no question is asked"),
            ("? a. A", "line 1: a question without an answer"),
            ("\n? a.. A\n nothing", "line 2: not a name: `a.. A`"),
            ("? a. A edns=x\n nothing", "line 1: not known or well written (`edns=x`): `a. A edns=x`"),
            ("ask a. A", "line 1: `ask` begins no section"),
        ] {
            assert_eq!(Scenario::parse(text).unwrap_err(), expected);
        }
    }
}
