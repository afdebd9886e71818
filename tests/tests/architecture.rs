//! What may depend on what, and what every folder has; crates/README.md says why.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The packages of this workspace that a package may use, without their `cartonym-`. A word with an asterisk stands
/// for all that begin so; the first line that fits a package counts.
const ALLOWED: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("corefile", &[]),
    ("tsig", &["wire"]),
    ("zone", &["wire"]),
    // A plugin reads its own directive; `corefile` is re-exported for that.
    ("plugin", &["wire", "corefile"]),
    // A zone's answer as a plugin's step.
    ("authority", &["plugin", "zone", "wire"]),
    // Conditions about a query, as Corefiles have them.
    ("expression", &["plugin"]),
    ("responder", &["plugin", "tsig", "wire"]),
    ("server", &["responder", "plugin", "wire"]),
    ("registry", &["zone", "wire"]),
    ("health", &["registry"]),
    ("cloudmap", &["registry"]),
    ("etcd", &[]),
    // What programs that ask AWS share.
    ("aws", &[]),
    ("backends", &["registry", "backend-*"]),
    ("backend-remote", &["registry", "aws"]),
    ("backend-*", &["registry", "etcd"]),
    ("plugins", &["plugin", "wire", "plugin-*"]),
    ("plugin-view", &["plugin", "expression"]),
    ("plugin-template", &["plugin", "wire", "zone", "expression"]),
    ("plugin-etcd", &["plugin", "wire", "zone", "authority", "etcd"]),
    ("plugin-route53", &["plugin", "wire", "zone", "authority", "aws"]),
    // Those that serve records use `zone` and `authority`; those that sign messages of their own, `tsig`.
    ("plugin-*", &["plugin", "wire", "zone", "authority", "tsig"]),
    ("testing", &["responder", "plugin", "wire"]),
    (
        "cartonym",
        &[
            "wire",
            "corefile",
            "tsig",
            "zone",
            "plugin",
            "responder",
            "server",
            "registry",
            "health",
            "cloudmap",
            "backends",
            "backend-*",
            "plugins",
            "plugin-*",
        ],
    ),
    ("daemon", &["cartonym"]),
    // Not shipped.
    ("benches", &["*"]),
    ("examples", &["cartonym"]),
    ("tests", &["*"]),
];

/// Foreign packages that a package must do without: no runtime, no socket.
const FORBIDDEN: &[&str] = &["tokio", "hyper", "socket2", "libc", "mio"];
const WITHOUT_RUNTIME: &[&str] =
    &["zone", "plugin", "authority", "expression", "responder", "tsig", "corefile"];

const SECTIONS: &[&str] = &["Name", "Description", "Syntax", "Examples", "Metrics", "See also"];

