//! A zone that changes by chance, and what it holds by then.

use std::collections::BTreeSet;

/// What a zone should hold besides its apex.
pub(crate) struct Model {
    records: BTreeSet<String>,
    random: u64,
}

impl Model {
    pub(crate) fn new(seed: u64) -> Model {
        Model { records: BTreeSet::new(), random: seed }
    }

    /// The next change, as nsupdate has it: a record that comes, or one that goes.
    pub(crate) fn change(&mut self) -> String {
        let goes = self.below(3) == 0;
        if goes && !self.records.is_empty() {
            let at = self.below(self.records.len());
            let record = self.records.iter().nth(at).cloned().unwrap();
            self.records.remove(&record);
            return format!("del {record}");
        }
        let (owner, number) = (self.below(25), self.below(200));
        let record = match self.below(5) {
            0 => format!("n{owner}.example. 60 IN MX {number} ns.example."),
            1 => format!("n{owner}.example. 60 IN TXT \"text {number}\""),
            2 => format!("n{owner}.example. 60 IN AAAA 2001:db8::{number:x}"),
            3 => format!("a.deep.n{owner}.example. 60 IN SRV 1 2 {number} ns.example."),
            _ => format!("n{owner}.example. 60 IN A 192.0.2.{number}"),
        };
        self.records.insert(record.clone());
        format!("add {record}")
    }

    /// The master file of a version.
    pub(crate) fn master_file(&self, serial: u32) -> String {
        let records = self.records.iter().flat_map(|record| [record, "\n"]).collect::<String>();
        format!("{}{records}", apex(serial))
    }

    /// The records, in an order of their own.
    pub(crate) fn records(&self) -> Vec<String> {
        self.records.iter().cloned().collect()
    }

    /// Xorshift: chance enough for this, and the same each time.
    fn below(&mut self, end: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % end as u64) as usize
    }
}

fn apex(serial: u32) -> String {
    format!(
        "example. 60 IN SOA ns.example. host.example. {serial} 3600 600 86400 5\n\
         example. 60 IN NS ns.example.\nns.example. 60 IN A 192.0.2.53\n"
    )
}
