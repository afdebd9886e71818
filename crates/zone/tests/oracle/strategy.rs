//! Zones and questions by chance: three labels, so that wildcards, cuts and empty names meet at every level.

use cartonym_wire::{Name, NameBuf, Type};
use proptest::prelude::*;
use proptest::sample::select;

/// Labels below the origin, the leftmost first.
#[derive(Clone, Debug)]
pub(crate) struct Below(Vec<&'static str>);

/// Where a record leads.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Below(Below),
    Outside,
    /// So long that a label more is too many.
    Long,
}

/// A record but for its owner.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    pub(crate) ttl: u32,
    kind: Kind,
    target: Target,
    number: u8,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Address,
    Address6,
    Ns,
    Cname,
    Dname,
    Ds,
    Mx,
    Srv,
    Txt,
    Https,
    HttpsSelf,
    Soa,
}

#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Add(Below, Data),
    Put(Below, Vec<Data>),
    RemoveRecord(Below, Data),
    RemoveSet(Below, Data),
    Remove(Below),
    /// Looks at the zone half-way.
    Look,
}

const LABELS: [&str; 3] = ["a", "b", "*"];
/// Asked for beside those that may exist: one never there, one that makes names overflow.
const MORE_LABELS: [&str; 2] = ["nope", "a-label-of-sixty-octets-so-that-four-of-them-overflow-a-name"];

pub(crate) const QTYPES: [Type; 11] = [
    Type::A,
    Type::NS,
    Type::CNAME,
    Type::DNAME,
    Type::DS,
    Type::SRV,
    Type::MX,
    Type::SOA,
    Type::HTTPS,
    Type::TXT,
    Type::ANY,
];

pub(crate) fn origin() -> impl Strategy<Value = NameBuf> {
    select(vec![".", "z.", "y.z.", "a.", "*."]).prop_map(|text| text.parse().unwrap())
}

pub(crate) fn edits() -> impl Strategy<Value = Vec<Edit>> {
    (prop::option::weighted(0.8, data_of(Kind::Soa)), prop::collection::vec(edit(), 1..28)).prop_map(
        |(soa, mut edits)| {
            if let Some(soa) = soa {
                edits.insert(0, Edit::Add(Below(Vec::new()), soa));
            }
            edits
        },
    )
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        12 => (below(), data()).prop_map(|(name, data)| Edit::Add(name, data)),
        2 => (below(), prop::collection::vec(data(), 1..3)).prop_map(|(name, set)| Edit::Put(name, set)),
        2 => (below(), data()).prop_map(|(name, data)| Edit::RemoveRecord(name, data)),
        2 => (below(), data()).prop_map(|(name, data)| Edit::RemoveSet(name, data)),
        3 => below().prop_map(Edit::Remove),
        1 => Just(Edit::Look),
    ]
}

fn below() -> impl Strategy<Value = Below> {
    let depth = select(vec![0usize, 1, 1, 1, 2, 2, 2, 3, 3, 4]);
    depth.prop_flat_map(|depth| prop::collection::vec(select(&LABELS[..]), depth)).prop_map(Below)
}

fn data() -> impl Strategy<Value = Data> {
    use Kind::*;
    let kinds = vec![
        Address, Address, Address, Address6, Ns, Ns, Cname, Cname, Cname, Dname, Dname, Ds, Mx, Srv, Srv,
        Txt, Https, HttpsSelf,
    ];
    select(kinds).prop_flat_map(data_of)
}

fn data_of(kind: Kind) -> impl Strategy<Value = Data> {
    let target = prop_oneof![
        12 => below().prop_map(Target::Below),
        1 => Just(Target::Outside),
        1 => Just(Target::Long),
    ];
    (1u32..4, target, 0u8..3).prop_map(move |(ttl, target, number)| Data { ttl, kind, target, number })
}

/// All names of up to three labels below the origin, and some that lead further.
pub(crate) fn questions(origin: &Name) -> Vec<NameBuf> {
    let mut names = vec![origin.to_buf()];
    let mut level = names.clone();
    for _ in 0..3 {
        let grown = level.iter().flat_map(|name| LABELS.iter().map(|label| child(label, name)));
        let more: Vec<NameBuf> =
            level.iter().flat_map(|name| MORE_LABELS.iter().map(|label| child(label, name))).collect();
        level = grown.collect();
        names.extend(level.iter().chain(&more));
    }
    names
}

fn child(label: &str, parent: &Name) -> NameBuf {
    NameBuf::child(label.as_bytes(), parent).unwrap()
}

impl Below {
    pub(crate) fn at(&self, origin: &Name) -> NameBuf {
        self.0.iter().rev().fold(origin.to_buf(), |name, label| child(label, &name))
    }
}

impl Target {
    fn at(&self, origin: &Name) -> NameBuf {
        match self {
            Target::Below(below) => below.at(origin),
            Target::Outside => "host.outside.test.".parse().unwrap(),
            Target::Long => {
                let label = "l".repeat(63);
                (0..4).map(|_| &label[..]).fold(origin.to_buf(), |name, label| {
                    let room = 254usize.saturating_sub(name.len() + 1).min(label.len());
                    if room == 0 { name } else { child(&label[..room], &name) }
                })
            }
        }
    }
}

impl Data {
    pub(crate) fn rtype(&self) -> Type {
        match self.kind {
            Kind::Address => Type::A,
            Kind::Address6 => Type::AAAA,
            Kind::Ns => Type::NS,
            Kind::Cname => Type::CNAME,
            Kind::Dname => Type::DNAME,
            Kind::Ds => Type::DS,
            Kind::Mx => Type::MX,
            Kind::Srv => Type::SRV,
            Kind::Txt => Type::TXT,
            Kind::Https | Kind::HttpsSelf => Type::HTTPS,
            Kind::Soa => Type::SOA,
        }
    }

    pub(crate) fn rdata(&self, origin: &Name) -> Vec<u8> {
        let target = self.target.at(origin);
        let target = target.as_wire();
        let number = self.number;
        match self.kind {
            Kind::Address => vec![192, 0, 2, number],
            Kind::Address6 => [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[number]].concat(),
            Kind::Ns | Kind::Cname | Kind::Dname => target.to_vec(),
            Kind::Ds => vec![0, number, 8, 2, 1, 2, 3, 4],
            Kind::Mx => [&[0, number], target].concat(),
            Kind::Srv => [&[0, 1, 0, 1, 0, number], target].concat(),
            Kind::Txt => vec![1, b'0' + number],
            Kind::Https => [&[0, number], target].concat(),
            Kind::HttpsSelf => vec![0, number, 0],
            Kind::Soa => {
                let numbers = [1, 2, 3, 4, u32::from(number)].map(u32::to_be_bytes).concat();
                [target, b"\x01h\0", &numbers].concat()
            }
        }
    }
}
