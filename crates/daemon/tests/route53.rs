//! Hosted zones of a Route 53, answered by a daemon that was built with the plugin.

mod common;
#[path = "../../plugins/route53/tests/common/mod.rs"]
mod fake;

use std::path::Path;

use cartonym::wire::{Rcode, Type};
use common::{Daemon, ask, cartonym, free_address, get, run, wait_until};
use fake::{Fake, Mood, set};

#[test]
fn dns_answers_what_is_hosted_there_whether_it_is_away_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let (dns, ready) = (free_address(), free_address());
    let fake = Fake::start();
    let lines = fake.lines();
    let text = format!(
        ".:{} {{\n bind 127.0.0.1\n ready {ready}\n route53 example:Z1 {{\n{lines} }}\n}}\n",
        dns.port()
    );
    let _daemon = Daemon::with_corefile(folder.path(), &text, dns, ready);
    assert_eq!(ask(dns, "www.example.", Type::A).map(|(rcode, _)| rcode), Some(Rcode::SERVFAIL));
    assert_eq!(get(ready, "/ready").0, 503);

    let www = |host: u8| set("www.example.", "A", &[&format!("192.0.2.{host}")]);
    let answers = |host: u8| ask(dns, "www.example.", Type::A) == Some((Rcode::NOERROR, vec![host]));
    fake.hosts("Z1", "example.", [set("a.example.", "TXT", &["\"a\""]), www(1)]);
    wait_until("it is answered", || answers(1));
    assert_eq!(get(ready, "/ready").0, 200);
    fake.hosts("Z1", "example.", [www(2)]);
    wait_until("the change is answered", || answers(2));
    fake.set_mood(Mood::Refusing);
    fake.asked();
    wait_until("it is asked in vain", || !fake.asked().is_empty());
    assert!(answers(2));
}

#[test]
fn it_is_listed_in_its_place_and_every_example_of_its_page_is_understood() {
    let (status, listed, _) = run(&mut cartonym(&["-plugins"]));
    assert_eq!(status, Some(0));
    let place = |name: &str| listed.lines().position(|line| line.trim() == format!("dns.{name}"));
    let [hosts, route53, file] = ["hosts", "route53", "file"].map(|name| place(name).unwrap());
    assert!(hosts < route53 && route53 < file, "{listed}");

    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/route53/README.md");
    let page = std::fs::read_to_string(page).unwrap();
    let examples: Vec<_> =
        page.split("```corefile\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!examples.is_empty());
    for example in examples {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Corefile"), example).unwrap();
        let (status, _, said) = run(cartonym(&["check", "Corefile"]).current_dir(folder.path()));
        assert_eq!(status, Some(0), "{example}\n{said}");
    }
}
