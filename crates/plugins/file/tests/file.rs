//! Master files in, responses out.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use cartonym_plugin::{Settings, Shared};
use cartonym_plugin_file::FileDirective;
use cartonym_responder::{Chain, Responder};
use cartonym_testing::{Canned, Tester, configure_in};
use cartonym_wire::{NameBuf, Rcode};

fn zone(serial: u32, more: &str) -> String {
    format!(
        "@ 60 SOA ns hostmaster {serial} 2 3 4 5\n@ 60 NS ns\n@ 60 NS ns.example.com.\nns 60 A 192.0.2.53\n{more}\n"
    )
}

/// A chain of these directives, and behind it one that says NOTIMP.
fn chain(folder: &Path, directives: &str) -> Chain {
    let mut settings = Settings::default();
    settings.root = folder.to_owned();
    let chain = configure_in::<FileDirective>(".", directives, &mut settings, &Shared::default()).unwrap();
    chain.then(Canned::default().rcode(Rcode::NOTIMP))
}

fn asked(files: &[(&str, String)], directives: &str, question: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
    Tester::new(chain(folder.path(), directives)).ask(question).to_string()
}

#[test]
fn all_zones_of_all_directives_of_a_block_are_served() {
    let files = [("a", zone(1, "www 60 A 192.0.2.1")), ("b", zone(1, "www 60 A 192.0.2.2"))];
    let directives = "file a a.example {\nfallthrough\n}\nfile b b.example";
    let answer = |question| asked(&files, directives, question);
    assert!(answer("www.a.example. A").contains("answer www.a.example. 60 A 192.0.2.1"));
    assert!(answer("www.b.example. A").contains("answer www.b.example. 60 A 192.0.2.2"));
    assert_eq!(answer("none.a.example. A"), "NOTIMP");
    assert!(answer("none.b.example. A").starts_with("NXDOMAIN aa"));
    assert_eq!(answer("www.c.example. A"), "NOTIMP");
}

#[test]
fn the_later_of_two_directives_for_a_zone_has_it() {
    let files = [("a", zone(1, "www 60 A 192.0.2.1")), ("b", zone(1, "www 60 A 192.0.2.2"))];
    let answer = asked(&files, "file a example\nfile b example", "www.example. A");
    assert!(answer.contains("answer www.example. 60 A 192.0.2.2"), "{answer}");
}

#[test]
fn answers_with_records_name_the_servers_of_the_zone() {
    let files = [("a", zone(1, "www 60 A 192.0.2.1\nalias 60 CNAME www\nmx 60 MX 1 ns\ncut 60 NS ns.cut"))];
    let authority = "authority example. 60 NS ns.example.\nauthority example. 60 NS ns.example.com.";
    let check = |question, expected: String| {
        assert_eq!(asked(&files, "file a example", question), expected, "{question}");
    };
    check("www.example. A", format!("NOERROR aa\nanswer www.example. 60 A 192.0.2.1\n{authority}"));
    check(
        "alias.example. A",
        format!(
            "NOERROR aa\nanswer alias.example. 60 CNAME www.example.\nanswer www.example. 60 A 192.0.2.1\n{authority}"
        ),
    );
    check(
        "alias.example. CNAME",
        format!("NOERROR aa\nanswer alias.example. 60 CNAME www.example.\n{authority}"),
    );
    check(
        "mx.example. MX",
        format!(
            "NOERROR aa\nanswer mx.example. 60 MX 1 ns.example.\n{authority}\nadditional ns.example. 60 A 192.0.2.53"
        ),
    );
    let soa = "authority example. 5 SOA ns.example. hostmaster.example. 1 2 3 4 5";
    check("www.example. AAAA", format!("NOERROR aa\n{soa}"));
    check("cut.example. A", "NOERROR\nauthority cut.example. 60 NS ns.cut.example.".to_owned());
}

#[test]
fn an_alias_is_followed_to_where_another_block_answers() {
    let folder = tempfile::tempdir().unwrap();
    let aliases =
        "there 60 CNAME www.b.example.\ngone 60 CNAME none.b.example.\naway 60 CNAME www.c.example.";
    fs::write(folder.path().join("a"), zone(1, aliases)).unwrap();
    fs::write(folder.path().join("b"), zone(1, "www 60 A 192.0.2.2")).unwrap();
    let name = |text: &str| -> NameBuf { text.parse().unwrap() };
    let responder = Responder::builder()
        .zone(&name("a.example."), chain(folder.path(), "file a a.example"))
        .zone(&name("b.example."), chain(folder.path(), "file b b.example"))
        .build();
    let tester = Tester::with(responder);
    let ask = |question| tester.resolve(question).unwrap().to_string();
    let authority = "authority a.example. 60 NS ns.a.example.\nauthority a.example. 60 NS ns.example.com.";
    assert_eq!(
        ask("there.a.example. A"),
        format!(
            "NOERROR aa\nanswer there.a.example. 60 CNAME www.b.example.\nanswer www.b.example. 60 A 192.0.2.2\n{authority}"
        )
    );
    assert_eq!(
        ask("gone.a.example. A"),
        "NXDOMAIN aa\nanswer gone.a.example. 60 CNAME none.b.example.\n\
         authority b.example. 5 SOA ns.b.example. hostmaster.b.example. 1 2 3 4 5"
    );
    assert_eq!(
        ask("away.a.example. A"),
        format!("NOERROR aa\nanswer away.a.example. 60 CNAME www.c.example.\n{authority}")
    );
}

/// Writes a file, with a time of change that no other version of it has.
fn change(path: &Path, text: &str, step: u64) {
    fs::write(path, text).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(step)).unwrap();
}

#[tokio::test]
async fn a_file_that_changes_before_it_is_first_looked_at_is_read_again_and_a_wrong_one_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    fs::write(&path, zone(1, "www 60 A 192.0.2.1")).unwrap();
    let chain = chain(folder.path(), "file a example {\nreload 20ms\n}");
    change(&path, &zone(2, "www 60 A 192.0.2.2"), 1);
    let tester = Tester::new(chain.clone());
    let background: Vec<_> =
        chain.plugins().filter_map(|plugin| plugin.clone().background()).map(tokio::spawn).collect();
    let until = async |text: &str| {
        for attempt in 0.. {
            if tester.ask("www.example. A").to_string().contains(text) {
                break;
            }
            assert!(attempt < 2000, "{text} is not served");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    until("192.0.2.2").await;
    // What makes the file wrong may lie outside it, so that nothing tells when it is right but reading it.
    change(&path, &zone(3, "www 60 A 192.0.2.3\n$INCLUDE more"), 2);
    tokio::time::sleep(Duration::from_millis(60)).await;
    until("192.0.2.2").await;
    fs::write(folder.path().join("more"), "more 60 A 192.0.2.4\n").unwrap();
    until("192.0.2.3").await;
    background.iter().for_each(tokio::task::JoinHandle::abort);
}
