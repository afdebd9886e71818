//! `timeouts` and `https`: what a block's listeners allow their clients.

use std::ops::RangeInclusive;
use std::sync::OnceLock;
use std::time::Duration;

use cartonym::corefile::{Directive, Error, Word};
use cartonym::plugin::{Configure, Place, Setup};
use cartonym::server::Patience;

/// `timeouts { read DURATION; write DURATION; idle DURATION; maxtcpqueries COUNT }`.
pub(crate) struct TimeoutsDirective;

/// What a block's `timeouts` has left there, if it has one.
#[derive(Default)]
pub(crate) struct Timeouts(OnceLock<Patience>);

/// `https { max_connections COUNT }`.
pub(crate) struct HttpsDirective;

/// What a block's `https` has left there, if it has one.
#[derive(Default)]
pub(crate) struct Https(OnceLock<Patience>);

impl Https {
    pub(crate) fn patience(&self) -> Patience {
        self.0.get().copied().unwrap_or_default()
    }
}

impl Configure for HttpsDirective {
    const NAME: &'static str = "https";
    const PLACE: Place = Place::Last;

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        directive.no_args()?;
        let mut patience = Patience::default();
        let mut seen: Option<&Directive> = None;
        for property in directive.block_entries() {
            if property.name() != "max_connections" {
                return Err(property.unexpected_property(&["max_connections"]));
            }
            if let Some(first) = seen.replace(property) {
                return Err(property.repeated(first));
            }
            let most: usize = property.one_arg()?.parse("a number of connections, or 0 for any")?;
            patience.connections = Some(if most == 0 { usize::MAX } else { most });
        }
        // There is only one `https`, so that this is the first.
        let _ = setup.in_block::<Https>().0.set(patience);
        Ok(())
    }
}

impl Timeouts {
    pub(crate) fn patience(&self) -> Patience {
        self.0.get().copied().unwrap_or_default()
    }
}

impl Configure for TimeoutsDirective {
    const NAME: &'static str = "timeouts";
    const PLACE: Place = Place::Last;

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        directive.no_args()?;
        if directive.block_entries().is_empty() {
            return Err(directive
                .error("`timeouts` says nothing")
                .help(format!("its block has at least one of {}", PROPERTIES.join(", "))));
        }
        let mut patience = Patience::default();
        let mut seen: Vec<&Directive> = Vec::new();
        for property in directive.block_entries() {
            if let Some(first) = seen.iter().find(|first| first.name() == property.name()) {
                return Err(property.repeated(first));
            }
            seen.push(property);
            match property.name() {
                "read" => patience.read = Some(time(property.one_arg()?)?),
                "write" => patience.write = Some(time(property.one_arg()?)?),
                "idle" => patience.idle = Some(time(property.one_arg()?)?),
                "maxtcpqueries" => patience.messages = Some(count(property.one_arg()?)?),
                _ => return Err(property.unexpected_property(&PROPERTIES)),
            }
        }
        // There is only one `timeouts`, so that this is the first.
        let _ = setup.in_block::<Timeouts>().0.set(patience);
        Ok(())
    }
}

fn time(word: &Word) -> Result<Duration, Error> {
    let time = word.duration_or_seconds()?;
    if TIMES.contains(&time) { Ok(time) } else { Err(word.error(format!("`{word}` is not from 1s to 24h"))) }
}

fn count(word: &Word) -> Result<u64, Error> {
    match word.as_str() {
        "-1" => Ok(u64::MAX),
        _ => match word.parse("a number of queries, or -1 for any")? {
            0 => Err(word.error("a connection without a query is none").help("-1 allows any number")),
            count => Ok(count),
        },
    }
}

const PROPERTIES: [&str; 4] = ["read", "write", "idle", "maxtcpqueries"];
const TIMES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
