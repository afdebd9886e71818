//! What is told, and to whom.

use std::sync::Arc;

use cartonym_plugin::wire::Rcode;
use cartonym_plugin::{Label, Plugin, Query, Response, Settings, Shared, Step, Told};
use cartonym_plugin_metadata::Metadata;
use cartonym_testing::{Tester, configure, configure_in};

/// Refuses queries that it is told something of.
struct Reader(Told);

struct Teller;

impl Plugin for Reader {
    fn name(&self) -> &'static str {
        "reader"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        response.set_rcode(if self.0.text(query) == Some("told") { Rcode::REFUSED } else { Rcode::NXDOMAIN });
        Step::Answered
    }
}

impl Label for Teller {
    fn text<'a>(&'a self, query: &'a Query<'_>) -> Option<&'a str> {
        query.name().is_within(query.zone()).then_some("told")
    }
}

/// Whether a reader in the block `example. example.net.` is told of a name.
fn is_told(directive: Option<&str>, question: &str) -> bool {
    let (mut settings, shared) = (Settings::default(), Shared::default());
    if let Some(directive) = directive {
        configure_in::<Metadata>("example. example.net.", directive, &mut settings, &shared).unwrap();
    }
    let metadata = settings.in_block::<cartonym_plugin::Metadata>();
    let reader = Reader(Arc::clone(&metadata).read("teller/word"));
    // Whoever tells may be configured later than who reads.
    metadata.tell("teller/word", Arc::new(Teller));
    Tester::of(reader).ask(question).rcode() == Rcode::REFUSED
}

#[test]
fn there_is_metadata_where_it_is_turned_on() {
    assert!(!is_told(None, "a.example. A"));
    assert!(is_told(Some("metadata"), "a.example. A"));
    assert!(is_told(Some("metadata"), "example.net. A"));
    assert!(!is_told(Some("metadata"), "org. A"));
    assert!(is_told(Some("metadata org"), "org. A"));
    assert!(!is_told(Some("metadata org"), "a.example. A"));
}

#[test]
fn what_is_wrong_is_refused() {
    for directive in ["metadata {\n}", "metadata a..b", "metadata\nmetadata"] {
        assert!(configure::<Metadata>(directive).is_err(), "{directive}");
    }
}
