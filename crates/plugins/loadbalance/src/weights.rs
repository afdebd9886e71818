//! The weight file.

use std::collections::HashMap;
use std::net::IpAddr;

use cartonym_wire::{Name, NameBuf};

/// Weights of addresses, by the name that has them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Weights(HashMap<NameBuf, HashMap<IpAddr, u8>>);

/// A line of a weight file that says nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum WeightsError {
    #[error("{0}: neither a name nor an address and its weight")]
    NotALine(usize),
    #[error("{0}: an address without a name before it")]
    NoName(usize),
    #[error("{0}: a weight is a number from 1 to 255")]
    NotAWeight(usize),
}

impl Weights {
    /// Reads the text of a file.
    pub(crate) fn parse(text: &str) -> Result<Weights, WeightsError> {
        let mut weights = HashMap::new();
        let mut current = None;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            match *line.split_whitespace().collect::<Vec<_>>() {
                [] => {}
                [name] => {
                    let name: NameBuf = name.parse().map_err(|_| WeightsError::NotALine(number))?;
                    current = Some(name);
                    weights.entry(name).or_insert_with(HashMap::new);
                }
                [address, weight] => {
                    let name = current.ok_or(WeightsError::NoName(number))?;
                    let address = address.parse().map_err(|_| WeightsError::NotALine(number))?;
                    let weight = weight.parse().ok().filter(|weight| *weight > 0);
                    let weight = weight.ok_or(WeightsError::NotAWeight(number))?;
                    weights.entry(name).or_insert_with(HashMap::new).insert(address, weight);
                }
                _ => return Err(WeightsError::NotALine(number)),
            }
        }
        Ok(Weights(weights))
    }

    /// The weights of a name's addresses, if the file has the name.
    pub(crate) fn of(&self, name: &Name) -> Option<&HashMap<IpAddr, u8>> {
        self.0.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_addresses_with_weights() {
        let text = "# weights\nWWW.example # a name\n192.0.2.1 10\n 2001:db8::1\t255\n\nother.example.\n";
        let weights = Weights::parse(text).unwrap();
        let www: NameBuf = "www.EXAMPLE.".parse().unwrap();
        let of = weights.of(&www).unwrap();
        assert_eq!(of.get(&"192.0.2.1".parse().unwrap()), Some(&10));
        assert_eq!(of.get(&"2001:db8::1".parse().unwrap()), Some(&255));
        assert!(weights.of(&"other.example".parse::<NameBuf>().unwrap()).unwrap().is_empty());
        assert!(weights.of(Name::ROOT).is_none());
    }

    #[test]
    fn a_line_that_says_nothing_is_named() {
        let table = [
            ("a..b", WeightsError::NotALine(1)),
            ("192.0.2.1 5", WeightsError::NoName(1)),
            ("a\nb 5", WeightsError::NotALine(2)),
            ("a\n192.0.2.1 5 6", WeightsError::NotALine(2)),
            ("a\n192.0.2.1 0", WeightsError::NotAWeight(2)),
            ("a\n192.0.2.1 256", WeightsError::NotAWeight(2)),
            ("a\n192.0.2.1 -1", WeightsError::NotAWeight(2)),
        ];
        for (text, error) in table {
            assert_eq!(Weights::parse(text), Err(error), "{text}");
        }
    }
}
