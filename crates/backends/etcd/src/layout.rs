//! Which key a record has, and which record a key.

use cartonym_etcd::{KeyValue, prefix_end};
use cartonym_registry::{Key, Prefix, Record, Revision, Stored};

/// The keys below a prefix.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// Ends with a slash.
    prefix: String,
}

/// The kinds of record, parents first.
pub(crate) const KINDS: [&str; 5] = ["namespace", "http-name", "service", "instance", "operation"];

const NODE: &str = "node/";

impl Layout {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: format!("{}/", prefix.trim_end_matches('/')) }
    }

    pub(crate) fn key(&self, key: &Key) -> Vec<u8> {
        format!("{}{key}", self.prefix).into_bytes()
    }

    pub(crate) fn range(&self, prefix: &Prefix) -> (Vec<u8>, Vec<u8>) {
        range(format!("{}{prefix}", self.prefix))
    }

    pub(crate) fn kind(&self, kind: &str) -> (Vec<u8>, Vec<u8>) {
        range(format!("{}{kind}/", self.prefix))
    }

    pub(crate) fn all(&self) -> (Vec<u8>, Vec<u8>) {
        range(self.prefix.clone())
    }

    /// The key that each change writes.
    pub(crate) fn change(&self) -> Vec<u8> {
        format!("{}change", self.prefix).into_bytes()
    }

    /// The key of a node that lives.
    pub(crate) fn node(&self, name: &str) -> Vec<u8> {
        format!("{}{NODE}{name}", self.prefix).into_bytes()
    }

    /// The keys of all nodes.
    pub(crate) fn nodes(&self) -> (Vec<u8>, Vec<u8>) {
        range(format!("{}{NODE}", self.prefix))
    }

    /// The node whose key it is.
    pub(crate) fn node_name(&self, key: &[u8]) -> Option<String> {
        let (nodes, _) = self.nodes();
        String::from_utf8(key.strip_prefix(&nodes[..])?.to_vec()).ok()
    }

    /// The name of the record under a key, if there may be one.
    pub(crate) fn parse(&self, key: &[u8]) -> Option<Key> {
        if key == self.change() || self.node_name(key).is_some() {
            return None;
        }
        let parsed =
            std::str::from_utf8(key).ok().and_then(|text| text.strip_prefix(&self.prefix)?.parse().ok());
        if parsed.is_none() {
            tracing::warn!(key = %key.escape_ascii(), "not the key of a record; passed over");
        }
        parsed
    }

    /// The record under a key, if it can be read.
    pub(crate) fn stored(&self, kv: &KeyValue) -> Option<Stored> {
        let key = self.parse(&kv.key)?;
        let record = Record::decode(key, &kv.value).map_err(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(key = %kv.key.escape_ascii(), error, "a record cannot be read; passed over");
        });
        Some(Stored { revision: Revision(u64::try_from(kv.mod_revision).ok()?), record: record.ok()? })
    }
}

fn range(prefix: String) -> (Vec<u8>, Vec<u8>) {
    let end = prefix_end(prefix.as_bytes());
    (prefix.into_bytes(), end)
}
