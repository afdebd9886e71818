//! What is known of the health of a service's instances, beside the API: more than its operations have words for.

use cartonym::health::Status;
use cartonym::registry::{HealthStatus, Instance, InstanceId, ServiceId};
use serde_json::{Value, json};

use crate::registries::Open;

/// Where it is: this, and then the id of a service.
pub(crate) const PATH: &str = "/health/";

/// What the page says of a service; `None` if there is none of this id.
///
/// ```json
/// { "instances": [{ "id": "web-1", "status": "UNHEALTHY", "since": 1700000000.123, "reason": "status 500",
///     "last": { "at": 1700000007.5, "latency_ms": 1.25, "failure": "status 500" }, "contrary": 0, "threshold": 3 }] }
/// ```
///
/// `last` and what follows is there where this node checks the instance, `draining_until` where it drains.
pub(crate) fn content(open: &Open, service: &str) -> Option<Value> {
    let service: ServiceId = service.parse().ok()?;
    let instances: Vec<(InstanceId, Value)> = {
        let model = open.registry.model();
        let entry = model.service(service)?;
        let check = &entry.service.health;
        let shown = |instance: &Instance| shown(instance, instance.status(check));
        entry.instances.iter().map(|entry| (entry.instance.id().clone(), shown(&entry.instance))).collect()
    };
    // The checker looks at the model for itself, so it is asked when the model is let go.
    let instances = instances.into_iter().map(|(id, mut shown)| {
        if let Some(status) = open.checker.status(service, &id) {
            add_checks(&mut shown, &status);
        }
        shown
    });
    Some(json!({ "instances": instances.collect::<Vec<_>>() }))
}

fn shown(instance: &Instance, status: HealthStatus) -> Value {
    let since = instance.health().since;
    let mut shown = json!({
        "id": instance.id().as_str(),
        "status": match status {
            HealthStatus::Healthy => "HEALTHY",
            HealthStatus::Unhealthy => "UNHEALTHY",
            HealthStatus::Unknown => "UNKNOWN",
        },
        "since": since.as_seconds(),
    });
    match (instance.draining_until(), instance.reason()) {
        (Some(until), _) => {
            shown["reason"] = json!("deregistered, and draining");
            shown["draining_until"] = json!(until.as_seconds());
        }
        (None, Some(reason)) => shown["reason"] = json!(reason),
        (None, None) => {}
    }
    shown
}

fn add_checks(shown: &mut Value, status: &Status) {
    if let Some(last) = &status.last {
        shown["last"] = json!({
            "at": last.at.as_seconds(),
            "latency_ms": last.latency.as_micros() as f64 / 1000.0,
            "failure": last.failure.as_ref().map(ToString::to_string),
        });
    }
    shown["contrary"] = json!(status.contrary);
    shown["threshold"] = json!(status.threshold);
}
