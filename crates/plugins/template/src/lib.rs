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
    Builder, Class, Flags, Full, MAX_MESSAGE_LEN, Message, Name, NameBuf, OptionCode, Rcode, RdataNames,
    Section, Ttl, Type, expand_rdata,
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
    let ede = rule.ede.as_ref().map(|(code, text)| [&code.0.to_be_bytes(), text.as_bytes()].concat());
    let alias = made.iter().find(|made| made.section == Section::Answer && made.rtype == Type::CNAME);
    if let Some(alias) = alias.filter(|_| matches!(query.qtype(), Type::A | Type::AAAA))
        && let Some(target) = RdataNames::first(Type::CNAME, &alias.rdata).map(|target| target.to_buf())
    {
        return follow(rule.rcode, made, ede, target, query);
    }
    if let Some(ede) = ede {
        response.option(OptionCode::EDE, &ede);
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

/// Adds what this server answers for the target of an alias; `ede` is what tells of an error.
fn follow(rcode: Rcode, made: Vec<Made>, ede: Option<Vec<u8>>, target: NameBuf, query: &Query<'_>) -> Step {
    let target = query.resolver().resolve(&target, query.qtype());
    Step::defer(async move {
        let target = target.await;
        let target = target.as_deref().and_then(|octets| Message::new(octets).ok());
        let is_cut = target.is_some_and(|target| target.header().flags.has(Flags::TC));
        let mut out = vec![0; MAX_MESSAGE_LEN];
        let flags = Flags::QR.with(Flags::AA, true).with(Flags::TC, is_cut).with_rcode(rcode);
        let mut builder = Builder::new(&mut out, 0, flags, MAX_MESSAGE_LEN);
        if write(&mut builder, &made, target).is_err() {
            builder.set_flags(flags.with(Flags::TC, true));
        }
        if let Some(ede) = ede {
            let [a, b] = OptionCode::EDE.0.to_be_bytes();
            let [c, d] = (ede.len() as u16).to_be_bytes();
            let option = [&[a, b, c, d], &*ede].concat();
            // It only helps: where it does not fit it is left out.
            let _ = builder.record(Section::Additional, Name::ROOT, Type::OPT, Class(0), Ttl::ZERO, &option);
        }
        let len = builder.finish();
        out.truncate(len);
        Resumed::Answered(out)
    })
}

/// The records by section, those of the target behind the answer's.
fn write(builder: &mut Builder<'_>, made: &[Made], target: Option<Message<'_>>) -> Result<(), Full> {
    for section in [Section::Answer, Section::Authority, Section::Additional] {
        for made in made.iter().filter(|made| made.section == section) {
            builder.record(section, &made.owner, made.rtype, made.class, made.ttl, &made.rdata)?;
        }
        if let Some(target) = target.filter(|_| section == Section::Answer) {
            write_answers(builder, target)?;
        }
    }
    Ok(())
}

/// The answers of a message, but for what cannot be read.
fn write_answers(builder: &mut Builder<'_>, message: Message<'_>) -> Result<(), Full> {
    let mut rdata = vec![0; MAX_MESSAGE_LEN];
    for record in message.records().map_while(Result::ok).filter(|record| record.section == 0) {
        let (start, len) = (record.rdata_start, record.rdata.len());
        let Ok(len) = expand_rdata(message.as_bytes(), record.rtype, start, len, &mut rdata) else {
            continue;
        };
        let rdata = rdata.get(..len).unwrap_or_default();
        builder.record(Section::Answer, &record.owner, record.rtype, Class::IN, record.ttl(), rdata)?;
    }
    Ok(())
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
