//! The rules of the plugin contract, as checks.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cartonym_plugin::{Configure, Plugin, Query, Response, Step, Transport};
use cartonym_responder::{Chain, Limits, Moment, Responder, Scratch, Verdict};
use cartonym_wire::{Builder, MAX_MESSAGE_LEN, Message, Name, Opcode};

use crate::hostile::{Hostile, queries};
use crate::{Canned, configure};

/// Checks a plugin against the contract, with a few thousand queries, plain and hostile.
///
/// - `answer`, `on_response` and `ready` come back at once: they never wait.
/// - Nothing panics, whatever a stranger sends.
/// - Where it says `Next`, the response is as it was.
/// - Where it says `Answered`, the response keeps id and question, is a whole message, and fits.
/// - `on_response` sees the response to a query that was passed on, once, and to no other.
/// - A promise that is dropped before it is kept does no harm.
/// - `handles` says of an opcode always the same.
/// - The name is a word in lower case, and always the same.
///
/// What a promise comes to is not looked at: it may need a runtime.
///
/// # Panics
///
/// If a rule is broken: with the rule, the plugin, and the query.
pub fn conformance(plugin: impl Plugin) {
    check(Arc::new(plugin));
}

/// Checks the plugins that `T` makes of a directive, as [`conformance`] does, and how it reads it: a second time as the
/// first, since a configuration is looked at before it is served; and a word that it does not know is an error where
/// it stands.
///
/// `directive` is the directive as it stands in a server block, without a block of its own or with one that ends the text.
///
/// # Panics
///
/// As [`conformance`] does.
pub fn conformance_of_directive<T: Configure>(directive: &str) {
    let name = T::NAME;
    let chain = || configure::<T>(directive).unwrap_or_else(|error| panic!("`{name}` is refused: {error}"));
    let (first, second) = (chain(), chain());
    let names = |chain: &Chain| chain.plugins().map(|plugin| plugin.name()).collect::<Vec<_>>();
    assert_eq!(names(&first), names(&second), "the plugin `{name}` is another when it is configured again");
    for other in names(&first) {
        assert_eq!(other, name, "a plugin has its directive's name");
    }
    let unknown = match directive.trim_end().strip_suffix('}') {
        Some(block) => format!("{block}\n{UNKNOWN}\n}}"),
        None => format!("{directive} {{\n{UNKNOWN}\n}}"),
    };
    match configure::<T>(&unknown) {
        Ok(_) => panic!("the plugin `{name}` takes a word that it cannot know"),
        Err(error) => {
            assert!(error.starts_with("Corefile:"), "the error of `{name}` does not say where: {error}");
        }
    }
    conformance_of(&first);
}

/// Checks each plugin of a chain, as [`conformance`] does.
///
/// # Panics
///
/// As [`conformance`] does.
pub fn conformance_of(chain: &Chain) {
    chain.plugins().cloned().for_each(check);
}

fn check(plugin: Arc<dyn Plugin>) {
    let name = plugin.name();
    let is_word = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || b"_-".contains(&octet);
    assert!(
        !name.is_empty() && name.bytes().all(is_word),
        "a plugin's name is a word in lower case: {name:?}"
    );
    let mut broken: BTreeSet<String> = at_rest(&*plugin).into_iter().map(str::to_owned).collect();
    let watched = Arc::new(Watched { plugin, state: Mutex::default() });
    let chain = Chain::new().then_shared(watched.clone()).then(Canned::new("end. 60 A 192.0.2.1"));
    let responder = Responder::builder()
        .zone(Name::ROOT, chain)
        .limits(Limits { suspended: usize::MAX, ..Limits::default() })
        .build();
    for query in queries() {
        if let Err(rule) = ask(&responder, &watched, &query) {
            broken.insert(rule);
        }
        assert_eq!(watched.name(), name, "a plugin's name is always the same");
    }
    assert!(broken.is_empty(), "the plugin `{name}` breaks the contract:\n{}", Lines(&broken));
}

/// The rules that a plugin breaks without a query.
fn at_rest(plugin: &dyn Plugin) -> Vec<&'static str> {
    let mut broken = Vec::new();
    for opcode in (0..16).map(Opcode) {
        let handles = || catch_unwind(AssertUnwindSafe(|| plugin.handles(opcode)));
        match (handles(), handles()) {
            (Ok(first), Ok(second)) if first == second => {}
            (Ok(_), Ok(_)) => broken.push("`handles` says now this and now that"),
            _ => broken.push("`handles` panics"),
        }
    }
    let (ready, took) = timed(|| plugin.ready());
    if ready.is_none() {
        broken.push("`ready` panics");
    }
    if took > AT_ONCE {
        broken.push("`ready` does not come back at once");
    }
    broken
}

/// What a call comes to, if it does not panic, and how long it takes.
#[allow(clippy::disallowed_methods, reason = "what is measured is whether time passes")]
fn timed<T>(call: impl FnOnce() -> T) -> (Option<T>, Duration) {
    let start = Instant::now();
    let said = catch_unwind(AssertUnwindSafe(call));
    (said.ok(), start.elapsed())
}

