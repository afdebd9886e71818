//! A response as a test reads it.

use std::fmt;

use cartonym_wire::{
    Class, Edns, Flags, MAX_MESSAGE_LEN, Message, OptionCode, Rcode, Record, Type, expand_rdata,
};

use crate::rdata_text;

/// A response. It displays as its rcode and its flags but QR and RD, then a line for each record.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer(Vec<u8>);

impl Answer {
    /// Reads a whole message.
    ///
    /// # Panics
    ///
    /// If it is none, from the header to the last record.
    pub fn new(message: Vec<u8>) -> Answer {
        let view = Message::new(&message).expect("a message");
        assert!(view.header().flags.has(Flags::QR), "a response");
        for record in view.records() {
            record.expect("a message of whole records");
        }
        Answer(message)
    }

    /// The message.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The rcode, with the bits that OPT holds.
    pub fn rcode(&self) -> Rcode {
        let extended = self.edns().map_or(0, |edns| u16::from(edns.extended_rcode) << 4);
        Rcode(extended | self.flags().rcode().0)
    }

    /// The flags.
    pub fn flags(&self) -> Flags {
        self.message().header().flags
    }

    /// The answer section, a line for each record: `www.example. 60 A 192.0.2.1`.
    pub fn answers(&self) -> Vec<String> {
        self.section(0)
    }

    /// The authority section.
    pub fn authority(&self) -> Vec<String> {
        self.section(1)
    }

    /// The additional section, without OPT.
    pub fn additional(&self) -> Vec<String> {
        self.section(2)
    }

    /// The data of an option.
    pub fn option(&self, code: OptionCode) -> Option<&[u8]> {
        self.edns()?.options.find(code)
    }

    /// What OPT says, if it is there.
    pub fn edns(&self) -> Option<Edns<'_>> {
        self.records().find_map(|record| Edns::of(&record))
    }

    fn section(&self, section: u8) -> Vec<String> {
        let of_it = |record: &Record<'_>| record.section == section && record.rtype != Type::OPT;
        self.records().filter(of_it).map(|record| self.text(&record)).collect()
    }

    fn text(&self, record: &Record<'_>) -> String {
        let mut rdata = vec![0; MAX_MESSAGE_LEN];
        let (start, len) = (record.rdata_start, record.rdata.len());
        let len = expand_rdata(&self.0, record.rtype, start, len, &mut rdata).expect("RDATA");
        let class = match record.class {
            Class::IN => String::new(),
            class => format!("{class} "),
        };
        let rdata = rdata_text(record.rtype, &rdata[..len]);
        format!("{} {} {class}{} {rdata}", record.owner, record.ttl_bits, record.rtype)
    }

    fn message(&self) -> Message<'_> {
        Message::new(&self.0).expect("it has been read before")
    }

    fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.message().records().map(|record| record.expect("it has been read before"))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.rcode())?;
        let names =
            [(Flags::AA, "aa"), (Flags::TC, "tc"), (Flags::RA, "ra"), (Flags::AD, "ad"), (Flags::CD, "cd")];
        names
            .iter()
            .filter(|(flag, _)| self.flags().has(*flag))
            .try_for_each(|(_, name)| write!(f, " {name}"))?;
        for (section, name) in [(0, "answer"), (1, "authority"), (2, "additional")] {
            self.section(section).iter().try_for_each(|record| write!(f, "\n{name} {record}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
