//! The file as it is written; `docs/registry.schema.json` says the same to editors.

use cartonym_registry::{HealthCheckType, RecordType, RoutingPolicy};
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::pairs::Pairs;

/// The whole.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    /// For editors.
    #[serde(rename = "$schema", default)]
    _schema: Option<String>,
    pub(crate) namespaces: Vec<NamespaceForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamespaceForm {
    pub(crate) name: Spanned<String>,
    #[serde(rename = "type", default)]
    pub(crate) kind: Kind,
    pub(crate) vpc: Option<Spanned<String>>,
    pub(crate) description: Option<Spanned<String>>,
    pub(crate) soa_ttl: Option<Spanned<u32>>,
    #[serde(default)]
    pub(crate) tags: Pairs<String>,
    #[serde(default)]
    pub(crate) services: Vec<ServiceForm>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Kind {
    #[default]
    DnsPrivate,
    DnsPublic,
    Http,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceForm {
    pub(crate) name: Spanned<String>,
    pub(crate) description: Option<Spanned<String>>,
    /// The TTL of each type.
    pub(crate) records: Option<Spanned<Records>>,
    pub(crate) routing: Option<Spanned<RoutingPolicy>>,
    pub(crate) health: Option<Spanned<HealthForm>>,
    #[serde(default)]
    pub(crate) tags: Pairs<String>,
    #[serde(default)]
    pub(crate) attributes: Pairs<String>,
    #[serde(default)]
    pub(crate) instances: Pairs<Pairs<Spanned<String>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE", deny_unknown_fields)]
pub(crate) struct Records {
    a: Option<u32>,
    aaaa: Option<u32>,
    srv: Option<u32>,
    cname: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HealthForm {
    #[serde(rename = "type")]
    pub(crate) kind: HealthKind,
    pub(crate) path: Option<String>,
    pub(crate) threshold: Option<u8>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum HealthKind {
    Http,
    Https,
    Tcp,
    Custom,
}

impl Records {
    /// Types and their TTLs.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (RecordType, u32)> {
        let all = [
            (RecordType::A, self.a),
            (RecordType::Aaaa, self.aaaa),
            (RecordType::Srv, self.srv),
            (RecordType::Cname, self.cname),
        ];
        all.into_iter().filter_map(|(kind, ttl)| Some((kind, ttl?)))
    }
}

impl HealthKind {
    /// The check that the registry makes.
    pub(crate) fn active(self) -> Option<HealthCheckType> {
        match self {
            HealthKind::Http => Some(HealthCheckType::Http),
            HealthKind::Https => Some(HealthCheckType::Https),
            HealthKind::Tcp => Some(HealthCheckType::Tcp),
            HealthKind::Custom => None,
        }
    }
}
