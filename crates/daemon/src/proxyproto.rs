//! `proxyproto`: balancers in front of a block's listeners that say whom they speak for.

use std::sync::OnceLock;

use cartonym::corefile::{Directive, Error};
use cartonym::plugin::{Configure, Place, Setup};
use cartonym::server::{Others, Proxies};

/// `proxyproto { allow NETWORK...; default POLICY; udp_session_tracking DURATION [MAX] }`.
pub(crate) struct ProxyprotoDirective;

/// What a block's `proxyproto` has left there, if it has one.
#[derive(Default)]
pub(crate) struct Balancers(OnceLock<Proxies>);

impl Balancers {
    pub(crate) fn proxies(&self) -> Option<Proxies> {
        self.0.get().cloned()
    }
}

impl Configure for ProxyprotoDirective {
    const NAME: &'static str = "proxyproto";
    const PLACE: Place = Place::Last;

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let directive = setup.only()?;
        directive.no_args()?;
        let mut proxies = Proxies { allowed: Vec::new(), others: Others::Ignore, sessions: None };
        let mut seen: Vec<&Directive> = Vec::new();
        for property in directive.block_entries() {
            property.no_block()?;
            if let Some(first) = seen.iter().find(|first| first.name() == property.name()) {
                return Err(property.repeated(first));
            }
            match property.name() {
                "allow" => {
                    for word in property.arg_count(1..)? {
                        proxies.allowed.push(word.parse("an address or a network")?);
                    }
                }
                "default" => proxies.others = others(property)?,
                "udp_session_tracking" => proxies.sessions = Some(sessions(property)?),
                _ => return Err(property.unexpected_property(&PROPERTIES)),
            }
            // Networks may be said on several lines.
            if property.name() != "allow" {
                seen.push(property);
            }
        }
        // There is only one `proxyproto`, so that this is the first.
        let _ = setup.in_block::<Balancers>().0.set(proxies);
        Ok(())
    }
}

fn others(property: &Directive) -> Result<Others, Error> {
    Ok(match property.one_arg()?.one_of(&["use", "ignore", "reject", "skip"])? {
        "use" => Others::Use,
        "reject" => Others::Reject,
        "skip" => Others::Skip,
        _ => Others::Ignore,
    })
}

fn sessions(property: &Directive) -> Result<(std::time::Duration, usize), Error> {
    let words = property.arg_count(1..=2)?;
    let time = match words.first() {
        Some(word) => match word.duration()? {
            time if time.is_zero() => return Err(word.error("a session of no time is none")),
            time => time,
        },
        None => return Err(property.error("how long is a session?")),
    };
    let most = match words.get(1) {
        Some(word) => match word.parse("a number of sessions")? {
            0 => return Err(word.error("no sessions are none to keep")),
            most => most,
        },
        None => SESSIONS,
    };
    Ok((time, most))
}

const PROPERTIES: [&str; 3] = ["allow", "default", "udp_session_tracking"];
/// As many as CoreDNS keeps.
const SESSIONS: usize = 10_240;
