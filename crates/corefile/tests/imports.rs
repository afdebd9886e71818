//! What imports bring in, and in which order.

use cartonym_corefile::{Corefile, Error, Memory};

fn source() -> Memory {
    Memory::new()
        .file("etc/Corefile", "")
        .file("etc/common.conf", "errors\nlog")
        .file("etc/properties.conf", "success 1\ndenial 2")
        .file("etc/zones/b.conf", "b.example {\n import ../up.conf\n}")
        .file("etc/zones/../up.conf", "whoami")
        .file("etc/zones/a.conf", "a.example {\n whoami\n}\na2.example {\n}\n")
        .file("etc/zones/c.txt", "not a.conf")
        .file("etc/keys.conf", "k1.example, k2.example\n")
        .file("etc/line.conf", "log")
        .file("etc/chain.conf", "first\nimport line.conf")
        .file("etc/sites/x/site.conf", "x.example {\n}")
        .file("etc/sites/y/other.conf", "broken {")
        .file("etc/sites/z/site.conf", "z.example {\n}")
        .file("/abs/file.conf", "errors")
        .file("etc/snippets.conf", "(snip) {\n log\n}")
        .variable("DIR", "zones")
}

fn read(text: &str) -> Result<Corefile, Error> {
    Corefile::parse("etc/Corefile", text, &source())
}

/// Reads `text`, and expects what `expected` becomes that has no imports.
#[track_caller]
fn check(text: &str, expected: &str) {
    let [text, expected] = [text, expected].map(|text| match read(text) {
        Ok(corefile) => corefile,
        Err(error) => panic!("{error}\n{text}"),
    });
    assert_eq!(text.to_string(), expected.to_string());
    assert_eq!(text.warnings, []);
}

#[test]
fn a_snippet_takes_the_place_of_its_import() {
    check(
        "(s) {\n errors\n log\n}\n. {\n whoami\n import s\n cache\n}",
        ". {\n whoami\n errors\n log\n cache\n}",
    );
    check("(s) { errors\n log\n}\n. {\n import s\n import s\n}", ". {\n errors\n log\n errors\n log\n}");
    check("(s) {\n success 1\n}\n. {\n cache {\n  import s\n }\n}", ". {\n cache {\n  success 1\n }\n}");
    check("(s) {\n}\n. {\n import s\n}", ". {\n}");
    check("(s) {\n cache {\n  success 1\n }\n}\n.\nimport s\n", ".\ncache {\n success 1\n}");
}

#[test]
fn a_snippet_may_hold_servers_and_further_imports() {
    check("(s) {\n a {\n  log\n }\n b {\n }\n}\nimport s\nc {\n}", "a {\n log\n}\nb {\n}\nc {\n}");
    check("(outer) {\n import inner\n}\n(inner) {\n log\n}\n. {\n import outer\n}", ". {\n log\n}");
}

#[test]
fn a_snippet_hides_a_file_of_its_name() {
    check("(common.conf) {\n whoami\n}\n. {\n import common.conf\n}", ". {\n whoami\n}");
}

#[test]
fn a_snippet_may_come_from_a_file() {
    check("import snippets.conf\n. {\n import snip\n}", ". {\n log\n}");
}

#[test]
fn a_variable_in_a_snippet_is_replaced_where_it_is_used() {
    check("(s) {\n root {$DIR}\n}\n. {\n import s\n}", ". {\n root zones\n}");
}

#[test]
fn a_file_is_found_beside_the_file_that_imports_it() {
    check(". {\n import common.conf\n}", ". {\n errors\n log\n}");
    check(". {\n import ./common.conf\n whoami\n}", ". {\n errors\n log\n whoami\n}");
    check(". {\n import /abs/file.conf\n}", ". {\n errors\n}");
    check("import {$DIR}/b.conf", "b.example {\n whoami\n}");
    check(". {\n cache {\n  import properties.conf\n }\n}", ". {\n cache {\n  success 1\n  denial 2\n }\n}");
}

#[test]
fn what_follows_an_import_starts_a_line() {
    check(". {\n import line.conf\n import line.conf\n}", ". {\n log\n log\n}");
    check(". {\n import chain.conf\n last\n}", ". {\n first\n log\n last\n}");
    check("import keys.conf\n{\n log\n}", "k1.example k2.example {\n log\n}");
    check("import keys.conf\nlog", "k1.example k2.example {\n log\n}");
    check("a,\nimport keys.conf\n{\n}", "a k1.example k2.example {\n}");
}

#[test]
fn a_pattern_brings_its_files_in_the_order_of_their_names() {
    check("import zones/*.conf", "a.example {\n whoami\n}\na2.example {\n}\nb.example {\n whoami\n}");
    check("import zones/?.conf", "a.example {\n whoami\n}\na2.example {\n}\nb.example {\n whoami\n}");
    check("import sites/*/site.conf", "x.example {\n}\nz.example {\n}");
}

#[test]
fn a_pattern_without_files_is_a_warning() {
    let corefile = read("import zz/*\n. {\n import *.none\n}").unwrap();
    let warnings: Vec<_> = corefile.warnings.iter().map(|warning| warning.to_string()).collect();
    assert_eq!(
        warnings,
        [
            "etc/Corefile:1:8: no file matches the pattern `zz/*`",
            "etc/Corefile:3:9: no file matches the pattern `*.none`"
        ]
    );
    assert_eq!(corefile.to_string(), "dns://. {\n}\n");
}

#[test]
fn import_is_a_word_but_at_the_start_of_a_line() {
    check(
        ". {\n log import\n cache {\n  success import common.conf\n }\n}",
        ". {\n log \"import\"\n cache {\n  success \"import\" common.conf\n }\n}",
    );
    assert_eq!(read("a import {\n}").unwrap().servers[0].keys[1].zone, "import.");
}

#[test]
fn a_word_from_an_imported_file_knows_that_file() {
    let corefile = read(". {\n import common.conf\n}").unwrap();
    assert_eq!(corefile.servers[0].directives[1].name.position.to_string(), "etc/common.conf:2:1");
    let error = read("import sites/y/other.conf").unwrap_err();
    assert_eq!(error.to_string(), "etc/sites/y/other.conf:1:8: this `{` is never closed");
}
