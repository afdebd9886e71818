//! What a program brings along that embeds a part of this: the facade's features, against what cargo resolves.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// What waits, or talks to somebody.
const RUNTIME: &[&str] = &["tokio", "mio", "hyper", "rustls", "ring", "redb", "socket2", "libc", "tracing"];

#[test]
fn without_features_there_is_neither_a_runtime_nor_a_plugin() {
    let used = used(&[]);
    assert!(used.contains("cartonym-responder"), "{used:?}");
    assert_eq!(found(&used, RUNTIME), Vec::<&str>::new());
    assert_eq!(plugins(&used), Vec::<&str>::new());
    assert!(!used.contains("cartonym-zone") && !used.contains("cartonym-registry"), "{used:?}");
}

#[test]
fn records_are_one_plugin_and_no_runtime() {
    let used = used(&["records"]);
    assert_eq!(found(&used, &["tokio", "hyper", "rustls", "redb"]), Vec::<&str>::new());
    assert_eq!(plugins(&used), ["cartonym-plugin-registry"]);
}

#[test]
fn the_default_has_what_the_first_example_needs_and_nothing_heavy() {
    let used = used(&["default"]);
    assert!(used.contains("cartonym-server") && used.contains("cartonym-registry"), "{used:?}");
    assert_eq!(
        found(&used, &["rustls", "hyper", "redb", "ciborium", "proptest", "clap"]),
        Vec::<&str>::new()
    );
    assert_eq!(plugins(&used), ["cartonym-plugin-registry"]);
}

#[test]
fn a_feature_brings_its_own() {
    for (feature, brings) in [
        ("server", "cartonym-server"),
        ("tls", "rustls"),
        ("xdp", "xdp"),
        ("records", "cartonym-zone"),
        ("registry", "cartonym-registry"),
        ("cache", "cartonym-plugin-cache"),
        ("forward", "cartonym-plugin-forward"),
        ("plugins", "cartonym-plugins"),
        ("embedded", "cartonym-backend-embedded"),
        ("etcd", "cartonym-backend-etcd"),
        ("remote", "aws-sdk-servicediscovery"),
        ("route53", "aws-sdk-route53"),
        ("api", "cartonym-cloudmap"),
        ("health", "cartonym-health"),
    ] {
        assert!(used(&[feature]).contains(brings), "{feature} does not bring {brings}");
        assert!(!used(&[]).contains(brings), "{brings} comes without {feature}");
    }
}

/// The packages that a program is made of which has the facade with these features.
fn used(features: &[&str]) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(env!("CARGO"))
        .args(["tree", "-p", "cartonym", "--edges", "normal", "--prefix", "none", "--format", "{lib}"])
        .args(["--no-default-features", "--features", &features.join(",")])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.replace('_', "-")).filter(|line| !line.is_empty()).collect()
}

fn found<'a>(used: &BTreeSet<String>, names: &[&'a str]) -> Vec<&'a str> {
    names.iter().copied().filter(|name| used.contains(*name)).collect()
}

fn plugins(used: &BTreeSet<String>) -> Vec<&str> {
    used.iter().map(String::as_str).filter(|name| name.starts_with("cartonym-plugin-")).collect()
}
