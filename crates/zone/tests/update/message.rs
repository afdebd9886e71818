//! Update messages from text.

use cartonym_wire::{Builder, Class, Flags, Message, Name, NameBuf, Opcode, Section, Type};
use cartonym_zone::master::{NoIncludes, Parser};

/// A record as it stands in an update message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    /// Whether it is a prerequisite.
    pub(crate) is_prerequisite: bool,
    pub(crate) owner: NameBuf,
    pub(crate) ttl: u32,
    pub(crate) class: Class,
    pub(crate) rtype: Type,
    pub(crate) rdata: Vec<u8>,
}

impl Line {
    /// From `? OWNER TTL CLASS TYPE RDATA` for a prerequisite, `! …` for a change.
    pub(crate) fn of(text: &str) -> Line {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [sign, owner, ttl, class, rtype, rdata @ ..] = &*words else { panic!("{text}") };
        Line {
            is_prerequisite: *sign == "?",
            owner: owner.parse().unwrap(),
            ttl: ttl.parse().unwrap(),
            class: class.parse().unwrap(),
            rtype: rtype.parse().unwrap(),
            rdata: rdata_of(rtype, &rdata.join(" ")),
        }
    }
}

/// The RDATA of a text; nothing of nothing, and of hexadecimal digits in brackets what they say.
fn rdata_of(rtype: &str, text: &str) -> Vec<u8> {
    if text.is_empty() {
        return Vec::new();
    }
    if let Some(digits) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        let pair = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        return (0..digits.len()).step_by(2).map(pair).collect();
    }
    let record = format!(". 0 IN {rtype} {text}\n");
    let mut parser = Parser::new(record.as_bytes(), "test", Name::ROOT, &NoIncludes);
    parser.next_record().unwrap().unwrap().rdata.to_vec()
}

/// The message of these lines.
pub(crate) fn message(lines: &[Line]) -> Vec<u8> {
    let mut room = vec![0; 65535];
    let flags = Flags::default().with_opcode(Opcode::UPDATE);
    let mut builder = Builder::new(&mut room, 7, flags, 65535);
    builder.question(b"\x07example\0\0\x06\0\x01").unwrap();
    for section in [Section::Answer, Section::Authority] {
        for line in lines.iter().filter(|line| line.is_prerequisite == (section == Section::Answer)) {
            // Not compressed, so that names keep their case.
            let fields = [line.rtype.0.to_be_bytes(), line.class.0.to_be_bytes()].concat();
            let len = (line.rdata.len() as u16).to_be_bytes();
            let record = [line.owner.as_wire(), &fields, &line.ttl.to_be_bytes(), &len, &line.rdata];
            builder.raw(section, 1, &record.concat()).unwrap();
        }
    }
    let len = builder.finish();
    room.truncate(len);
    assert!(Message::new(&room).is_ok());
    room
}
