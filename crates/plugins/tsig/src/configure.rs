//! `tsig [ZONES...] { secret NAME SECRET }`.

use cartonym_plugin::corefile::{Directive, Error, Word};
use cartonym_plugin::{Configure, Place, Setup};
use cartonym_tsig::{Algorithm, Key, Keyring};
use cartonym_wire::NameBuf;

use crate::named::read_keys;
use crate::{Required, Rule, Tsig};

impl Configure for Tsig {
    const NAME: &'static str = "tsig";
    const PLACE: Place = Place::After("loadbalance");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let keys = setup.shared.get::<Keyring>();
        let mut tsig = Tsig::default();
        for directive in setup.directives() {
            let zones = setup.zones_or_block(&directive.args)?;
            for entry in directive.block_entries() {
                match entry.name() {
                    "secret" => add(&keys, entry, read_secret(entry)?)?,
                    "secrets" => {
                        for key in read_file(setup, entry)? {
                            add(&keys, entry, key)?;
                        }
                    }
                    "require" => {
                        let required = read_types(entry.arg_count(1..)?)?;
                        tsig.rules.push(Rule { zones: zones.clone(), required });
                    }
                    _ => return Err(entry.unexpected_property(&["secret", "secrets", "require"])),
                }
            }
        }
        if !tsig.rules.is_empty() {
            setup.plugin(tsig);
        }
        Ok(())
    }
}

fn add(keys: &Keyring, entry: &Directive, key: Key) -> Result<(), Error> {
    let name = key.name().to_string();
    keys.add(key).map_err(|error| entry.error(format!("key {name}: {error}")))
}

fn read_secret(entry: &Directive) -> Result<Key, Error> {
    let (name, algorithm, secret) = match entry.arg_count(2..=3)? {
        [name, secret] => (name, Algorithm::HmacSha256, secret),
        [name, algorithm, secret] => (name, algorithm.parse("an algorithm, such as hmac-sha256")?, secret),
        _ => return Err(entry.error("a name and a secret are needed")),
    };
    let name: NameBuf = name.parse("the name of a key")?;
    // The word itself does not go into the message: it is a secret.
    Key::from_base64(&name, algorithm, secret.as_str()).map_err(|error| entry.error(error.to_string()))
}

fn read_file(setup: &Setup<'_>, entry: &Directive) -> Result<Vec<Key>, Error> {
    let word = entry.one_arg()?;
    let text = std::fs::read_to_string(setup.path(word.as_str()))
        .map_err(|error| word.error(format!("cannot be read: {error}")))?;
    read_keys(&text).map_err(|error| word.error(format!("line {}: {}", error.line, error.message)))
}

fn read_types(words: &[Word]) -> Result<Required, Error> {
    if let [word] = words {
        match word.as_str().to_ascii_lowercase().as_str() {
            "all" => return Ok(Required::All),
            "none" => return Ok(Required::These(Vec::new())),
            _ => {}
        }
    }
    words.iter().map(|word| word.parse("a type of records")).collect::<Result<_, _>>().map(Required::These)
}
