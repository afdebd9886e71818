//! `dnssec [ZONES...] { key file KEY... }`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cartonym_plugin::corefile::{Directive, Error, Word};
use cartonym_plugin::metrics::Kind;
use cartonym_plugin::{Configure, Metrics, Place, Setup};
use cartonym_wire::NameBuf;

use crate::Dnssec;
use crate::key::Key;
use crate::signer::Signer;

impl Configure for Dnssec {
    const NAME: &'static str = "dnssec";
    const PLACE: Place = Place::Before("registry");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        let zones = setup.zones_or_block(&directive.args)?;
        let (mut keys, mut capacity) = (Vec::new(), CAPACITY);
        for entry in directive.block_entries() {
            entry.no_block()?;
            match entry.name() {
                "key" => read_keys(setup, entry, &zones, &mut keys)?,
                "cache_capacity" => capacity = read_capacity(entry)?,
                _ => return Err(entry.unexpected_property(&["key", "cache_capacity"])),
            }
        }
        if keys.is_empty() {
            return Err(directive.error("no key: nothing can be signed").help("`key file KEY` names one"));
        }
        let mut signer = Signer::new(zones, keys, capacity);
        let metrics = setup.metrics();
        signer.hits = metrics.counter(
            "coredns_dnssec_cache_hits_total",
            "Sets of records whose signatures had been made before.",
            &["server"],
            &[],
        );
        signer.misses = metrics.counter(
            "coredns_dnssec_cache_misses_total",
            "Sets of records that were signed.",
            &["server"],
            &[],
        );
        let signer = Arc::new(signer);
        show(&signer, &metrics, setup.zones);
        setup.plugin(Dnssec { signer });
        Ok(())
    }
}

/// `key file KEY...`
fn read_keys(
    setup: &Setup<'_>,
    entry: &Directive,
    zones: &[NameBuf],
    keys: &mut Vec<Key>,
) -> Result<(), Error> {
    let [source, files @ ..] = entry.arg_count(1..)? else { return Err(entry.error("no source of keys")) };
    match source.one_of(&["file", "aws_secretsmanager"])? {
        "file" => {}
        _ => {
            return Err(source.error("`aws_secretsmanager` is not supported: have the keys written to files"));
        }
    }
    if files.is_empty() {
        return Err(source.error("no files: give their names, without `.key` or `.private`"));
    }
    for file in files {
        let key = read_key(setup, file, zones)?;
        if keys.iter().any(|other| other.dnskey() == key.dnskey()) {
            return Err(file.error("this key is there already"));
        }
        keys.push(key);
    }
    Ok(())
}

fn read_key(setup: &Setup<'_>, word: &Word, zones: &[NameBuf]) -> Result<Key, Error> {
    let name = word.as_str();
    let base = name.strip_suffix(".key").or_else(|| name.strip_suffix(".private")).unwrap_or(name);
    let read = |suffix: &str| {
        let path = with_suffix(&setup.path(base), suffix);
        std::fs::read_to_string(&path)
            .map_err(|error| word.error(format!("{} cannot be read: {error}", path.display())))
    };
    let key =
        Key::parse(&read(".key")?, &read(".private")?).map_err(|error| word.error(error.to_string()))?;
    if !zones.iter().any(|zone| zone.is_within(key.owner())) {
        let zones: Vec<String> = zones.iter().map(NameBuf::to_string).collect();
        return Err(word.error(format!("the key of {} signs none of {}", key.owner(), zones.join(", "))));
    }
    Ok(key)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn read_capacity(entry: &Directive) -> Result<usize, Error> {
    let word = entry.one_arg()?;
    match word.parse("a number of signatures")? {
        0 => Err(word.error("room for no signature: at least 1")),
        MORE.. => Err(word.error(format!("more than memory can hold: less than {MORE}"))),
        capacity => Ok(capacity),
    }
}

/// Has `metrics` tell how much is kept; under the first server of the block, for what is kept there is one.
fn show(signer: &Arc<Signer>, metrics: &Metrics, block: &[NameBuf]) {
    let block: Vec<String> = block.iter().map(NameBuf::to_string).collect();
    let signer = signer.clone();
    metrics.read("coredns_dnssec_cache_entries", "Signatures that are kept.", Kind::Gauge, move |samples| {
        let route = samples.routes().iter().position(|route| block.contains(&route.zone));
        let mut labels = samples.route_labels(route.unwrap_or_default(), &["server"]);
        labels.push(("type", "signature".to_owned()));
        samples.add(&labels, signer.store.len() as f64);
    });
}

/// Sets of records whose signatures are kept.
const CAPACITY: usize = 10_000;
/// More than that take some 20 GB.
const MORE: usize = 100_000_000;
