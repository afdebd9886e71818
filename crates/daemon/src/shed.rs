//! `shed`: silence under overload.

use std::sync::OnceLock;

use cartonym::corefile::Error;
use cartonym::plugin::metrics::Counter;
use cartonym::plugin::{Configure, Place, Setup};

/// `shed`: queries over UDP for which there is no room to wait are dropped, not answered SERVFAIL.
pub(crate) struct ShedDirective;

/// What a block's `shed` has left there, if it has one.
#[derive(Default)]
pub(crate) struct Shedding(OnceLock<Counter>);

impl Shedding {
    pub(crate) fn counter(&self) -> Option<Counter> {
        self.0.get().cloned()
    }
}

impl Configure for ShedDirective {
    const NAME: &'static str = "shed";
    const PLACE: Place = Place::Last;

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        directive.no_args()?;
        directive.no_block()?;
        let (name, help) =
            ("coredns_shed_dropped_total", "Queries over UDP that were dropped under overload.");
        let counter = setup.metrics().counter(name, help, &["server"], &[("reason", "waiting")]);
        // There is only one `shed`, so that this is the first.
        let _ = setup.in_block::<Shedding>().0.set(counter);
        Ok(())
    }
}
