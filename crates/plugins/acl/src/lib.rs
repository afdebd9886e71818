#![doc = include_str!("../README.md")]

mod networks;
mod rule;

use cartonym_plugin::corefile::Error;
use cartonym_plugin::metrics::Counter;
use cartonym_plugin::{Configure, Place, Plugin, Query, Response, Setup, Step, Transport};
use cartonym_wire::{Ede, NameBuf, Rcode};

pub use rule::Action;
use rule::Rule;

/// Allows and refuses queries by who asks and for what.
#[derive(Debug)]
pub struct Acl {
    lists: Vec<List>,
    /// By the action's number.
    counts: [Counter; 4],
}

/// The rules for some zones.
#[derive(Debug)]
struct List {
    zones: Vec<NameBuf>,
    rules: Vec<Rule>,
}

impl Acl {
    fn read(setup: &Setup<'_>) -> Result<Acl, Error> {
        let mut lists = Vec::new();
        for directive in setup.directives() {
            let zones = setup.zones_or_block(&directive.args)?;
            let rules = directive.block_entries().iter().map(Rule::of).collect::<Result<_, Error>>()?;
            lists.push(List { zones, rules });
        }
        let metrics = setup.metrics();
        let counts = Action::ALL.map(|action| {
            let (name, help, by) = action.counter();
            metrics.counter(name, help, by, &[])
        });
        Ok(Acl { lists, counts })
    }

    /// How many queries met this fate.
    pub fn count(&self, action: Action) -> u64 {
        self.counts.get(action as usize).map_or(0, Counter::sum)
    }

    fn decide(&self, query: &Query<'_>) -> Action {
        let client = query.client().address.ip().to_canonical();
        let lists =
            self.lists.iter().filter(|list| list.zones.iter().any(|zone| query.name().is_within(zone)));
        lists
            .flat_map(|list| &list.rules)
            .find(|rule| rule.fits(client, query.qtype()))
            .map_or(Action::Allow, |rule| rule.action)
    }
}

impl Plugin for Acl {
    fn name(&self) -> &'static str {
        "acl"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        if query.client().transport == Transport::Internal {
            return Step::Next;
        }
        let action = self.decide(query);
        if let Some(count) = self.counts.get(action as usize) {
            count.add_for(query.route());
        }
        match action {
            Action::Allow => return Step::Next,
            Action::Drop => return Step::Drop,
            Action::Block => {
                response.set_rcode(Rcode::REFUSED);
                response.set_ede(Ede::BLOCKED);
            }
            Action::Filter => response.set_ede(FILTERED),
        }
        Step::Answered
    }
}

impl Configure for Acl {
    const NAME: &'static str = "acl";
    const PLACE: Place = Place::Before("cache");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let acl = Acl::read(setup)?;
        setup.plugin(acl);
        Ok(())
    }
}

/// RFC 8914 §4.18.
const FILTERED: Ede = Ede(17);
