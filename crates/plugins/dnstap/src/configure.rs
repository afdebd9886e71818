//! From directives to taps.

use std::sync::Arc;

use cartonym_plugin::corefile::{Directive, Error, Word};
use cartonym_plugin::metrics::Counter;
use cartonym_plugin::{Configure, Listeners, Place, Setup};

use crate::{Collector, Options, Tap};

impl Configure for Tap {
    const NAME: &'static str = "dnstap";
    const PLACE: Place = Place::After("log");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        for directive in setup.directives() {
            let options = Options::of(directive, setup)?;
            let (name, help) = ("cartonym_dnstap_dropped_total", "Messages that no collector was told of.");
            let dropped: Counter = setup.metrics().counter(name, help, &[], &[]);
            let tap = Arc::new(Tap::new(options, dropped));
            setup.in_block::<Listeners>().add(tap.clone());
            setup.shared_plugin(tap);
        }
        Ok(())
    }
}

impl Options {
    fn of(directive: &Directive, setup: &Setup<'_>) -> Result<Options, Error> {
        let [socket, rest @ ..] = directive.arg_count(1..=4)? else {
            return Err(directive.error("a tap to where? A socket is missing"));
        };
        let mut options = Options {
            collector: collector(socket, setup)?,
            is_full: false,
            queue: QUEUE,
            identity: setup.host_name().into_bytes(),
            version: concat!("cartonym ", env!("CARGO_PKG_VERSION")).as_bytes().to_vec(),
            extra: Vec::new(),
        };
        let sizes = match rest {
            [full, sizes @ ..] => {
                full.one_of(&["full"])?;
                options.is_full = true;
                sizes
            }
            [] => &[],
        };
        // The first is how much CoreDNS writes at once, which here is what there is.
        let sizes =
            sizes.iter().map(|word| word.parse::<u32>("a whole number")).collect::<Result<Vec<_>, _>>()?;
        if let Some(queue) = sizes.get(1) {
            options.queue = QUEUE * usize::try_from(*queue).unwrap_or(1).clamp(1, MAX_QUEUES);
        }
        for property in directive.block_entries() {
            match property.name() {
                "identity" => options.identity = property.one_arg()?.as_str().into(),
                "version" => options.version = property.one_arg()?.as_str().into(),
                "extra" => {
                    let word = property.one_arg()?;
                    if word.as_str().contains('{') {
                        return Err(word.error("placeholders are not filled in here"));
                    }
                    options.extra = word.as_str().into();
                }
                _ => return Err(property.unexpected_property(&["identity", "version", "extra"])),
            }
        }
        Ok(options)
    }
}

fn collector(word: &Word, setup: &Setup<'_>) -> Result<Collector, Error> {
    let text = word.as_str();
    if let Some(address) = text.strip_prefix("tcp://") {
        let wrong = |_| word.error(format!("`{address}` is not an IP address and a port"));
        return Ok(Collector::Tcp(address.parse().map_err(wrong)?));
    }
    let path = text.strip_prefix("unix://").unwrap_or(text);
    match path {
        "listen" => Err(word.error("a collector is connected to; it cannot connect to this server")),
        path if path.contains("://") => {
            Err(word.error(format!("`{word}` is no socket")).help("`unix:///PATH` or `tcp://ADDRESS:PORT`"))
        }
        path => Ok(Collector::Unix(setup.path(path))),
    }
}

/// Messages that may wait, as in CoreDNS; QUEUE is a multiple.
const QUEUE: usize = 10_000;
const MAX_QUEUES: usize = 100;
