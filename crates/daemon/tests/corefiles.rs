//! Corefiles of all kinds: the good ones are served, and the broken ones say what is wrong, and where.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{cartonym, run};

/// A Corefile and what it needs; in the data, after a line `--- TITLE`.
#[derive(Default)]
struct Case {
    title: String,
    /// What is expected, for a broken one: lines that begin with `! `.
    error: String,
    corefile: String,
    /// After a line `>>> file NAME`, up to the next one of `>>>`.
    files: Vec<(String, String)>,
    /// In lines `>>> env NAME=VALUE`.
    variables: Vec<(String, String)>,
}

#[test]
fn good_corefiles_are_understood_and_what_they_make_can_be_served() {
    let cases = read("good");
    assert!(cases.len() >= 100, "only {} Corefiles", cases.len());
    let wrong: Vec<_> =
        cases.iter().filter_map(|case| check(case).map(|error| (&case.title, error))).collect();
    assert!(wrong.is_empty(), "{}", shown(wrong.iter()));
}

#[test]
fn broken_corefiles_say_what_is_wrong_and_where() {
    let cases = read("broken");
    assert!(cases.len() >= 60, "only {} Corefiles", cases.len());
    let said = |case: &Case| check(case).unwrap_or_else(|| "nothing is wrong\n".to_owned());
    let wrong = cases.iter().map(|case| (&case.title, said(case))).zip(&cases);
    let wrong: Vec<_> = wrong.filter(|((_, said), case)| *said != case.error).map(|(said, _)| said).collect();
    assert!(wrong.is_empty(), "{}", shown(wrong.iter()));
}

fn shown<'c>(wrong: impl Iterator<Item = &'c (&'c String, String)>) -> String {
    wrong.map(|(title, said)| format!("\n--- {title}\n{said}")).collect()
}

/// What the program says of a Corefile, if it is wrong; master files that it names are there.
fn check(case: &Case) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for word in case.corefile.split_whitespace().filter(|word| word.starts_with("db.")) {
        write(word, "@ 60 SOA ns.test. hostmaster 1 2 3 4 5\n@ 60 NS ns.test.\nwww 60 A 192.0.2.1\n");
    }
    case.files.iter().for_each(|(name, text)| write(name, text));
    write("Corefile", &case.corefile);
    let mut command: Command = cartonym(&["check", "Corefile"]);
    command.env("CARTONYM_LOG", "off").envs(case.variables.iter().cloned()).current_dir(folder.path());
    let (code, _, said) = run(&mut command);
    match code {
        Some(0) => None,
        _ => Some(said.replace(&format!("{}/", folder.path().display()), "")),
    }
}

fn read(name: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/corefiles");
    let text = fs::read_to_string(folder.join(name)).unwrap();
    let cases = text.strip_prefix("--- ").unwrap().split("\n--- ");
    cases.map(case).collect()
}

fn case(text: &str) -> Case {
    let (title, text) = text.split_once('\n').unwrap_or((text, ""));
    let mut case = Case { title: title.to_owned(), ..Case::default() };
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("! ") {
            case.error += &format!("{line}\n");
        } else if let Some(variable) = line.strip_prefix(">>> env ") {
            let (name, value) = variable.split_once('=').unwrap();
            case.variables.push((name.to_owned(), value.to_owned()));
        } else if let Some(name) = line.strip_prefix(">>> file ") {
            case.files.push((name.to_owned(), String::new()));
        } else if line == ">>> corefile" {
            case.files.push(("Corefile".to_owned(), String::new()));
        } else {
            let file = case.files.last_mut().map(|(_, text)| text);
            file.unwrap_or(&mut case.corefile).push_str(&format!("{line}\n"));
        }
    }
    if let Some(at) = case.files.iter().position(|(name, _)| name == "Corefile") {
        case.corefile = case.files.remove(at).1;
    }
    case
}
