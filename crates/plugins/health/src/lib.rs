#![doc = include_str!("../README.md")]

mod probe;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cartonym_plugin::corefile::Error;
use cartonym_plugin::{
    ANY, BoxFuture, Configure, Content, Page, Place, Plugin, Query, Response, Setup, Step,
};
use cartonym_wire::Opcode;

use probe::Probe;

/// How long everything is still served after the process was told to end; what all of a configuration has in common, and
/// its server asks for.
#[derive(Debug, Default)]
pub struct Lameduck {
    // Taken while configuring, and at the end.
    duration: Mutex<Duration>,
}

/// The directive; its plugin has nothing to do with queries, and asks for the page in the background.
#[derive(Debug)]
pub struct Health {
    probe: Arc<Probe>,
}

impl Lameduck {
    /// How long.
    pub fn duration(&self) -> Duration {
        *self.duration.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at_least(&self, duration: Duration) {
        let mut longest = self.duration.lock().unwrap_or_else(PoisonError::into_inner);
        *longest = longest.max(duration);
    }
}

impl Plugin for Health {
    fn name(&self) -> &'static str {
        "health"
    }

    fn answer(&self, _: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        Step::Next
    }

    fn handles(&self, _: Opcode) -> bool {
        false
    }

    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        let probe = self.probe.clone();
        Some(Box::pin(async move { probe.run().await }))
    }
}

impl Configure for Health {
    const NAME: &'static str = "health";
    const PLACE: Place = Place::Last;

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        let address = setup.page_address(directive.optional_arg()?, ADDRESS)?;
        for entry in directive.block_entries() {
            match entry.name() {
                "lameduck" => setup.shared.get::<Lameduck>().at_least(entry.one_arg()?.duration()?),
                _ => return Err(entry.unexpected_property(&["lameduck"])),
            }
        }
        let content =
            || Content { status: 200, media_type: "text/plain; charset=utf-8", body: "OK".to_owned() };
        setup.page(Page { address, path: "/health", content: Arc::new(content) });
        let probe = Probe::shown_by(&setup.metrics(), address);
        setup.plugin(Health { probe });
        Ok(())
    }
}

const ADDRESS: SocketAddr = SocketAddr::new(ANY, 8080);
