//! What well-formed files become, shown as the Corefile that means the same without imports, variables and comments.

use cartonym_corefile::{Corefile, Memory, Scheme};

/// Reads `text`, and expects the tree that `expected` shows, without warnings.
#[track_caller]
fn check(text: &str, expected: &str) {
    let corefile = read(text);
    assert_eq!(corefile.to_string(), unindented(expected), "{text}");
    assert_eq!(corefile.warnings, [], "{text}");
}

/// Reads `text`, and expects the zones that `expected` shows, and one warning with that text.
#[track_caller]
fn check_warned(text: &str, keys: &str, warning: &str, help: &str) {
    let corefile = read(text);
    let shown: Vec<_> =
        corefile.servers.iter().flat_map(|server| &server.keys).map(|k| k.to_string()).collect();
    assert_eq!(shown.join(" "), keys, "{text}");
    let warnings: Vec<_> = corefile.warnings.iter().map(|warning| warning.to_string()).collect();
    assert_eq!(warnings, [warning], "{text}");
    assert_eq!(corefile.warnings[0].help.as_deref(), Some(help), "{text}");
}

#[track_caller]
fn read(text: &str) -> Corefile {
    let source = Memory::new()
        .variable("PORT", "1053")
        .variable("ZONE", "example.org")
        .variable("SPACE", "a b")
        .variable("BLK", "{")
        .variable("WORD", "import");
    Corefile::parse("t", text, &source).unwrap_or_else(|error| panic!("{error} ({:?})\n{text}", error.help))
}

/// Drops the indentation that the table has in this file, and the empty line it begins with.
fn unindented(text: &str) -> String {
    let lines: Vec<_> = text.trim_end().lines().skip_while(|line| line.trim().is_empty()).collect();
    let indent = lines.first().map_or(0, |line| line.len() - line.trim_start().len());
    let lines = lines.iter().filter_map(|line| line.get(indent..)).map(|line| format!("{line}\n"));
    lines.collect()
}

#[test]
fn a_file_without_words_has_no_servers() {
    for text in ["", "\n\n", "# nothing\n  # at all", "\u{feff}", "\"\""] {
        check(text, "");
    }
}

#[test]
fn a_server_has_braces_or_the_rest_of_the_file() {
    let expected = "
        dns://.:1053 {
            whoami
            log
        }
    ";
    check(".:1053 {\n whoami\n log\n}\n", expected);
    check(".:1053\n{\n whoami\n log\n}", expected);
    check(".:1053\n\n\n{ whoami\n log\n}", expected);
    check(".:1053\nwhoami\nlog", expected);
    check(".:1053\n\n  whoami # who\n  log\n\n", expected);
    check(".:1053 { whoami\n log\n}", expected);
    check("\"\" .:1053 {\n whoami\n log\n}", expected);
    check("dns://.:1053#x {\n whoami\n log #x\n}", expected);
}

#[test]
fn a_server_may_be_without_directives() {
    check("example.org {\n}", "dns://example.org. {\n}\n");
    check("example.org { }", "dns://example.org. {\n}\n");
    let refuses = "t:1:1: a server block without directives refuses every query";
    let help = "a server block is `ZONE... {`, a line for each directive, and `}`";
    check_warned("example.org", "dns://example.org.", refuses, help);
    check_warned("a b, c,\nd", "dns://a. dns://b. dns://c. dns://d.", refuses, help);
}

#[test]
fn servers_follow_one_another() {
    let expected = "
        dns://a. {
            whoami
        }
        dns://b. {
            log
        }
    ";
    check("a {\n whoami\n}\nb {\n log\n}\n", expected);
    check("a {\n whoami\n} b {\n log\n}\n", expected);
    check("a {\n whoami\n}\nb\nlog\n", expected);
}

#[test]
fn keys_have_schemes_zones_and_ports() {
    check(
        "Example.ORG:53 tls://. quic://q grpc://g:1 https://h., https3://h3:0443,\n  10.0.0.0/23:5353 {\n}",
        "dns://example.org.:53 tls://. quic://q. grpc://g.:1 https://h. https3://h3.:443 \
         dns://0.0.10.in-addr.arpa.:5353 dns://1.0.10.in-addr.arpa.:5353 {\n}\n",
    );
    check("2001:db8::/32 {\n}", "dns://8.b.d.0.1.0.0.2.ip6.arpa. {\n}\n");
    check("_tcp.a-b.1.xn--p1ai a:0 {\n}", "dns://_tcp.a-b.1.xn--p1ai. dns://a.:0 {\n}\n");
    check("0/25.2.0.192.in-addr.arpa {\n}", "dns://0/25.2.0.192.in-addr.arpa. {\n}\n");
    let ports: Vec<_> = Scheme::ALL.iter().map(|scheme| scheme.default_port()).collect();
    assert_eq!(ports, [53, 853, 853, 443, 443, 443]);
}

