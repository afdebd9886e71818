#![doc = include_str!("../README.md")]

mod data;
mod evaluate;
mod functions;
mod language;
mod rule;
mod value;

use cartonym_plugin::corefile::Error;
use cartonym_plugin::{Configure, Place, Plugin, Query, Response, Resumed, Setup, Step};
use cartonym_wire::{
    Builder, Class, Flags, MAX_MESSAGE_LEN, Message, NameBuf, OptionCode, Rcode, RdataNames, Section, Type,
    expand_rdata,
};

use rule::{Made, Matched, Rule};

/// Makes answers from templates.
#[derive(Debug)]
pub struct Template {
    rules: Vec<Rule>,
}

impl Template {
    /// Queries that a template has matched.
    pub fn matched(&self) -> u64 {
        self.rules.iter().map(|rule| rule.matched.sum()).sum()
    }

    /// Queries for which a template could not be filled in, or made no record.
    pub fn failed(&self) -> u64 {
        self.rules.iter().map(|rule| rule.failed.sum()).sum()
    }
}

impl Plugin for Template {
    fn name(&self) -> &'static str {
        "template"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        for rule in &self.rules {
            match rule.matches(query) {
                Matched::No => {}
                Matched::Refused => return fail(response),
                Matched::Yes(data) => {
                    rule.matched.add_for(query.route());
                    let Some(made) = rule.make(&data) else {
                        rule.failed.add_for(query.route());
                        return fail(response);
                    };
                    return answer(rule, made, query, response);
                }
            }
        }
        Step::Next
    }
}

fn fail(response: &mut Response<'_>) -> Step {
    response.set_rcode(Rcode::SERVFAIL);
    Step::Answered
}

fn answer(rule: &Rule, made: Vec<Made>, query: &Query<'_>, response: &mut Response<'_>) -> Step {
    if let Some((code, text)) = &rule.ede {
        response.option(OptionCode::EDE, &[&code.0.to_be_bytes(), text.as_bytes()].concat());
    }
    let alias = made.iter().find(|made| made.section == Section::Answer && made.rtype == Type::CNAME);
    if let Some(alias) = alias.filter(|_| matches!(query.qtype(), Type::A | Type::AAAA))
        && let Some(target) = RdataNames::first(Type::CNAME, &alias.rdata).map(|target| target.to_buf())
    {
        return follow(rule.rcode, made, target, query);
    }
    response.set_authoritative(true);
    response.set_rcode(rule.rcode);
    for made in made {
        if response
            .record_of_class(made.section, &made.owner, made.rtype, made.class, made.ttl, &made.rdata)
            .is_err()
        {
            break;
        }
    }
    Step::Answered
}

/// Adds what this server answers for the target of an alias.
fn follow(rcode: Rcode, made: Vec<Made>, target: NameBuf, query: &Query<'_>) -> Step {
    let target = query.resolver().resolve(&target, query.qtype());
    Step::defer(async move {
        let target = target.await;
        let mut out = vec![0; MAX_MESSAGE_LEN];
        let flags = Flags::QR.with(Flags::AA, true).with_rcode(rcode);
        let mut builder = Builder::new(&mut out, 0, flags, MAX_MESSAGE_LEN);
        let _ = write(&mut builder, &made, target.as_deref());
        let len = builder.finish();
        out.truncate(len);
        Resumed::Answered(out)
    })
}

/// The records by section, those of the target behind the answer's.
fn write(builder: &mut Builder<'_>, made: &[Made], target: Option<&[u8]>) -> Option<()> {
    for section in [Section::Answer, Section::Authority, Section::Additional] {
        for made in made.iter().filter(|made| made.section == section) {
            builder.record(section, &made.owner, made.rtype, made.class, made.ttl, &made.rdata).ok()?;
        }
        if let Some(octets) = target.filter(|_| section == Section::Answer) {
            let mut rdata = vec![0; MAX_MESSAGE_LEN];
            for record in Message::new(octets).ok()?.records().map_while(Result::ok) {
                let (start, len) = (record.rdata_start, record.rdata.len());
                let len = expand_rdata(octets, record.rtype, start, len, &mut rdata).ok()?;
                if record.section == 0 {
                    let rdata = rdata.get(..len)?;
                    builder
                        .record(section, &record.owner, record.rtype, Class::IN, record.ttl(), rdata)
                        .ok()?;
                }
            }
        }
    }
    Some(())
}

impl Configure for Template {
    const NAME: &'static str = "template";
    const PLACE: Place = Place::After("cache");

    fn configure(setup: &mut Setup<'_>) -> Result<(), Error> {
        let rules =
            setup.directives().map(|directive| Rule::of(directive, setup)).collect::<Result<_, Error>>()?;
        setup.plugin(Template { rules });
        Ok(())
    }
}
