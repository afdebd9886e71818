//! Plugins to measure with.

use std::sync::atomic::{AtomicU64, Ordering};

use cartonym_plugin::{Plugin, Query, Response, Step};
use cartonym_wire::{Section, Ttl, Type};

/// Passes all queries on, and looks at them and at their responses.
#[derive(Debug, Default)]
pub struct Passes {
    seen: AtomicU64,
}

/// Answers all queries with one address.
#[derive(Debug)]
pub struct Answers;

impl Plugin for Passes {
    fn name(&self) -> &'static str {
        "passes"
    }

    fn answer(&self, query: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        // Never so, and not to be known before.
        if query.id() == 0 {
            self.seen.fetch_add(1, Ordering::Relaxed);
        }
        Step::Next
    }

    fn on_response(&self, _: &Query<'_>, response: &mut Response<'_>) {
        if response.rcode().0 == 5 {
            self.seen.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Plugin for Answers {
    fn name(&self) -> &'static str {
        "answers"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        let _ = response.record(Section::Answer, query.owner(), Type::A, Ttl::ZERO, &[192, 0, 2, 1]);
        Step::Answered
    }
}
