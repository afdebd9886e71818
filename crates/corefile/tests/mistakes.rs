//! What broken files are told, word by word.

use cartonym_corefile::{Corefile, Memory};

/// Reads `text`, and expects the error that displays as `message`, with that help; an empty help is none.
#[track_caller]
fn check(text: &str, message: &str, help: &str) {
    let source = Memory::new()
        .file("one.conf", "whoami\n")
        .file("broken.conf", "log\n{\n")
        .file("itself.conf", "import itself.conf")
        .file("folder/x.conf", "log")
        .variable("LOOP", "{$LOOP}");
    match Corefile::parse("t", text, &source) {
        Ok(corefile) => panic!("{text}\nis taken as\n{corefile}"),
        Err(error) => {
            assert_eq!(error.to_string(), message, "{text:.400}");
            assert_eq!(error.help.unwrap_or_default(), help, "{text}");
        }
    }
}

#[test]
fn braces_out_of_place() {
    let alone = "put it on a line of its own";
    let end = "put it at the end of the line of the directive that it belongs to";
    for (text, message, help) in [
        (".:1053 { whoami }", "t:1:17: `}` cannot end the line of `whoami`", alone),
        (".:1053 {\n whoami }", "t:2:9: `}` cannot end the line of `whoami`", alone),
        (". {\n cache 30 { success 2000 }\n}", "t:2:26: `}` cannot end the line of `success`", alone),
        (". {\n cache\n {\n}\n}", "t:3:2: a line cannot begin with `{`", end),
        (". {\n cache {\n  {\n  }\n }\n}", "t:3:3: a line cannot begin with `{`", end),
        (". {\n cache { {\n }\n}", "t:2:10: a line cannot begin with `{`", end),
        (". {\n cache {\n } log\n}", "t:3:4: `log` cannot follow `}` on its line", alone),
        (". {\n cache {\n } }\n}", "t:3:4: `}` cannot follow `}` on its line", alone),
        (". {\n a {\n  b {\n } {\n", "t:4:4: `{` cannot follow `}` on its line", alone),
        ("localhost\n dir1 {\n } }", "t:3:4: `}` cannot follow `}` on its line", alone),
        ("a {\n}\n}\nb {\n}", "t:3:1: `}` closes nothing", "remove it"),
        (". { {\n}", "t:1:5: a line cannot begin with `{`", end),
    ] {
        check(text, message, help);
    }
}

#[test]
fn braces_that_are_missing() {
    for (text, message, help) in [
        (".:53 {\n whoami\n", "t:1:6: this `{` is never closed", "a `}` is missing after `whoami`"),
        (". {", "t:1:3: this `{` is never closed", "a `}` is missing after `{`"),
        (". {\n cache {\n  success 1\n", "t:2:8: this `{` is never closed", "a `}` is missing after `1`"),
        (". {\n cache {\n  success 1\n }\n", "t:1:3: this `{` is never closed", "a `}` is missing after `}`"),
        ("a {\n whoami\nb {\n log\n}\n", "t:1:3: this `{` is never closed", "a `}` is missing after `}`"),
        ("(s) {\n log\n", "t:1:5: this `{` is never closed", "a `}` is missing after `log`"),
        (". {\n log \"x }\n}\n", "t:2:6: this quote is never closed", "close it with `\"`"),
        ("(s) {\n log \"x }\n}\n", "t:2:6: this quote is never closed", "close it with `\"`"),
    ] {
        check(text, message, help);
    }
}

#[test]
fn keys_that_are_no_zones() {
    let root = "the root zone is written as `.`";
    let port = "a port is a number up to 65535";
    for (text, message, help) in [
        (
            ".:1053{\n whoami\n}",
            "t:1:1: `.:1053{` is not a domain name: a label is empty",
            "put a space before `{`",
        ),
        (":53 {\n}", "t:1:1: `` is not a domain name: it is empty", root),
        ("tls:// {\n}", "t:1:1: a scheme alone is not a zone", root),
        (
            "a example.org: {\n}",
            "t:1:3: `example.org:` lacks a port after its last colon",
            "without the colon the port is 53",
        ),
        (
            "tls://a: {\n}",
            "t:1:1: `tls://a:` lacks a port after its last colon",
            "without the colon the port is 853",
        ),
        (
            ".:{$NONE} {\n}",
            "t:1:1: `.:` lacks a port after its last colon",
            "without the colon the port is 53",
        ),
        (".:99999 {\n}", "t:1:1: `99999` is not a port", port),
        (".:-5 {\n}", "t:1:1: `-5` is not a port", port),
        (".:65536 {\n}", "t:1:1: `65536` is not a port", port),
        ("a..b {\n}", "t:1:1: `a..b` is not a domain name: a label is empty", ""),
        ("::/0 {\n}", "t:1:1: `::/0` is not a network to serve", "the zone is `ip6.arpa`"),
        (
            "a.org:1053, {\n}",
            "t:1:1: after a comma another zone is expected, but `{` follows",
            "remove the comma",
        ),
        ("a,\nb,", "t:2:1: after a comma another zone is expected, but the file ends", "remove the comma"),
        ("a, \"\"", "t:1:1: after a comma another zone is expected, but the file ends", "remove the comma"),
        ("a , b {\n}", "t:1:3: a comma alone is not a zone", "put it right after a zone"),
    ] {
        check(text, message, help);
    }
    let label = "x".repeat(64);
    check(
        &format!("{label} {{\n}}"),
        &format!("t:1:1: `{label}` is not a domain name: a label is longer than 63 octets"),
        "",
    );
    let name = "abcdefghi.".repeat(26);
    check(
        &format!("{name} {{\n}}"),
        &format!("t:1:1: `{}...` is not a domain name: it is longer than 255 octets", &name[..64]),
        "",
    );
}

