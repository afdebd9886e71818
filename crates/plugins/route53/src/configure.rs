//! `route53 [ZONE:HOSTED_ZONE_ID...] { refresh DURATION }`.

use std::collections::HashSet;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};

use cartonym_plugin::corefile::{Directive, Error, Word};
use cartonym_plugin::metrics::Kind;
use cartonym_plugin::{Configure, Fallthrough, Metrics, Place, Setup};
use cartonym_wire::NameBuf;
use parking_lot::Mutex;

use crate::hosted::{Counts, Hosted};
use crate::{AccessKey, Options, Profile, Route53};

impl Configure for Route53 {
    const NAME: &'static str = "route53";
    const PLACE: Place = Place::After("hosts");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        for directive in setup.directives() {
            let (options, fallthrough) = read(directive, setup)?;
            let mut plugin = Route53::new(options, fallthrough);
            for (origin, id) in zones(&directive.args)? {
                plugin = plugin.zone(&origin, id);
            }
            let shown = setup.shared.get::<Shown>();
            plugin.hosted().for_each(|hosted| shown.show(hosted, &setup.metrics()));
            setup.plugin(plugin);
        }
        Ok(())
    }
}

/// The hosted zones of a configuration whose numbers are told already.
#[derive(Default)]
struct Shown(Mutex<Vec<Weak<Hosted>>>);

impl Shown {
    fn show(&self, hosted: &Arc<Hosted>, metrics: &Metrics) {
        let mut shown = self.0.lock();
        if shown.iter().any(|there| there.as_ptr() == Arc::as_ptr(hosted)) {
            return;
        }
        shown.push(Arc::downgrade(hosted));
        type Read = fn(&Counts) -> f64;
        let families: [(_, _, Read); 2] = [
            (
                "cartonym_route53_connected",
                "Whether a hosted zone could be read; what is known stays if not.",
                |counts| counts.is_connected.load(Relaxed).into(),
            ),
            ("cartonym_route53_left_out", "What a hosted zone has and is not served.", |counts| {
                counts.left_out.load(Relaxed) as f64
            }),
        ];
        for (name, help, read) in families {
            let (hosted, labels) = (Arc::clone(hosted), hosted.labels());
            metrics.read(name, help, Kind::Gauge, move |samples| samples.add(&labels, read(&hosted.counts)));
        }
    }
}

/// Reads `ZONE:HOSTED_ZONE_ID` words.
fn zones(words: &[Word]) -> Result<Vec<(NameBuf, &str)>, Error> {
    let (mut zones, mut seen) = (Vec::new(), HashSet::new());
    for word in words {
        let wrong = || {
            word.error(format!("`{word}` is not `ZONE:HOSTED_ZONE_ID`, such as `example.org:Z1D633PJN98FT9`"))
        };
        let (name, id) = word.as_str().split_once(':').ok_or_else(wrong)?;
        if name.is_empty() || id.is_empty() {
            return Err(wrong());
        }
        let origin = name.parse::<NameBuf>().map_err(|_| wrong())?.to_lowercase();
        if !seen.insert((origin, id)) {
            return Err(word.error("a hosted zone that is there already"));
        }
        zones.push((origin, id));
    }
    Ok(zones)
}

fn read(directive: &Directive, setup: &Setup<'_>) -> Result<(Options, Fallthrough), Error> {
    let (mut options, mut fallthrough) = (Options::default(), Fallthrough::default());
    for entry in directive.block_entries() {
        match entry.name() {
            "aws_access_key" => options.key = Some(key(entry)?),
            "aws_endpoint" => options.endpoint = Some(endpoint(entry.one_arg()?)?),
            "credentials" => {
                let [name, file @ ..] = entry.arg_count(1..=2)? else {
                    return Err(entry.error("which profile?"));
                };
                let file = file.first().map(|file| setup.path(file.as_str()));
                options.profile = Some(Profile { name: name.as_str().to_owned(), file });
            }
            "fallthrough" => fallthrough = Fallthrough::of(entry)?,
            "refresh" => {
                let word = entry.one_arg()?;
                options.refresh = word.duration_or_seconds()?;
                if options.refresh.is_zero() {
                    return Err(
                        word.error("a hosted zone is read again after some time, which is more than none")
                    );
                }
            }
            // Accepted and without effect, as it has been upstream for years.
            "upstream" => {}
            _ => return Err(entry.unexpected_property(&PROPERTIES)),
        }
    }
    Ok((options, fallthrough))
}

/// Reads `aws_access_key ID SECRET`.
fn key(entry: &Directive) -> Result<AccessKey, Error> {
    let [id, secret] = entry.arg_count(2..=2)? else { return Err(entry.error("`aws_access_key ID SECRET`")) };
    tracing::warn!(
        "`aws_access_key` is deprecated: who reads the Corefile has the key; `credentials PROFILE FILE` keeps it elsewhere"
    );
    Ok(AccessKey { id: id.as_str().to_owned(), secret: secret.as_str().to_owned() })
}

fn endpoint(word: &Word) -> Result<String, Error> {
    let host = ["http://", "https://"].iter().find_map(|scheme| word.as_str().strip_prefix(scheme));
    match host {
        None | Some("") => Err(word.error("an endpoint is `http://HOST:PORT` or `https://HOST:PORT`")),
        Some(_) => Ok(word.as_str().to_owned()),
    }
}

const PROPERTIES: [&str; 5] = ["aws_access_key", "aws_endpoint", "credentials", "fallthrough", "refresh"];
