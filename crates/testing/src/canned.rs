//! A plugin that always says the same.

use std::sync::Mutex;

use cartonym_plugin::{Plugin, Query, Response, Step};
use cartonym_wire::{Flags, Rcode, Section};

use crate::TestRecord;

/// Answers every query with the same records, and remembers what was asked.
#[derive(Debug, Default)]
pub struct Canned {
    sections: Vec<(Section, TestRecord)>,
    rcode: Option<Rcode>,
    flags: Flags,
    asked: Mutex<Vec<String>>,
}

impl Canned {
    /// Answers with `records`, one a line: in the answer section, or in that which the line begins with, as in
    /// `authority example. 60 NS ns.example.`
    ///
    /// # Panics
    ///
    /// If a line is no record.
    pub fn new(records: &str) -> Canned {
        let lines = records.lines().map(str::trim).filter(|line| !line.is_empty());
        Canned { sections: lines.map(section_and_record).collect(), ..Canned::default() }
    }

    /// With another rcode than NOERROR.
    pub fn rcode(mut self, rcode: Rcode) -> Canned {
        self.rcode = Some(rcode);
        self
    }

    /// With flags set.
    pub fn flags(mut self, flags: Flags) -> Canned {
        self.flags = flags;
        self
    }

    /// What was asked so far, a line for each query: `www.example. A`.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panics with it").clone()
    }
}

fn section_and_record(line: &str) -> (Section, TestRecord) {
    let (section, record) = match line.split_once(' ') {
        Some(("answer", rest)) => (Section::Answer, rest),
        Some(("authority", rest)) => (Section::Authority, rest),
        Some(("additional", rest)) => (Section::Additional, rest),
        _ => (Section::Answer, line),
    };
    (section, record.parse().expect("a record"))
}

impl Plugin for Canned {
    fn name(&self) -> &'static str {
        "canned"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        let asked = format!("{} {}", query.name(), query.qtype());
        self.asked.lock().expect("no test panics with it").push(asked);
        if let Some(rcode) = self.rcode {
            response.set_rcode(rcode);
        }
        response.set_flag(self.flags, true);
        for (section, record) in &self.sections {
            let TestRecord { owner, ttl, rtype, rdata } = record;
            let _ = response.record(*section, owner, *rtype, *ttl, rdata);
        }
        Step::Answered
    }
}
