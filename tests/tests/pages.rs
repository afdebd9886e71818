//! The examples of every plugin's page, as a user would copy them: they are understood, and what they make keeps the
//! contract.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cartonym_corefile::{Corefile, Memory};
use cartonym_plugin::{Journal, Settings, Shared};
use cartonym_plugins::log::Log;
use cartonym_plugins::standard;
use cartonym_responder::Chain;
use cartonym_testing::{conformance, conformance_of};
use cartonym_wire::NameBuf;

#[test]
fn every_example_is_understood_and_its_plugins_keep_the_contract() {
    for name in standard().names() {
        let page = fs::read_to_string(plugins().join(name).join("README.md")).unwrap();
        let examples = examples(&page);
        assert!(!examples.is_empty(), "the page of {name} has no example");
        for example in examples {
            let chains = chains(&example).unwrap_or_else(|error| panic!("{name}: {error}\n{example}"));
            let of_it =
                chains.iter().flat_map(Chain::plugins).filter(|plugin| plugin.name() == name).cloned();
            match name {
                // It would fill the test's output.
                "log" => conformance(Log::to(Arc::new(Journal::to(std::io::sink())))),
                _ => conformance_of(&of_it.collect()),
            }
        }
    }
}

#[test]
fn the_dashboard_asks_for_what_is_told_of_on_a_page() {
    let pages: String = standard()
        .names()
        .map(|name| fs::read_to_string(plugins().join(name).join("README.md")).unwrap())
        .collect();
    let dashboard = fs::read_to_string(plugins().join("../../docs/grafana.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut count = 0;
    for expression in targets.map(|target| target["expr"].as_str().unwrap()) {
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for name in words.filter(|word| word.starts_with("coredns_")) {
            let name = name.trim_end_matches("_bucket");
            assert!(pages.contains(&format!("`{name}")), "{name}");
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

/// The blocks of a page that are Corefiles.
fn examples(page: &str) -> Vec<String> {
    let blocks = page.split("```corefile\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// The chains of an example's server blocks; master files and keys that it names are there.
fn chains(example: &str) -> Result<Vec<Chain>, String> {
    let folder = tempfile::tempdir().unwrap();
    for word in example.split_whitespace().filter(|word| word.starts_with("db.")) {
        fs::write(folder.path().join(word), ZONE).unwrap();
    }
    for word in example.split_whitespace().filter(|word| word.starts_with("Kexample.")) {
        for file in [format!("{word}.key"), format!("{word}.private")] {
            fs::copy(plugins().join("tests/data").join(&file), folder.path().join(&file)).unwrap();
        }
    }
    let corefile = Corefile::parse("Corefile", example, &Memory::new()).map_err(|error| error.to_string())?;
    let shared = Shared::default();
    let mut chains = Vec::new();
    for server in &corefile.servers {
        let zones: Vec<NameBuf> = server.zones().iter().map(|zone| zone.parse().unwrap()).collect();
        let mut settings = Settings::default();
        settings.root = folder.path().to_owned();
        let made = standard().configure(&server.directives, &zones, &mut settings, &shared);
        chains.push(made.map_err(|error| error.to_string())?.0.into_iter().collect());
    }
    Ok(chains)
}

fn plugins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/plugins")
}

const ZONE: &str = "@ 60 SOA ns hostmaster 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.53\nwww 60 A 192.0.2.1\n";
