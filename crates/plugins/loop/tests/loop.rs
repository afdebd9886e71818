//! A probe that comes back, and one that does not.

use std::sync::Arc;

use cartonym_plugin::{Journal, Plugin};
use cartonym_plugin_loop::Loop;
use cartonym_responder::Chain;
use cartonym_testing::{Ask, Canned, Tester, configure};
use cartonym_wire::NameBuf;

#[test]
fn a_probe_that_comes_back_is_a_loop() {
    let (journal, written) = Journal::to_memory();
    let plugin = Arc::new(Loop::new(&NameBuf::ROOT, None, Arc::new(journal)));
    let chain = Chain::new().then_shared(plugin.clone()).then(Canned::new("end. 60 A 192.0.2.1"));
    let tester = Tester::new(chain);
    let probe = format!("{} HINFO", plugin.probe());
    for status in ["NOERROR", "NOERROR", "REFUSED", "REFUSED"] {
        let answer = tester.ask(Ask::new(&probe));
        assert!(answer.to_string().starts_with(status), "{answer}");
    }
    assert!(!plugin.ready());
    assert!(tester.ask(Ask::new("other. HINFO")).to_string().starts_with("NOERROR"));
    drop((tester, plugin));
    assert_eq!(written.text().matches("queries come back").count(), 1);
}

#[test]
fn it_takes_no_argument() {
    assert!(configure::<Loop>("loop").is_ok());
    assert!(configure::<Loop>("loop x").is_err());
}
