//! What is published as the form of a file, and what is read, are the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cartonym_backend_file::File;
use serde_json::{Value, json};

/// A file with every key that there is.
fn everything() -> Value {
    let health = json!({ "type": "HTTP", "path": "/", "threshold": 2 });
    let web = json!({
        "name": "web", "description": "d", "records": { "A": 1, "AAAA": 1, "SRV": 1 }, "routing": "WEIGHTED",
        "health": health, "tags": { "k": "v" }, "attributes": { "k": 5 },
        "instances": { "i": { "AWS_INSTANCE_IPV4": "192.0.2.1", "AWS_INSTANCE_PORT": 80, "fast": true } },
    });
    let alias = json!({ "name": "alias", "records": { "CNAME": 5 } });
    let namespace = json!({
        "name": "a.example", "type": "DNS_PRIVATE", "vpc": "vpc-1", "description": "d", "soa_ttl": 5,
        "tags": { "k": "v" }, "services": [web, alias],
    });
    json!({ "$schema": "registry.schema.json", "namespaces": [namespace] })
}

#[test]
fn every_key_of_the_schema_is_read_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.json");
    fs::write(&path, everything().to_string()).unwrap();
    assert_eq!(File::check(&path).unwrap(), [1, 2, 1]);

    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/registry.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(schema).unwrap()).unwrap();
    let mut used = BTreeSet::new();
    walk(&schema, &schema, &everything(), "", &mut used);
    let mut published = BTreeSet::new();
    properties(&schema, &schema, "", &mut published);
    assert_eq!(used, published);
}

/// Notes the keys of `value`, each of which the schema has.
fn walk(root: &Value, schema: &Value, value: &Value, at: &str, used: &mut BTreeSet<String>) {
    let schema = resolve(root, schema);
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(root, &schema["items"], item, at, used)),
        Value::Object(members) if schema["properties"].is_object() => {
            for (key, member) in members {
                let inner = &schema["properties"][key];
                assert!(inner.is_object(), "{at}/{key} is not in the schema");
                used.insert(format!("{at}/{key}"));
                walk(root, inner, member, &format!("{at}/{key}"), used);
            }
        }
        _ => {}
    }
}

fn properties(root: &Value, schema: &Value, at: &str, all: &mut BTreeSet<String>) {
    let schema = resolve(root, schema);
    if schema["items"].is_object() {
        properties(root, &schema["items"], at, all);
    }
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        all.insert(format!("{at}/{key}"));
        properties(root, inner, &format!("{at}/{key}"), all);
    }
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str().and_then(|pointer| pointer.strip_prefix('#')) {
        Some(pointer) => root.pointer(pointer).unwrap(),
        None => schema,
    }
}
