//! Failures in, lines out.

use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::{Journal, Plugin, Query, Response, Settings, Shared, Step, Written};
use cartonym_plugin_errors::Errors;
use cartonym_responder::Chain;
use cartonym_testing::{Ask, Canned, Tester, configure, configure_in};
use cartonym_wire::{Ede, Rcode};

/// A plugin that fails.
struct Failing(Option<Ede>);

impl Plugin for Failing {
    fn name(&self) -> &'static str {
        "failing"
    }

    fn answer(&self, _: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        response.set_rcode(Rcode::SERVFAIL);
        if let Some(ede) = self.0 {
            response.set_ede(ede);
        }
        Step::Answered
    }
}

/// A shared journal in memory, as `errors` finds it.
fn shared() -> (Shared, Written) {
    let (journal, written) = Journal::to_memory();
    let shared = Shared::default();
    shared.put(journal);
    (shared, written)
}

fn chain(directive: &str, shared: &Shared) -> Chain {
    configure_in::<Errors>(".", directive, &mut Settings::default(), shared).unwrap()
}

#[test]
fn a_failure_has_a_line_with_its_reason() {
    let (journal, written) = Journal::to_memory();
    let errors = Errors::to(Arc::new(journal));
    let tester = Tester::new(Chain::new().then(errors).then(Failing(Some(Ede::NO_REACHABLE_AUTHORITY))));
    tester.ask("WWW.Example. AAAA");
    drop(tester);
    assert_eq!(written.text(), "[ERROR] plugin/errors: 2 www.example. AAAA: no reachable authority\n");
}

#[test]
fn other_rcodes_are_no_failures() {
    let (journal, written) = Journal::to_memory();
    let errors = Arc::new(Errors::to(Arc::new(journal)));
    for rcode in [Rcode::NOERROR, Rcode::NXDOMAIN, Rcode::REFUSED, Rcode::NOTIMP] {
        Tester::new(Chain::new().then_shared(errors.clone()).then(Canned::default().rcode(rcode)))
            .ask("a. A");
    }
    drop(errors);
    assert_eq!(written.text(), "");
}

/// What three failures write, and what the end of the period adds.
async fn consolidated(properties: &str) -> String {
    let (shared, written) = shared();
    let chain = chain(&format!("errors {{\n{properties}\n}}"), &shared);
    let background = chain.plugins().next().unwrap().clone().background().map(tokio::spawn);
    let tester = Tester::new(chain.then(Failing(Some(Ede::NETWORK_ERROR))));
    for name in ["a. A", "b. A", "c. A"] {
        tester.ask(Ask::new(name));
    }
    tokio::time::sleep(Duration::from_secs(31)).await;
    if let Some(background) = background {
        background.abort();
        let _ = background.await;
    }
    // The task's own tasks end with it, one turn of the runtime later.
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop((tester, shared));
    written.text()
}

#[tokio::test(start_paused = true)]
async fn errors_of_a_pattern_are_counted() {
    assert_eq!(
        consolidated("consolidate 30s ^network").await,
        "[ERROR] plugin/errors: 3 errors like '^network' occurred in last 30s\n"
    );
}

#[tokio::test]
async fn a_period_that_is_cut_short_is_told_as_well() {
    let (shared, written) = shared();
    let chain = chain("errors {\nconsolidate 30s ^network\n}", &shared);
    let errors = chain.plugins().next().unwrap().clone();
    Tester::new(chain.then(Failing(Some(Ede::NETWORK_ERROR)))).ask("a. A");
    assert!(!errors.end(), "there is nothing to wait for");
    drop((errors, shared));
    assert_eq!(written.text(), "[ERROR] plugin/errors: 1 errors like '^network' occurred in last 30s\n");
}

#[tokio::test(start_paused = true)]
async fn the_first_may_be_shown() {
    assert_eq!(
        consolidated("consolidate 30s nothing\nconsolidate 30s error$ warning show_first").await,
        "[ERROR] plugin/errors: 2 a. A: network error\n\
         [WARNING] plugin/errors: 3 errors like 'error$' occurred in last 30s\n"
    );
}

#[tokio::test(start_paused = true)]
async fn what_no_pattern_matches_is_written() {
    assert_eq!(consolidated("consolidate 30s nothing").await.lines().count(), 3);
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    let error = |directive: &str| configure::<Errors>(directive).unwrap_err();
    assert!(error("errors stdout").contains("takes no argument"));
    assert!(error("errors {\nconsolidate 1m\n}").contains("takes 2 to 4 arguments, but has 1"));
    assert!(error("errors {\nconsolidate 1 a\n}").starts_with("Corefile:3:13: `1` is not a duration"));
    assert!(error("errors {\nconsolidate 1m (\n}").contains("Corefile:3:16: regex parse error"));
    assert!(error("errors {\nconsolidate 1m a loud\n}").contains("`loud` is not one of"));
    assert!(error("errors {\nconsolidat 1m a\n}").contains("unknown property `consolidat`"));
    assert!(error("errors\nerrors").contains("may appear only once"));
    assert!(configure::<Errors>("errors {\nstacktrace\n}").is_ok());
}
