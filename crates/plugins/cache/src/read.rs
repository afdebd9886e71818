//! From words to options.

use std::time::Duration;

use cartonym_plugin::corefile::{Directive, Error, Word};
use cartonym_plugin::{Setup, names};
use cartonym_wire::{NameBuf, Ttl};

use crate::options::{Keeping, Options, Prefetch, Stale, StaleMode};
use crate::secs;

/// Reads `cache [TTL] [ZONES...] { ... }`.
pub(crate) fn options(setup: &Setup<'_>) -> Result<Options, Error> {
    let directive = setup.only()?;
    let mut options = Options::default();
    let mut zones = &*directive.args;
    if let [first, rest @ ..] = zones
        && first.as_str().bytes().all(|octet| octet.is_ascii_digit())
    {
        let max_ttl = ttl(first)?;
        (options.answers.max_ttl, options.denials.max_ttl) = (max_ttl, max_ttl);
        zones = rest;
    }
    options.zones = setup.zones_or_block(zones)?;
    for entry in directive.block_entries() {
        entry.no_block()?;
        set(&mut options, entry)?;
    }
    Ok(options)
}

fn set(options: &mut Options, entry: &Directive) -> Result<(), Error> {
    match entry.name() {
        "success" => keeping(&mut options.answers, entry)?,
        "denial" => keeping(&mut options.denials, entry)?,
        "servfail" => options.servfail = servfail(entry.one_arg()?)?,
        "prefetch" => options.prefetch = Some(prefetch(entry)?),
        "serve_stale" => options.stale = Some(stale(entry)?),
        "serve_stale_policy" => {
            entry.one_arg()?.one_of(&["prefer_positive"])?;
            options.prefer_positive = true;
        }
        "disable" => {
            let [what, zones @ ..] = entry.arg_count(1..)? else { return Ok(()) };
            let zones = if zones.is_empty() { vec![NameBuf::ROOT] } else { names(zones)? };
            match what.one_of(&["success", "denial"])? {
                "success" => options.no_answers.extend(zones),
                _ => options.no_denials.extend(zones),
            }
        }
        "keepttl" => {
            entry.no_args()?;
            options.keep_ttl = true;
        }
        _ => return Err(entry.unexpected_property(&PROPERTIES)),
    }
    Ok(())
}

/// Reads `CAPACITY [TTL [MINTTL]]`.
fn keeping(keeping: &mut Keeping, entry: &Directive) -> Result<(), Error> {
    let mut words = entry.arg_count(1..=3)?.iter();
    if let Some(word) = words.next() {
        keeping.capacity = word.parse::<usize>("a number of responses")?.max(MIN_CAPACITY);
    }
    if let Some(word) = words.next() {
        keeping.max_ttl = ttl(word)?;
    }
    if let Some(word) = words.next() {
        keeping.min_ttl = word.parse("a number of seconds")?;
    }
    // The bound that is nearer to what was written last.
    keeping.min_ttl = keeping.min_ttl.min(keeping.max_ttl);
    Ok(())
}

fn ttl(word: &Word) -> Result<u32, Error> {
    match word.parse("a number of seconds")? {
        0 => Err(word.error("a cache that keeps nothing is none")),
        secs => Ok(secs),
    }
}

fn servfail(word: &Word) -> Result<Duration, Error> {
    let duration = word.duration()?;
    if duration > MAX_SERVFAIL {
        // A failure must not last longer than its cause (RFC 2308 §7.1).
        return Err(word.error("failures are kept for 5m at most"));
    }
    Ok(duration)
}

/// Reads `AMOUNT [DURATION [PERCENTAGE%]]`.
fn prefetch(entry: &Directive) -> Result<Prefetch, Error> {
    let mut prefetch = Prefetch { amount: 0, gap: secs(60), percentage: 10 };
    let mut words = entry.arg_count(1..=3)?.iter();
    if let Some(word) = words.next() {
        prefetch.amount = word.parse("a number of queries")?;
    }
    if let Some(word) = words.next() {
        prefetch.gap = word.duration()?;
    }
    if let Some(word) = words.next() {
        let percentage = word.as_str().strip_suffix('%').and_then(|text| text.parse().ok());
        let percentage = percentage.filter(|percentage| (1..=99).contains(percentage));
        prefetch.percentage =
            percentage.ok_or_else(|| word.error(format!("`{word}` is not a percentage from 1% to 99%")))?;
    }
    Ok(prefetch)
}

/// Reads `[DURATION] [immediate [REFRESHTTL]|verify]`.
fn stale(entry: &Directive) -> Result<Stale, Error> {
    let mut stale = Stale { period: secs(3600), mode: StaleMode::Immediate(Ttl::ZERO) };
    let mut words = entry.arg_count(0..=3)?.iter().peekable();
    if let Some(word) = words.next_if(|word| !MODES.contains(&word.as_str())) {
        stale.period = word.duration()?;
    }
    let Some(mode) = words.next() else { return Ok(stale) };
    match (mode.one_of(&MODES)?, words.next()) {
        ("verify", None) => stale.mode = StaleMode::Verify,
        ("verify", Some(word)) => return Err(word.error("a time for `verify` is not supported yet")),
        (_, None) => {}
        (_, Some(word)) => {
            let ttl = word.duration_or_seconds()?.as_secs();
            let ttl = u32::try_from(ttl).map_err(|_| word.error(format!("`{word}` is too long")))?;
            stale.mode = StaleMode::Immediate(Ttl::from_secs(ttl));
        }
    }
    if let Some(word) = words.next() {
        return Err(word.error("a time between two attempts is not supported yet"));
    }
    Ok(stale)
}

const MODES: [&str; 2] = ["immediate", "verify"];
const PROPERTIES: [&str; 8] =
    ["success", "denial", "servfail", "prefetch", "serve_stale", "serve_stale_policy", "disable", "keepttl"];
const MIN_CAPACITY: usize = 1024;
const MAX_SERVFAIL: Duration = secs(300);