/// Sends one query; the rule it breaks, if it breaks one.
fn ask(responder: &Responder, watched: &Watched, query: &Hostile) -> Result<(), String> {
    *watched.state() = State::default();
    let mut out = vec![0; MAX_MESSAGE_LEN];
    let moment = Moment { now: Duration::from_secs(1_000_000), random: 0x9E37_79B9_7F4A_7C15 };
    let verdict = responder.respond(&mut Scratch::default(), &query.octets, query.client, moment, &mut out);
    let state = std::mem::take(&mut *watched.state());
    let broken = |rule: &str| Err(format!("{rule}: {query}"));
    if let Some(rule) = state.broken {
        return broken(rule);
    }
    match (state.seen, &state.said) {
        (0, None | Some(Said::Other)) | (1, Some(Said::Next)) => {}
        (0, _) => return broken("`on_response` was not shown the response to a query passed on"),
        _ => return broken("`on_response` was shown a response that is not its to see"),
    }
    match verdict {
        Verdict::Send(len) => match whole(&query.octets, &out[..len], query.client.transport) {
            Ok(()) => Ok(()),
            Err(rule) => broken(rule),
        },
        Verdict::Drop => Ok(()),
        Verdict::Wait(suspended) => {
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(suspended)));
            dropped.or_else(|_| broken("a promise that is dropped panics"))
        }
    }
}

/// Whether `response` is a whole message that answers `query`.
fn whole(query: &[u8], response: &[u8], transport: Transport) -> Result<(), &'static str> {
    let message = Message::new(response).map_err(|_| "the response has no header")?;
    if response[..2] != query[..2] {
        return Err("the response has another id");
    }
    if transport == Transport::Udp && response.len() > usize::from(Limits::default().udp_size) {
        return Err("the response is too long for a datagram");
    }
    if message.records().any(|record| record.is_err()) {
        return Err("the response is not a whole message");
    }
    // What could not be read comes back as a bare header.
    if message.header().counts[0] == 0 {
        return Ok(());
    }
    let end = message.question().map_err(|_| "the response has no question")?.end;
    match query.get(12..end) == response.get(12..end) {
        true => Ok(()),
        false => Err("the response has another question"),
    }
}

/// A plugin, and what it does with one query.
struct Watched {
    plugin: Arc<dyn Plugin>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    said: Option<Said>,
    /// How many responses it was shown.
    seen: usize,
    broken: Option<&'static str>,
}

enum Said {
    Next,
    Other,
}

impl Watched {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plugin for Watched {
    fn name(&self) -> &'static str {
        self.plugin.name()
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        let before = Written::of(response);
        let (step, took) = timed(|| self.plugin.answer(query, response));
        let mut state = self.state();
        if took > AT_ONCE {
            state.broken = Some("`answer` does not come back at once");
        }
        let Some(step) = step else {
            state.broken = Some("`answer` panics");
            return Step::Drop;
        };
        state.said = Some(if matches!(step, Step::Next) { Said::Next } else { Said::Other });
        if matches!(step, Step::Next) && before != Written::of(response) {
            state.broken = Some("`Next` does not leave the response as it was");
        }
        step
    }

    fn on_response(&self, query: &Query<'_>, response: &mut Response<'_>) {
        let (shown, took) = timed(|| self.plugin.on_response(query, response));
        let mut state = self.state();
        state.seen += 1;
        if took > AT_ONCE {
            state.broken = Some("`on_response` does not come back at once");
        }
        if shown.is_none() {
            state.broken = Some("`on_response` panics");
        }
    }

    fn handles(&self, opcode: Opcode) -> bool {
        // One that panics has been named already.
        catch_unwind(AssertUnwindSafe(|| self.plugin.handles(opcode))).unwrap_or(false)
    }
}

/// All that a response holds so far.
#[derive(PartialEq)]
struct Written {
    octets: Vec<u8>,
    counts: [u16; 3],
    limit: usize,
    flags: u16,
    rcode: u16,
    options: Vec<u8>,
}

impl Written {
    fn of(response: &mut Response<'_>) -> Written {
        use cartonym_wire::Section::{Additional, Answer, Authority};

        let (flags, rcode, options) = (response.flags().0, response.rcode().0, response.options().to_vec());
        let builder: &mut Builder<'_> = response.builder();
        Written {
            // The header is written at the end; until then it holds anything.
            octets: builder.as_bytes().get(12..).unwrap_or_default().to_vec(),
            counts: [Answer, Authority, Additional].map(|section| builder.count_of(section)),
            limit: builder.limit(),
            flags,
            rcode,
            options,
        }
    }
}

struct Lines<'a>(&'a BTreeSet<String>);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(20).try_for_each(|line| writeln!(f, "- {line}"))
    }
}

/// No directive has it.
const UNKNOWN: &str = "no-such-word-as-this";
/// Far above what a plugin needs, and a machine that is busy with other tests costs it; far below a wait for a peer.
const AT_ONCE: Duration = Duration::from_millis(500);
