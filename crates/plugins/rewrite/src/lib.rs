#![doc = include_str!("../README.md")]

mod answer;
mod pattern;
mod read;
mod rule;

use cartonym_plugin::corefile::Error;
use cartonym_plugin::{Configure, Place, Plugin, Query, Response, Setup, Step};
use cartonym_wire::Rcode;

use rule::{Change, Rule, Run};

/// Rewrites queries, and their responses back.
#[derive(Debug)]
pub struct Rewrite {
    rules: Vec<Rule>,
}

impl Rewrite {
    /// Runs the rules for the question as it came; the same question always takes the same way.
    fn run(&self, query: &Query<'_>) -> Run<'_> {
        Run::new(&self.rules, query.question().name, query.question().qtype)
    }
}

impl Plugin for Rewrite {
    fn name(&self) -> &'static str {
        "rewrite"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        let run = self.run(query);
        if run.failed {
            response.set_rcode(Rcode::SERVFAIL);
            return Step::Answered;
        }
        if run.qtype != query.qtype() {
            query.set_qtype(run.qtype);
        }
        if run.name != *query.name() {
            query.set_name(&run.name);
        }
        Step::Next
    }

    fn on_response(&self, query: &Query<'_>, response: &mut Response<'_>) {
        let run = self.run(query);
        // Backwards: the last name that was given is the first to be taken back.
        for (rule, before, after) in run.applied.iter().rev() {
            match &rule.change {
                Change::Name(change) => change.reverse(&rule.pattern, before, after).apply(response),
                Change::Ttl(ttl) => ttl.apply(response),
                Change::Rcode { from, to } if response.rcode() == *from => response.set_rcode(*to),
                Change::Type { .. } | Change::Rcode { .. } => {}
            }
        }
    }
}

impl Configure for Rewrite {
    const NAME: &'static str = "rewrite";
    const PLACE: Place = Place::Before("acl");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let rules = setup.directives().map(read::rule).collect::<Result<_, Error>>()?;
        setup.plugin(Rewrite { rules });
        Ok(())
    }
}
