#![doc = include_str!("../README.md")]

use std::sync::Arc;

use cartonym_expression::{Expression, Facts, Names};
use cartonym_plugin::corefile::Error;
use cartonym_plugin::{Configure, Label, Metadata, Place, Plugin, Query, Response, Setup, Step, View};

/// Decides which queries its chain is for.
#[derive(Clone, Debug)]
pub struct Conditions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    /// All of them must be true.
    conditions: Vec<Expression>,
}

impl Plugin for Conditions {
    fn name(&self) -> &'static str {
        "view"
    }

    fn answer(&self, _: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        Step::Next
    }

    fn view(&self) -> Option<Arc<dyn View>> {
        Some(Arc::clone(&self.0) as Arc<dyn View>)
    }
}

impl View for Inner {
    fn name(&self) -> &str {
        &self.name
    }

    fn admits(&self, query: &Query<'_>) -> bool {
        self.conditions.iter().all(|condition| condition.is_true(&Facts::of(query)))
    }
}

impl Label for Inner {
    fn text<'a>(&'a self, _: &'a Query<'_>) -> Option<&'a str> {
        Some(&self.name)
    }
}

impl Configure for Conditions {
    const NAME: &'static str = "view";
    const PLACE: Place = Place::Last;

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        let name = directive.one_arg()?.as_str().to_owned();
        let metadata = setup.in_block::<Metadata>();
        let mut conditions = Vec::new();
        for entry in directive.block_entries() {
            if entry.name() != "expr" {
                return Err(entry.unexpected_property(&["expr"]));
            }
            entry.no_block()?;
            if let [first, more @ ..] = entry.arg_count(1..)? {
                conditions.push(Expression::parse(first, more, &Names::of(&metadata))?);
            }
        }
        if conditions.is_empty() {
            return Err(directive.error("a view of which queries? `expr` is missing"));
        }
        let conditions = Arc::new(Inner { name, conditions });
        metadata.tell("view/name", Arc::clone(&conditions) as Arc<dyn Label>);
        setup.plugin(Conditions(conditions));
        Ok(())
    }
}
