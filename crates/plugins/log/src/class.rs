//! The classes of responses.

use cartonym_plugin::Response;
use cartonym_plugin::corefile::{Directive, Error};
use cartonym_wire::{Rcode, Section, Type};

/// A set of classes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Classes {
    success: bool,
    denial: bool,
    error: bool,
}

impl Classes {
    pub(crate) const ALL: Classes = Classes { success: true, denial: true, error: true };
    const NONE: Classes = Classes { success: false, denial: false, error: false };

    /// What the block of a directive says; all if it says nothing.
    pub(crate) fn of(directive: &Directive) -> Result<Classes, Error> {
        let mut classes = Classes::NONE;
        for entry in directive.block_entries() {
            match entry.name() {
                "class" => entry.no_block()?,
                _ => return Err(entry.unexpected_property(&["class"])),
            }
            for word in entry.arg_count(1..)? {
                match word.one_of(&["success", "denial", "error", "all"])? {
                    "success" => classes.success = true,
                    "denial" => classes.denial = true,
                    "error" => classes.error = true,
                    _ => classes = Classes::ALL,
                }
            }
        }
        Ok(if classes == Classes::NONE { Classes::ALL } else { classes })
    }

    /// Whether a response is of one of the classes.
    pub(crate) fn include(self, response: &mut Response<'_>) -> bool {
        if self == Classes::ALL {
            return true;
        }
        match response.rcode() {
            Rcode::NXDOMAIN => self.denial,
            Rcode::NOERROR if is_nodata(response) => self.denial,
            Rcode::NOERROR => self.success,
            _ => self.error,
        }
    }
}

/// No answer, and an SOA that says so (RFC 2308 §2.2).
fn is_nodata(response: &mut Response<'_>) -> bool {
    if response.count_of(Section::Answer) > 0 || response.count_of(Section::Authority) == 0 {
        return false;
    }
    let Some(message) = response.message() else { return false };
    message.records().map_while(Result::ok).any(|record| record.section == 1 && record.rtype == Type::SOA)
}