#[test]
fn a_package_uses_only_what_the_table_allows() {
    let packages = packages();
    let mut wrong = Vec::new();
    for (name, uses) in &packages {
        let row = ALLOWED.iter().find(|(pattern, _)| fits(pattern, name));
        let Some((_, allowed)) = row else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        let is_allowed = |used: &str| allowed.iter().any(|pattern| fits(pattern, used));
        let ours = uses.iter().filter(|used| packages.contains_key(*used));
        wrong.extend(ours.filter(|used| !is_allowed(used)).map(|used| format!("{name} uses {used}")));
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_table_has_no_row_without_a_package() {
    let packages = packages();
    for (pattern, _) in ALLOWED {
        assert!(packages.keys().any(|name| fits(pattern, name)), "{pattern}");
    }
}

#[test]
fn the_core_has_neither_runtime_nor_sockets() {
    let packages = packages();
    for name in ["wire", "corefile"] {
        assert_eq!(packages[name], Vec::<String>::new(), "{name} depends on nothing");
    }
    for name in WITHOUT_RUNTIME {
        let found = packages[*name].iter().find(|used| FORBIDDEN.contains(&used.as_str()));
        assert_eq!(found, None, "{name}");
    }
}

#[test]
fn the_standard_sets_are_complete() {
    let packages = packages();
    for (set, prefix) in [("plugins", "plugin-"), ("backends", "backend-")] {
        let left_out: Vec<_> = packages
            .keys()
            .filter(|name| name.starts_with(prefix) && !packages[set].contains(name))
            .collect();
        assert!(left_out.is_empty(), "{set} leaves out {left_out:?}");
    }
}

#[test]
fn every_plugin_and_backend_has_its_page() {
    for set in ["plugins", "backends"] {
        for folder in folders(&root().join("crates").join(set)) {
            if !folder.join("Cargo.toml").exists() {
                continue;
            }
            let page = fs::read_to_string(folder.join("README.md"));
            let page = page.unwrap_or_else(|_| panic!("{} has no README.md", folder.display()));
            let headings: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
            assert_eq!(headings, SECTIONS, "{}", folder.display());
        }
    }
}

#[test]
fn unsafe_code_is_allowed_in_wire_and_server_alone() {
    // The lint is denied for the workspace; a package that does not inherit it would escape.
    for manifest in manifests() {
        let text = fs::read_to_string(&manifest).unwrap();
        assert!(text.contains("[lints]\nworkspace = true"), "{} has lints of its own", manifest.display());
    }
    for file in sources() {
        let is_home =
            ["crates/wire/", "crates/server/"].iter().any(|home| file.starts_with(root().join(home)));
        let text = fs::read_to_string(&file).unwrap();
        let escapes = text.lines().any(|line| line.contains(concat!("allow(unsafe", "_code")));
        assert!(is_home || !escapes, "{}", file.display());
    }
}

#[test]
fn the_clock_is_looked_at_by_few() {
    // The root's clippy.toml forbids it; a package's own takes its place.
    let exceptions = ["crates/server", "crates/health", "crates/daemon", "benches"];
    for manifest in manifests() {
        let folder = manifest.parent().unwrap();
        let is_exception = exceptions.iter().any(|name| folder.ends_with(name));
        assert_eq!(folder.join("clippy.toml").exists(), is_exception, "{}", folder.display());
    }
}

#[test]
fn every_dependency_says_what_for() {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let table = text.split("[workspace.dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let mut has_reason = false;
    for line in table.lines() {
        let is_entry = line.starts_with(|first: char| first.is_ascii_alphabetic());
        has_reason = line.starts_with("# ") || is_entry && has_reason;
        assert!(!is_entry || has_reason || line.contains("path = "), "no reason above: {line}");
    }
}

#[test]
fn versions_stand_in_one_place() {
    for manifest in manifests() {
        let text = fs::read_to_string(&manifest).unwrap();
        let mut table = "";
        for line in text.lines() {
            if line.starts_with('[') {
                table = line;
            }
            let is_entry =
                table.contains("dependencies") && line.starts_with(|first: char| first.is_ascii_alphabetic());
            let is_shared = line.contains("workspace = true") || line.contains("path = \".\"");
            assert!(!is_entry || is_shared, "{}: {line}", manifest.display());
        }
    }
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

/// The packages of the workspace and what they use when built; ours without `cartonym-`.
fn packages() -> BTreeMap<String, Vec<String>> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let uses = |package: &Value| {
        let dependencies = package["dependencies"].as_array().unwrap();
        let built = dependencies.iter().filter(|dependency| dependency["kind"] != "dev");
        built.map(|dependency| short(&dependency["name"])).collect()
    };
    packages.iter().map(|package| (short(&package["name"]), uses(package))).collect()
}

fn short(name: &Value) -> String {
    let name = name.as_str().unwrap();
    name.strip_prefix("cartonym-").unwrap_or(name).to_owned()
}

fn manifests() -> Vec<PathBuf> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(|package| package["manifest_path"].as_str().unwrap().into()).collect()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// All Rust files of the packages.
fn sources() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        ["crates", "tests", "benches", "examples"].map(|folder| root().join(folder)).into();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        folders.extend(self::folders(&folder));
        let files =
            entries(&folder).into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
        sources.extend(files);
    }
    sources
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|path| path.is_dir()).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
