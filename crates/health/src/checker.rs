//! The handle of the checks.

use std::fmt;
use std::sync::Arc;

use cartonym_registry::{InstanceId, Registry, ServiceId};
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use crate::driver::Driver;
use crate::probe::{Network, Prober};
use crate::table::Table;
use crate::{Counts, Options, Status};

/// The active checks of a registry; they end when it is dropped.
pub struct Checker {
    registry: Registry,
    table: Arc<Mutex<Table>>,
    driver: AbortHandle,
}

impl Checker {
    /// Checks what `registry` holds and comes to hold, and writes to it what changes.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start(registry: Registry, options: Options) -> Self {
        let driver = Driver::new(registry.clone(), &options, Network::new(&options));
        Self::run(registry, driver)
    }

    pub(crate) fn run(registry: Registry, driver: Driver<impl Prober>) -> Self {
        let table = driver.table();
        let driver = tokio::spawn(driver.run()).abort_handle();
        Self { registry, table, driver }
    }

    /// What is known of an instance; `None` if it is not checked.
    pub fn status(&self, service: ServiceId, instance: &InstanceId) -> Option<Status> {
        let health = self.registry.model().instance(service, instance.as_str())?.instance.health();
        let table = self.table.lock();
        let slot = table.slot_called(service, instance)?;
        Some(Status {
            verdict: health.verdict,
            since: health.since,
            last: slot.last.clone(),
            last_failure: slot.last_failure.clone(),
            contrary: slot.streak.contrary(),
            threshold: slot.streak.needed(slot.target.check.threshold),
        })
    }

    /// Ends the checks, as it does when it is dropped; other nodes are told soon after.
    pub fn stop(&self) {
        self.driver.abort();
    }

    /// What has been done so far.
    pub fn counts(&self) -> Counts {
        self.table.lock().counts()
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checker").field("counts", &self.counts()).finish_non_exhaustive()
    }
}
