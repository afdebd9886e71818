//! A folder of master files in, responses out.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use cartonym_plugin::{Settings, Shared};
use cartonym_plugin_auto::Auto;
use cartonym_responder::Chain;
use cartonym_testing::{Canned, Tester, configure, configure_in};
use cartonym_wire::Rcode;

fn zone(serial: u32, last: u8) -> String {
    format!("@ 60 SOA ns hostmaster {serial} 2 3 4 5\n@ 60 NS ns.example.com.\nwww 60 A 192.0.2.{last}\n")
}

/// A chain, and behind it one that says NOTIMP.
fn chain(folder: &Path, directives: &str) -> Chain {
    let mut settings = Settings::default();
    settings.root = folder.to_owned();
    let chain = configure_in::<Auto>("example.", directives, &mut settings, &Shared::default()).unwrap();
    chain.then(Canned::default().rcode(Rcode::NOTIMP))
}

/// The last octet of the address of `www` in a zone, or the rcode.
fn www(tester: &Tester, zone: &str) -> String {
    let answer = tester.ask(format!("www.{zone} A").as_str()).to_string();
    let rcode = answer.split_whitespace().next().unwrap_or_default().to_owned();
    let address = answer.lines().find_map(|line| line.split_once(" A 192.0.2."));
    address.map_or(rcode, |(_, last)| last.to_owned())
}

#[test]
fn each_file_of_the_folder_is_a_zone() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("more")).unwrap();
    for (file, last) in [
        ("db.a.example", 1),
        ("db.b.a.example", 2),
        ("more/db.c.example", 3),
        ("db.d.test", 4),
        ("e.example", 5),
    ] {
        fs::write(folder.path().join(file), zone(1, last)).unwrap();
    }
    fs::write(folder.path().join("db.wrong.example"), "nonsense").unwrap();
    let tester = Tester::new(chain(folder.path(), "auto {\ndirectory .\n}"));
    let all = ["a.example.", "b.a.example.", "c.example.", "d.test.", "e.example.", "wrong.example."];
    assert_eq!(all.map(|zone| www(&tester, zone)), ["1", "2", "3", "NOTIMP", "NOTIMP", "NOTIMP"]);
    let none = tester.ask("none.a.example. A").to_string();
    assert!(none.starts_with("NXDOMAIN aa"), "{none}");
}

#[test]
fn of_two_files_for_a_zone_the_first_by_name_counts() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("b.db.a.example"), zone(1, 2)).unwrap();
    fs::write(folder.path().join("a.db.a.example"), zone(1, 1)).unwrap();
    assert_eq!(www(&Tester::new(chain(folder.path(), "auto {\ndirectory .\n}")), "a.example."), "1");
}

#[tokio::test]
async fn zones_appear_change_and_disappear_with_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| folder.path().join("zones").join(file);
    let chain = chain(folder.path(), "auto {\ndirectory zones (.*)\\.zone$ {1}.example\nreload 20ms\n}");
    let auto = chain.plugins().next().unwrap().clone();
    assert!(!auto.ready(), "there is no folder yet");
    let tester = Tester::new(chain.clone());
    let watching = tokio::spawn(auto.clone().background().unwrap());
    let until = async |zone: &str, what: &str| {
        for attempt in 0.. {
            if www(&tester, zone) == what {
                break;
            }
            assert!(attempt < 2000, "{zone} is not {what} but {}", www(&tester, zone));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let mut time = SystemTime::UNIX_EPOCH;
    let mut write = |file: &str, text: &str| {
        fs::write(path(file), text).unwrap();
        time += Duration::from_secs(1);
        fs::File::options().write(true).open(path(file)).unwrap().set_modified(time).unwrap();
    };
    fs::create_dir(path("")).unwrap();
    write("a.zone", &zone(1, 1));
    until("a.example.", "1").await;
    assert!(auto.ready());
    write("b.zone", &zone(1, 2));
    until("b.example.", "2").await;
    write("a.zone", &zone(2, 3));
    until("a.example.", "3").await;
    write("a.zone", "nonsense");
    fs::remove_file(path("b.zone")).unwrap();
    until("b.example.", "NOTIMP").await;
    assert_eq!(www(&tester, "a.example."), "3", "what is wrong takes nothing away");
    write("a.zone", &zone(3, 4));
    until("a.example.", "4").await;
    watching.abort();
}

#[tokio::test]
async fn what_goes_from_one_folder_is_served_from_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| folder.path().join(file);
    fs::create_dir(path("one")).unwrap();
    fs::create_dir(path("two")).unwrap();
    for (file, last) in [("one/db.a.example", 1), ("two/db.a.example", 2), ("two/db.b.example", 3)] {
        fs::write(path(file), zone(1, last)).unwrap();
    }
    let directives = ["one", "two"].map(|folder| format!("auto {{\ndirectory {folder}\nreload 20ms\n}}\n"));
    let chain = chain(folder.path(), &directives.concat());
    let tester = Tester::new(chain.clone());
    assert_eq!(["a.example.", "b.example."].map(|zone| www(&tester, zone)), ["1", "3"]);
    let watching = tokio::spawn(chain.plugins().next().unwrap().clone().background().unwrap());
    fs::remove_file(path("one/db.a.example")).unwrap();
    for _ in 0..2000 {
        if www(&tester, "a.example.") == "2" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(["a.example.", "b.example."].map(|zone| www(&tester, zone)), ["2", "3"]);
    watching.abort();
}

#[test]
fn mistakes_are_at_their_words() {
    let error = |directive| configure::<Auto>(directive).unwrap_err();
    assert!(error("auto").contains("`directory` is missing"));
    assert!(error("auto {\ndirectory d (a {1}\n}").contains("3:13: no regular expression"));
    assert!(error("auto {\ndirectory d a {1}\n}").contains("3:15: the regular expression has no group 1"));
    assert!(error("auto {\ndirectory d a\n}").contains("needs a template"));
    assert!(error("auto {\ndirectry d\n}").contains("unknown property `directry`"));
    assert!(error("auto {\ndirectory d\nfallthrough\n}").contains("unknown property `fallthrough`"));
}
