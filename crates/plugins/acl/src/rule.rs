//! One line of a list.

use std::net::IpAddr;

use cartonym_plugin::NotANetwork;
use cartonym_plugin::corefile::{Directive, Error};
use cartonym_wire::Type;

use crate::networks::Networks;

/// What happens to a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// It goes on.
    Allow,
    /// It is refused.
    Block,
    /// It is answered with nothing.
    Filter,
    /// It is not answered.
    Drop,
}

impl Action {
    /// All of them, by their numbers.
    pub(crate) const ALL: [Action; 4] = [Action::Allow, Action::Block, Action::Filter, Action::Drop];

    /// What queries of this fate are counted under: name, help, labels.
    pub(crate) fn counter(self) -> (&'static str, &'static str, &'static [&'static str]) {
        let all = &["server", "zone", "view"];
        match self {
            Action::Allow => {
                ("coredns_acl_allowed_requests_total", "Queries that were allowed.", &["server", "view"])
            }
            Action::Block => ("coredns_acl_blocked_requests_total", "Queries that were refused.", all),
            Action::Filter => {
                ("coredns_acl_filtered_requests_total", "Queries that were answered with nothing.", all)
            }
            Action::Drop => ("coredns_acl_dropped_requests_total", "Queries that were not answered.", all),
        }
    }
}

/// What happens to queries of some types from some networks.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) action: Action,
    /// All if none.
    types: Option<Vec<Type>>,
    /// All if none.
    networks: Option<Networks>,
}

impl Rule {
    /// Reads `ACTION [type QTYPES...] [net SOURCES...]`.
    pub(crate) fn of(entry: &Directive) -> Result<Rule, Error> {
        entry.no_block()?;
        let action = match entry.name.one_of(&["allow", "block", "filter", "drop"])? {
            "allow" => Action::Allow,
            "block" => Action::Block,
            "filter" => Action::Filter,
            _ => Action::Drop,
        };
        let (mut types, mut networks) = (List::new(), List::new());
        let mut words = entry.args.iter().peekable();
        while let Some(section) = words.next() {
            let is_type = section.one_of(&["type", "net"])? == "type";
            let mut count = 0;
            while let Some(word) = words.next_if(|word| !matches!(word.as_str(), "type" | "net")) {
                count += 1;
                match (is_type, word.as_str()) {
                    (true, "*") => types.all = true,
                    (false, "*") => networks.all = true,
                    (true, _) => types.some.push(word.parse("a type")?),
                    (false, _) => networks.some.push(
                        word.as_str()
                            .parse()
                            .map_err(|error: NotANetwork| word.error(format!("`{word}` is {error}")))?,
                    ),
                }
            }
            if count == 0 {
                return Err(section.error(format!("`{section}` takes at least 1 argument, but has 0")));
            }
        }
        let networks = networks.limited().map(Networks::new);
        Ok(Rule { action, types: types.limited(), networks })
    }

    pub(crate) fn fits(&self, client: IpAddr, qtype: Type) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(&qtype))
            && self.networks.as_ref().is_none_or(|networks| networks.contain(client))
    }
}

/// Some of a kind, or all.
struct List<T> {
    all: bool,
    some: Vec<T>,
}

impl<T> List<T> {
    fn new() -> List<T> {
        List { all: false, some: Vec::new() }
    }

    /// None where nothing limits it.
    fn limited(self) -> Option<Vec<T>> {
        Some(self.some).filter(|some| !self.all && !some.is_empty())
    }
}
