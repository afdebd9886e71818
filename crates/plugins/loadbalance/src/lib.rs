#![doc = include_str!("../README.md")]

mod addresses;
mod weights;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use cartonym_plugin::corefile::{Directive, Error};
use cartonym_plugin::{BoxFuture, Configure, Network, Place, Plugin, Query, Response, Setup, Step};
use cartonym_wire::{Rcode, Type};

use addresses::RecordSets;
use weights::Weights;

/// Turns the order of addresses.
#[derive(Debug, Default)]
pub struct Loadbalance {
    weighted: Option<Weighted>,
    prefer: Vec<Network>,
}

/// Weights, and where they come from.
#[derive(Debug)]
struct Weighted {
    path: PathBuf,
    weights: ArcSwap<Weights>,
    reload: Duration,
}

impl Loadbalance {
    /// With the policy `round_robin`.
    pub fn round_robin() -> Loadbalance {
        Loadbalance::default()
    }

    fn read(setup: &Setup<'_>) -> Result<Loadbalance, Error> {
        let directive = setup.only()?;
        let mut loadbalance = Loadbalance { weighted: policy(directive, setup)?, prefer: Vec::new() };
        for entry in directive.block_entries() {
            entry.no_block()?;
            match (entry.name(), &mut loadbalance.weighted) {
                ("reload", Some(weighted)) => weighted.reload = entry.one_arg()?.duration()?,
                ("reload", None) => return Err(entry.error("only a weight file is read again")),
                ("prefer", _) => {
                    for word in entry.arg_count(1..)? {
                        loadbalance.prefer.push(word.parse("a network")?);
                    }
                }
                _ => return Err(entry.unexpected_property(&["prefer", "reload"])),
            }
        }
        Ok(loadbalance)
    }
}

fn policy(directive: &Directive, setup: &Setup<'_>) -> Result<Option<Weighted>, Error> {
    let Some(policy) = directive.args.first() else { return Ok(None) };
    if policy.one_of(&["round_robin", "weighted"])? == "round_robin" {
        directive.arg_count(1..=1)?;
        return Ok(None);
    }
    let [_, file] = directive.arg_count(2..=2)? else { return Ok(None) };
    let path = setup.path(file.as_str());
    let text = std::fs::read_to_string(&path)
        .map_err(|error| file.error(format!("`{file}` cannot be read: {error}")))?;
    let weights = Weights::parse(&text).map_err(|error| file.error(format!("{file}:{error}")))?;
    Ok(Some(Weighted { path, weights: ArcSwap::from_pointee(weights), reload: Duration::from_secs(30) }))
}

impl Plugin for Loadbalance {
    fn name(&self) -> &'static str {
        "loadbalance"
    }

    fn answer(&self, _: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        Step::Next
    }

    fn on_response(&self, query: &Query<'_>, response: &mut Response<'_>) {
        if response.rcode() != Rcode::NOERROR {
            return;
        }
        let Some(message) = response.message() else { return };
        let mut sets = RecordSets::of(message, query.random());
        match &self.weighted {
            None => sets.shuffle(),
            Some(weighted) if matches!(query.qtype(), Type::A | Type::AAAA | Type::SRV) => {
                sets.choose(&weighted.weights.load());
            }
            Some(_) => {}
        }
        if !self.prefer.is_empty() {
            sets.prefer(&self.prefer);
        }
        sets.write(response);
    }

    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        let reload = self.weighted.as_ref().map(|weighted| weighted.reload)?;
        (!reload.is_zero()).then(|| Box::pin(follow(self, reload)) as BoxFuture<'static, ()>)
    }
}

/// Reads the weight file again and again; weights that cannot be read leave those that are.
async fn follow(loadbalance: Arc<Loadbalance>, reload: Duration) {
    let Some(weighted) = &loadbalance.weighted else { return };
    loop {
        tokio::time::sleep(reload).await;
        let path = weighted.path.clone();
        let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
        if let Ok(Ok(text)) = read
            && let Ok(weights) = Weights::parse(&text)
        {
            weighted.weights.store(Arc::new(weights));
        }
    }
}

impl Configure for Loadbalance {
    const NAME: &'static str = "loadbalance";
    const PLACE: Place = Place::Before("cache");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let loadbalance = Loadbalance::read(setup)?;
        setup.plugin(loadbalance);
        Ok(())
    }
}
