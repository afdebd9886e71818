//! What is told of the process itself, whatever it serves.

use std::fs;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use cartonym::health::Counts;
use cartonym::plugin::Metrics;
use cartonym::plugin::metrics::{Kind, Samples};
use parking_lot::Mutex;

use crate::VERSION;
use crate::faults;
use crate::registries::Open;

/// What has happened to the process since its start.
#[derive(Default)]
pub(crate) struct Process {
    /// Configurations refused.
    refused: AtomicU64,
    /// The sum over the configuration that was loaded last, if any was since the start.
    loaded: Mutex<Option<String>>,
}

impl Process {
    /// Counts a configuration that was refused.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a configuration that was loaded.
    pub(crate) fn loaded(&self, sum: &str) {
        *self.loaded.lock() = Some(sum.to_owned());
    }

    /// Has `metrics` tell of the process, and of the registries it has open.
    pub(crate) fn tell(self: &Arc<Self>, metrics: &Metrics, registries: &[Open]) {
        metrics.read("coredns_build_info", "What this program is.", Kind::Gauge, |samples| {
            let labels = [("version", VERSION), ("revision", ""), ("goversion", "")];
            samples.add(&labels.map(|(name, value)| (name, value.to_owned())), 1.0);
        });
        metrics.read("coredns_panics_total", "Panics.", Kind::Total, |samples| {
            samples.add(&[], PANICS.load(Ordering::Relaxed) as f64);
        });
        faults::tell(metrics);
        let process = self.clone();
        metrics.read(
            "coredns_reload_failed_total",
            "Configurations that were refused.",
            Kind::Total,
            move |samples| samples.add(&[], process.refused.load(Ordering::Relaxed) as f64),
        );
        let process = self.clone();
        metrics.read(
            "coredns_reload_version_info",
            "The configuration that was loaded last.",
            Kind::Gauge,
            move |samples| {
                if let Some(sum) = &*process.loaded.lock() {
                    samples.add(&[("hash", "sha512".to_owned()), ("value", sum.clone())], 1.0);
                }
            },
        );
        for (name, help, read) in PROCESS {
            let kind = if name.ends_with("_total") { Kind::Total } else { Kind::Gauge };
            metrics.read(name, help, kind, move |samples| {
                if let Some(value) = read() {
                    samples.add(&[], value);
                }
            });
        }
        for (name, help, read) in REGISTRY {
            let registries = registries.to_vec();
            metrics.read(name, help, Kind::Gauge, move |samples| tell_each(&registries, read, samples));
        }
        for (name, help, read) in HEALTH {
            let registries = registries.to_vec();
            let kind = if name.ends_with("_total") { Kind::Total } else { Kind::Gauge };
            let read = move |open: &Open| read(&open.checker.counts()) as f64;
            metrics.read(name, help, kind, move |samples| tell_each(&registries, read, samples));
        }
        let registries = registries.to_vec();
        metrics.read(
            "cartonym_health_checks_total",
            "Health checks, by result.",
            Kind::Total,
            move |samples| {
                for open in &registries {
                    let Counts { checks, failures, inconclusive, .. } = open.checker.counts();
                    let results =
                        [("passed", checks - failures), ("failed", failures), ("inconclusive", inconclusive)];
                    for (result, count) in results {
                        let labels =
                            [("store", open.settings.backend.to_string()), ("result", result.to_owned())];
                        samples.add(&labels, count as f64);
                    }
                }
            },
        );
    }
}

fn tell_each(registries: &[Open], read: impl Fn(&Open) -> f64, samples: &mut Samples<'_>) {
    for open in registries {
        samples.add(&[("store", open.settings.backend.to_string())], read(open));
    }
}

/// Has panics counted, wherever they are caught.
pub(crate) fn count_panics() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        // One a second is told of: a query that makes a plugin panic must not fill a disk.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if LAST_TOLD.swap(now, Ordering::Relaxed) != now {
            hook(info);
        }
    }));
}

/// Name, help, and what is read.
type OfRegistry = (&'static str, &'static str, fn(&Open) -> f64);
/// The same; where the system does not tell, nothing is told.
type OfProcess = (&'static str, &'static str, fn() -> Option<f64>);

const REGISTRY: [OfRegistry; 4] = [
    ("cartonym_registry_services", "Services that are registered.", |open| {
        open.registry.model().services().len() as f64
    }),
    ("cartonym_registry_instances", "Instances that are registered.", |open| {
        open.registry.model().instance_count() as f64
    }),
    ("cartonym_registry_revision", "The revision that DNS answers from.", |open| {
        open.registry.model().revision().0 as f64
    }),
    ("cartonym_registry_away", "Whether the store is away, so that what is answered grows old.", |open| {
        f64::from(u8::from(open.registry.away_since().is_some()))
    }),
];

/// The same, of what checks have come to.
type OfHealth = (&'static str, &'static str, fn(&Counts) -> u64);

const HEALTH: [OfHealth; 4] = [
    ("cartonym_health_instances", "Instances that this node checks.", |counts| counts.instances as u64),
    ("cartonym_health_running", "Health checks that run.", |counts| counts.running as u64),
    ("cartonym_health_transitions_total", "Verdicts of checks that have changed.", |counts| {
        counts.transitions
    }),
    ("cartonym_health_postponed_total", "Health checks that began late, for want of room.", |counts| {
        counts.postponed
    }),
];

const PROCESS: [OfProcess; 6] = [
    ("process_cpu_seconds_total", "Time that processors have spent on the process.", || {
        Some((stat(13)? + stat(14)?) / TICKS)
    }),
    ("process_resident_memory_bytes", "Memory that the process has in use.", || status("VmRSS:")),
    ("process_virtual_memory_bytes", "Memory that the process has addresses for.", || status("VmSize:")),
    ("process_open_fds", "Files and sockets that are open.", || {
        Some(fs::read_dir("/proc/self/fd").ok()?.count() as f64)
    }),
    ("process_max_fds", "Files and sockets that may be open.", || {
        let limits = fs::read_to_string("/proc/self/limits").ok()?;
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        line.split_whitespace().next()?.parse().ok()
    }),
    ("process_start_time_seconds", "When the process began, in seconds since the Unix epoch.", || {
        let stat_of_all = fs::read_to_string("/proc/stat").ok()?;
        let boot = stat_of_all.lines().find_map(|line| line.strip_prefix("btime "))?;
        Some(boot.trim().parse::<f64>().ok()? + stat(21)? / TICKS)
    }),
];

/// A field of proc_pid_stat(5), counted from 0.
fn stat(field: usize) -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name, which is the second field, may hold anything but this.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(field.checked_sub(2)?)?.parse().ok()
}

/// A size of proc_pid_status(5), in octets.
fn status(name: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<f64>().ok()? * 1024.0)
}

static PANICS: AtomicU64 = AtomicU64::new(0);
/// The second of the panic that was told of last, since the Unix epoch.
static LAST_TOLD: AtomicU64 = AtomicU64::new(0);
/// Ticks of a second, as the kernel tells them to programs; everywhere.
const TICKS: f64 = 100.0;
