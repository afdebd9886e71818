//! What the `registry` directive says of health checks.

use std::time::Duration;

use cartonym::corefile::{Directive, Error};
use cartonym::health::{Checker, Limits, Options};
use cartonym::registry::{self, Registry};

/// How a registry's instances are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HealthSettings {
    interval: Duration,
    timeout: Option<Duration>,
    damping: Option<Duration>,
    grace: Option<Duration>,
    private_checks: bool,
    unhealthy_until_checked: bool,
}

impl HealthSettings {
    /// The words that [`HealthSettings::entry`] knows.
    pub(crate) const PROPERTIES: [&str; 6] = [
        "health_interval",
        "health_timeout",
        "health_damping",
        "heartbeat_grace",
        "private_checks",
        "unhealthy_until_checked",
    ];

    /// Reads one line of the directive's block.
    pub(crate) fn entry(&mut self, entry: &Directive) -> Result<(), Error> {
        match entry.name() {
            "health_interval" => {
                let word = entry.one_arg()?;
                self.interval = word.duration()?;
                if self.interval < Options::MIN_INTERVAL {
                    return Err(word.error("the shortest interval is 200ms"));
                }
            }
            "health_timeout" => self.timeout = Some(positive(entry)?),
            "health_damping" => self.damping = Some(positive(entry)?),
            "heartbeat_grace" => self.grace = unless_off(entry)?,
            "private_checks" => self.private_checks = is_said(entry)?,
            "unhealthy_until_checked" => self.unhealthy_until_checked = is_said(entry)?,
            _ => return Err(entry.unexpected_property(&Self::PROPERTIES)),
        }
        Ok(())
    }

    /// Tells the registry what concerns it.
    pub(crate) fn apply(&self, options: &mut registry::Options) {
        options.private_checks = self.private_checks;
        options.unhealthy_until_checked = self.unhealthy_until_checked;
    }

    /// Checks what the registry holds, until the checker is dropped.
    pub(crate) fn start(&self, registry: &Registry) -> Checker {
        let limits = self.timeout.map_or_else(Limits::default, |most| Limits::default().at_most(most));
        let options = Options {
            interval: self.interval,
            limits,
            damping: self.damping,
            grace: self.grace,
            ..Options::default()
        };
        Checker::start(registry.clone(), options)
    }
}

impl Default for HealthSettings {
    fn default() -> Self {
        let Options { interval, damping, grace, .. } = Options::default();
        HealthSettings {
            interval,
            timeout: None,
            damping,
            grace,
            private_checks: false,
            unhealthy_until_checked: false,
        }
    }
}

fn positive(entry: &Directive) -> Result<Duration, Error> {
    let word = entry.one_arg()?;
    match word.duration()? {
        Duration::ZERO => Err(word.error("a duration longer than 0s is meant")),
        duration => Ok(duration),
    }
}

fn unless_off(entry: &Directive) -> Result<Option<Duration>, Error> {
    let word = entry.one_arg()?;
    if word.as_str() == "off" { Ok(None) } else { word.duration().map(Some) }
}

/// A line of one word.
fn is_said(entry: &Directive) -> Result<bool, Error> {
    entry.no_args()?;
    Ok(true)
}
