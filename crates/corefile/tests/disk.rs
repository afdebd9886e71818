//! A Corefile and its imports in the file system.

use std::fs;

use cartonym_corefile::{Corefile, Filesystem};

#[test]
fn imports_are_found_on_disk() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/Corefile");
    let corefile = Corefile::parse(path, &fs::read_to_string(path).unwrap(), &Filesystem).unwrap();
    let shown: Vec<_> = corefile
        .servers
        .iter()
        .map(|server| {
            let names: Vec<_> = server.directives.iter().map(|directive| directive.name()).collect();
            format!("{} {}", server.zones().join(" "), names.join(" "))
        })
        .collect();
    assert_eq!(shown, ["a.example. whoami", "b.example. errors log", ". errors log"]);
}
