//! A zone's answer as a plugin's step: what every plugin that answers from zones does with one it has found.
//!
//! [`answer`] is all that most of them need. One that has more to say about an answer takes the parts: [`ask`] what the
//! query asks of a zone, [`write()`] the answer, and [`step`] from how it came out.

use cartonym_plugin::{Query, Response, Step, follow};
use cartonym_wire::{Flags, Mark, Name, Rcode, Section, Type};
use cartonym_zone::{Ask, Outcome, Zone};

/// Answers `query` from `zone`, which is the one for its name.
///
/// A name that the zone does not have is left to the next plugin where `falls_through` says so; the response is then
/// as it was. Costs what [`Zone::answer`] does: nothing is allocated for a name in the zone.
pub fn answer(
    zone: &Zone,
    query: &Query<'_>,
    response: &mut Response<'_>,
    falls_through: impl FnOnce(&Name) -> bool,
) -> Step {
    let before = Before::of(response);
    let outcome = write(zone, query, ask(query), response);
    if is_nothing(response) && falls_through(query.name()) {
        before.restore(response);
        return Step::Next;
    }
    step(outcome, query, response)
}

/// What `query` asks of a zone; of one that names its servers in its answers, as zones of master files do.
pub fn ask(query: &Query<'_>) -> Ask {
    Ask {
        qtype: query.qtype(),
        random: query.random(),
        is_question: query.is_as_asked(),
        name_servers: true,
        dnssec_ok: query.edns().is_some_and(|edns| edns.dnssec_ok),
    }
}

/// Writes what `zone` says, its rcode too. Transfers are refused: a plugin of their own has been there before.
pub fn write(zone: &Zone, query: &Query<'_>, ask: Ask, response: &mut Response<'_>) -> Outcome {
    let outcome = match ask.qtype {
        Type::AXFR | Type::IXFR => Outcome::Written(Rcode::REFUSED),
        _ => zone.answer(query.qname(), ask, response.builder()),
    };
    response.set_rcode(match outcome {
        Outcome::Written(rcode) => rcode,
        Outcome::Onward(_) | Outcome::Alias(_) => Rcode::NOERROR,
    });
    outcome
}

/// What happens next to a query whose answer came out so: aliases that leave the zone are followed to where this
/// server has another chain.
pub fn step(outcome: Outcome, query: &Query<'_>, response: &mut Response<'_>) -> Step {
    match outcome {
        Outcome::Written(_) => Step::Answered,
        Outcome::Onward(target) => follow(query, response, &target),
        // Only a registry's zones have any, and who answers from those knows what to do.
        Outcome::Alias(_) => Step::Next,
    }
}

/// Whether the answer is that there is no such name. An alias is an answer, wherever it leads.
pub fn is_nothing(response: &Response<'_>) -> bool {
    response.rcode() == Rcode::NXDOMAIN && response.count_of(Section::Answer) == 0
}

/// A response as it was before something was written.
#[derive(Clone, Copy)]
pub struct Before {
    mark: Mark,
    flags: Flags,
    rcode: Rcode,
}

impl Before {
    /// As it is now.
    pub fn of(response: &mut Response<'_>) -> Before {
        Before { mark: response.builder().mark(), flags: response.flags(), rcode: response.rcode() }
    }

    /// Takes back what has been written since.
    pub fn restore(self, response: &mut Response<'_>) {
        response.builder().rewind(self.mark);
        response.builder().set_flags(self.flags);
        response.set_rcode(self.rcode);
    }
}