#[test]
fn a_file_without_a_brace_is_said_to_be_read_as_one_block() {
    let read = "no `{` follows the zones, so the rest of the file is read as one server block: a line of zones, then lines of directives";
    let port = format!("without the colon the port is 53; {read}");
    check("web:\n  image: x\n", "t:1:1: `web:` lacks a port after its last colon", &port);
    check("a..b\nwhoami\n", "t:1:1: `a..b` is not a domain name: a label is empty", read);
}

#[test]
fn snippets_that_cannot_be() {
    for (text, message, help) in [
        ("(a) {\n}\n(a) {\n}", "t:3:1: the snippet `a` is declared a second time", ""),
        ("(a)", "t:1:1: the snippet `a` has no `{` after its name", ""),
        ("(a)\nlog\n", "t:1:1: the snippet `a` has no `{` after its name", ""),
        ("() {\n}", "t:1:1: a snippet needs a name", "write it between the parentheses"),
    ] {
        check(text, message, help);
    }
}

#[test]
fn imports_that_lead_nowhere() {
    let what = "name a snippet, a file, or a pattern of files";
    let one = "use one `import` for each, or a pattern such as `*.conf`";
    let wild = "a pattern may hold one `*` and one `?`, and no `[...]`";
    for (text, message, help) in [
        ("import", "t:1:1: `import` lacks what to import", what),
        (". {\n import\n}", "t:2:2: `import` lacks what to import", what),
        ("import \"\"", "t:1:1: `import` lacks what to import", what),
        ("import {$$}", "t:1:1: `import` lacks what to import", what),
        ("import {$}", "t:1:8: file to import not found: `{$}`", ""),
        ("import {%}", "t:1:8: file to import not found: `{%}`", ""),
        ("import {%%}", "t:1:8: file to import not found: `{%%}`", ""),
        ("import }{$\"", "t:1:8: file to import not found: `}{$\"`", ""),
        ("import one.conf two.conf", "t:1:17: `import` takes only one argument", one),
        (". {\n import one.conf }", "t:2:18: `import` takes only one argument", one),
        (". {\n cache {\n  import zz.conf\n }\n}", "t:3:10: file to import not found: `zz.conf`", ""),
        ("import folder", "t:1:8: cannot import `folder`: is a directory", ""),
        ("import f*", "t:1:8: cannot import `folder`: is a directory", ""),
        ("import /*/*.txt", "t:1:8: the pattern `/*/*.txt` has more than one wildcard", wild),
        ("import /???/?*?o", "t:1:8: the pattern `/???/?*?o` has more than one wildcard", wild),
        ("import /??", "t:1:8: the pattern `/??` has more than one wildcard", wild),
        ("import /[a-z]", "t:1:8: the pattern `/[a-z]` has more than one wildcard", wild),
        (
            "(common) {\n}\n. {\n import comon\n}",
            "t:4:9: file to import not found: `comon`",
            "did you mean the snippet `common`?",
        ),
        (". {\n import later\n}\n(later) {\n}", "t:2:9: file to import not found: `later`", ""),
        (
            ". {\n import broken.conf\n}",
            "broken.conf:2:1: a line cannot begin with `{`",
            "put it at the end of the line of the directive that it belongs to",
        ),
        (
            "import itself.conf",
            "itself.conf:1:8: imports are nested more than 100 deep",
            "`itself.conf` imports itself, directly or through others",
        ),
        (
            "(a) {\n import a\n}\nimport a",
            "t:2:9: imports are nested more than 100 deep",
            "`a` imports itself, directly or through others",
        ),
        (
            "(a) {\n import b\n log\n}\n(b) {\n import a\n import a\n}\nz\nimport a",
            "t:6:9: imports are nested more than 100 deep",
            "`a` imports itself, directly or through others",
        ),
    ] {
        check(text, message, help);
    }
}

#[test]
fn input_without_measure() {
    let endless = "its value may not name the variable itself, directly or through others";
    check(". {\n log {$LOOP}\n}", "t:2:6: the environment variable `LOOP` expands without end", endless);
    check("{$LOOP}", "t:1:1: the environment variable `LOOP` expands without end", endless);
    check(&format!(".\n{}", "a {\n".repeat(100_000)), "t:34:3: blocks are nested more than 32 deep", "");
    // Doubles with each snippet.
    let mut doubling = String::from("(s0) {\n x x x x x x\n}\n");
    for i in 1..40 {
        doubling.push_str(&format!("(s{i}) {{\n import s{j}\n import s{j}\n}}\n", j = i - 1));
    }
    check(&format!("{doubling}.\nimport s39"), "t:5:9: more than 10000 imports of snippets", "");
    let long = format!("(s) {{\n {}\n}}\n.\n{}", "x ".repeat(10_000), "import s\n".repeat(200));
    check(&long, "t:105:8: imports of more than 1000000 words", "");
}
