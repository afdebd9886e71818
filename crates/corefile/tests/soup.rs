//! Whatever a file holds: no panic, an end, and what was understood reads back the same.

use cartonym_corefile::{Corefile, Directive, Memory};

/// Words that mean something, and some that do not.
const WORDS: &[&str] = &[
    "{",
    "{",
    "}",
    "}",
    "\n",
    "\n",
    "\n",
    " ",
    " ",
    " ",
    "\t",
    "\"",
    "\"",
    "\\",
    "\\\"",
    "#",
    ",",
    ":",
    ":53",
    ":99999",
    "/24",
    "::/0",
    ".",
    ".:53",
    "example.org",
    "a..b",
    "tls://",
    "DNS://x",
    "10.0.0.0/25",
    "2001:db8::/33",
    "import",
    "import ",
    "(s)",
    "(t) {",
    "s",
    "t",
    "*",
    "?",
    "*.conf",
    "a.conf",
    "b.conf",
    "[",
    "]",
    "{$A}",
    "{$L}",
    "{%A%}",
    "{$",
    "{%",
    "%}",
    "{$}",
    "cache",
    "log",
    "\"a b\"",
    "\"\"",
    "\r\n",
    "\u{feff}",
    "é",
    "\u{2003}",
    "\0",
    "\u{7f}",
    "()",
    "\"{\"",
    "(",
];

/// A xorshift generator: the same soups on each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn soup(&mut self, words: usize) -> String {
        (0..words).map(|_| WORDS[self.below(WORDS.len())]).collect()
    }

    /// More often well-formed than a soup.
    fn lines(&mut self, depth: usize) -> String {
        let mut text = String::new();
        for _ in 0..self.below(4) {
            for _ in 0..=self.below(3) {
                text.push_str(WORDS[self.below(WORDS.len())]);
                text.push(' ');
            }
            if depth < 4 && self.below(3) == 0 {
                text.push_str(&format!("{{\n{}}}", self.lines(depth + 1)));
            }
            text.push('\n');
        }
        text
    }
}

fn world() -> Memory {
    Memory::new()
        .file("a.conf", "log\ncache {\n success 1\n}\n")
        .file("b.conf", "import a.conf\nimport s")
        .file("c.conf", "import c.conf")
        .variable("A", "xy")
        .variable("L", "{$L}{$L}")
}

/// What a tree says, without its places and quotes.
fn shape(corefile: &Corefile) -> Vec<(Vec<String>, Vec<Shape>)> {
    let keys =
        |server: &cartonym_corefile::ServerBlock| server.keys.iter().map(|key| key.to_string()).collect();
    corefile.servers.iter().map(|server| (keys(server), shapes(&server.directives))).collect()
}

#[derive(Debug, PartialEq)]
struct Shape(Vec<String>, Option<Vec<Shape>>);

fn shapes(directives: &[Directive]) -> Vec<Shape> {
    let words =
        |d: &Directive| std::iter::once(&d.name).chain(&d.args).map(|word| word.text.clone()).collect();
    directives.iter().map(|d| Shape(words(d), d.block.as_deref().map(shapes))).collect()
}

/// Returns whether the text was understood.
fn check(text: &str) -> bool {
    let corefile = match Corefile::parse("t", text, &world()) {
        Ok(corefile) => corefile,
        Err(error) => {
            assert!(error.position.line > 0 && error.position.column > 0, "{text:?}");
            assert!(!error.message.contains('\n'), "{text:?}");
            return false;
        }
    };
    let again = corefile.to_string();
    // Variables may leave words that cannot be written without them: a quote first and `\"` later, or what looks like a
    // variable but stood behind a `{$}`.
    let variables = text.contains("{$") || text.contains("{%");
    if variables && ["\\\\\"", "{$", "{%"].iter().any(|part| again.contains(part)) {
        return true;
    }
    match Corefile::parse("again", &again, &Memory::new()) {
        Ok(other) => assert_eq!(shape(&other), shape(&corefile), "{text:?}\n{again}"),
        Err(error) => panic!("{error}\n{text:?}\n{again}"),
    }
    true
}

#[test]
fn no_soup_of_words_panics_and_what_is_understood_reads_back_the_same() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let understood = (0..30_000).filter(|round| check(&random.soup(1 + round % 40))).count();
    assert!(understood > 1_000, "{understood}");
}

#[test]
fn nested_lines_read_back_the_same() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let understood = (0..10_000).filter(|_| check(&format!(".:53 {{\n{}}}\n", random.lines(0)))).count();
    assert!(understood > 500, "{understood}");
}

#[test]
fn no_prefix_of_a_file_panics() {
    let text = "(s) {\n errors\n}\na.org, tls://b.org:1 {\n import s\n forward . \"x \\\" y\" {$A} {\n  except é # c\n }\n}\n";
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        check(&text[..end]);
    }
    assert!(check(text));
}