#[test]
fn directives_have_arguments_and_blocks_within_blocks() {
    check(
        "
        .:53 {
            cache 30 {
                success 2000 \"a b\" \"\"
                outer {
                    inner {
                        deep \"}\"
                    }
                }
                denial
            }
            empty {
            }
            also { }
            first { in line
            }
            cache
        }",
        "
        dns://.:53 {
            cache 30 {
                success 2000 \"a b\" \"\"
                outer {
                    inner {
                        deep \"}\"
                    }
                }
                denial
            }
            empty {
            }
            also {
            }
            first {
                in line
            }
            cache
        }
        ",
    );
}

#[test]
fn a_brace_that_is_not_alone_or_quoted_or_a_value_is_a_word() {
    check(
        ".\nrewrite name regex (.*) {1}.x\nanswer \"{\" \"}\" {{ }} a{ {$BLK}\n{$BLK} x",
        "
        dns://. {
            rewrite name regex (.*) {1}.x
            answer \"{\" \"}\" {{ }} a{ \"{\"
            \"{\" x
        }
        ",
    );
}

#[test]
fn quoted_words_keep_what_is_in_them() {
    check(
        ".\nanswer \"{{ .Name }} 60 IN A 192.0.2.1\" \"say \\\"x y\\\"\" \"a\\d+\" same line\nnext",
        "
        dns://. {
            answer \"{{ .Name }} 60 IN A 192.0.2.1\" \"say \\\"x y\\\"\" a\\d+ same line
            next
        }
        ",
    );
    check(
        ".\nlog \"two\nlines\" same line\nnext",
        "dns://. {\n    log \"two\nlines\" same line\n    next\n}\n",
    );
}

#[test]
fn variables_are_replaced_in_keys_names_arguments_and_properties() {
    check(
        "{$ZONE}:{%PORT%}\n{$ZONE} {$SPACE} {$NONE} {\n {$ZONE}x {$PORT}\n}\n{$WORD} x",
        "
        dns://example.org.:1053 {
            example.org \"a b\" \"\" {
                example.orgx 1053
            }
            \"import\" x
        }
        ",
    );
}

#[test]
fn what_is_hardly_meant_is_taken_with_a_warning() {
    let taken = |key: &str| format!("t:1:1: `{key}` is taken as the name of a zone");
    for (text, keys, help) in [
        ("DNS://a.org", "dns://dns://a.org.", "did you mean `dns://`?"),
        ("tsl://a.org", "dns://tsl://a.org.", "did you mean `tls://`?"),
        ("http://a.org:80", "dns://http://a.org.:80", "did you mean `https://`?"),
        ("unix://a", "dns://unix://a.", "the schemes are dns, tls, quic, grpc, https and https3"),
        (
            "10.0.0.1:53",
            "dns://10.0.0.1.:53",
            "with a mask, as in `10.0.0.1/32`, it is a reverse zone; to listen on it, use `bind`",
        ),
        (
            "2001:db8::1",
            "dns://2001:db8:.:1",
            "with a mask, as in `2001:db8::1/128`, it is a reverse zone; to listen on it, use `bind`",
        ),
        ("a.com,b.com", "dns://a.com,b.com.", "put a space after the comma to name two zones"),
        ("10.0.0.0/33", "dns://10.0.0.0/33.", "a zone has letters, digits, `-` and `_` between its dots"),
        ("(a)x", "dns://(a)x.", "a zone has letters, digits, `-` and `_` between its dots"),
        ("ȶ", "dns://ȶ.", "a zone has letters, digits, `-` and `_` between its dots"),
    ] {
        check_warned(&format!("{text} {{\n}}"), keys, &taken(text), help);
    }
    check_warned(
        "a {\n}\n}",
        "dns://a. dns://}.",
        "t:3:1: `}` is taken as the name of a zone",
        "this `}` closes nothing; remove it",
    );
    check_warned(
        "a\nwhoami\n}\n",
        "dns://a.",
        "t:3:1: this `}` closes nothing",
        "remove it, or put `{` after the zones",
    );
    check_warned(
        "{\n whoami\n}\na {\n}",
        "dns://a.",
        "t:1:1: a server block without a zone is left out",
        "name its zone before `{`; the root zone is `.`",
    );
    check_warned(
        "a\nlog \"x y\n",
        "dns://a.",
        "t:2:5: this quote is never closed",
        "everything after it is one word; close it with `\"`",
    );
}

#[test]
fn two_names_in_parentheses_are_zones() {
    let corefile = read("(a) (b) {\n}");
    assert_eq!(corefile.to_string(), "dns://(a). dns://(b). {\n}\n");
    assert_eq!(corefile.warnings.len(), 2);
}

#[test]
fn words_know_their_places() {
    let corefile = read("a {\n  forward . \"x\ny\" z {\n\texcept b\n  }\n}");
    let forward = &corefile.servers[0].directives[0];
    let places: Vec<_> = forward.args.iter().chain([&forward.name]).map(|w| w.position.to_string()).collect();
    assert_eq!(places, ["t:2:11", "t:2:13", "t:3:4", "t:2:3"]);
    assert_eq!(forward.block_entries()[0].args[0].position.to_string(), "t:4:9");
    assert!(forward.args[1].quoted && !forward.args[0].quoted);
    assert_eq!(corefile.servers[0].keys[0].position.to_string(), "t:1:1");
}
