//! Plays every scenario: its Corefile through the standard plugins, its questions through a responder.

use std::fs;
use std::path::Path;

use cartonym_corefile::{Corefile, Memory};
use cartonym_plugin::{Settings, Shared};
use cartonym_plugins::standard;
use cartonym_responder::Responder;
use cartonym_testing::{Scenario, Tester};
use cartonym_wire::NameBuf;

#[test]
fn every_scenario_goes_as_it_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let (mut questions, mut failures) = (0, Vec::new());
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let scenario = Scenario::parse(&fs::read_to_string(&path).unwrap());
        let scenario = scenario.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        questions += scenario.questions();
        if let Err(mismatches) = scenario.play(tester(&scenario)) {
            failures.extend(mismatches.iter().map(|mismatch| format!("{}: {mismatch}", path.display())));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(questions > 60, "only {questions} questions were found");
}

/// A responder as the daemon would make it from the scenario's Corefile and files.
fn tester(scenario: &Scenario) -> Tester {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in scenario.files() {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let corefile = Corefile::parse("Corefile", scenario.corefile(), &Memory::new()).unwrap();
    let shared = Shared::default();
    let mut builder = Responder::builder();
    for server in &corefile.servers {
        let zones: Vec<NameBuf> = server.zones().iter().map(|zone| zone.parse().unwrap()).collect();
        let mut settings = Settings::default();
        settings.root = folder.path().to_owned();
        let (plugins, _) = standard().configure(&server.directives, &zones, &mut settings, &shared).unwrap();
        let chain = plugins.into_iter().collect();
        builder = zones.iter().fold(builder, |builder, zone| builder.zone(zone, Clone::clone(&chain)));
    }
    Tester::with(builder.build())
}
