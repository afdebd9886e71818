//! What plugins do against the contract: counted for the whole process, and named in the log once in a while.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use cartonym::plugin::Metrics;
use cartonym::plugin::metrics::Kind;
use cartonym::responder::{Fault, Faults};
use tokio::time::{Instant, sleep};

/// Where every responder of this process counts.
pub(crate) fn faults() -> Arc<Faults> {
    Arc::clone(&FAULTS)
}

/// Has `metrics` tell of them.
pub(crate) fn tell(metrics: &Metrics) {
    for (name, help, read) in FAMILIES {
        metrics.read(name, help, Kind::Total, move |samples| {
            for (plugin, fault) in FAULTS.by_plugin() {
                samples.add(&[("plugin", plugin.to_owned())], read(&fault) as f64);
            }
        });
    }
}

/// Names in the log who has done something, once in so long: what a stranger can cause must not fill a disk.
pub(crate) async fn report() {
    let mut reported: BTreeMap<&str, (Fault, Instant)> = BTreeMap::new();
    loop {
        sleep(LOOK).await;
        for (plugin, fault) in FAULTS.by_plugin() {
            let (before, due) = reported
                .get(plugin)
                .map_or((Fault::default(), true), |(before, when)| (*before, when.elapsed() >= QUIET));
            if fault == before || !due {
                continue;
            }
            tracing::error!(
                plugin,
                panics = fault.panics - before.panics,
                slow = fault.slow - before.slow,
                expired = fault.expired - before.expired,
                rejected = fault.rejected - before.rejected,
                "a plugin does not keep the contract"
            );
            reported.insert(plugin, (fault, Instant::now()));
        }
    }
}

type Family = (&'static str, &'static str, fn(&Fault) -> u64);

const FAMILIES: [Family; 4] = [
    ("cartonym_plugin_panics_total", "Queries in which a plugin panicked.", |fault| fault.panics),
    ("cartonym_plugin_slow_total", "Calls of a plugin that took over a millisecond.", |fault| fault.slow),
    ("cartonym_plugin_expired_total", "Promises that were not kept in time.", |fault| fault.expired),
    ("cartonym_plugin_rejected_total", "Promises past the limit of those that wait.", |fault| fault.rejected),
];

static FAULTS: LazyLock<Arc<Faults>> = LazyLock::new(Arc::default);
const LOOK: Duration = Duration::from_secs(1);
const QUIET: Duration = Duration::from_secs(60);
