//! A line with placeholders, taken apart once and filled in for each query.

use std::fmt::Write;
use std::net::IpAddr;

use cartonym_wire::Flags;

use crate::entry::Entry;

/// A line as its pieces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Format(Vec<Piece>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Text(String),
    Field(Field),
    /// What a plugin tells under this label.
    Label(String),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Field {
    Type,
    Name,
    Class,
    Protocol,
    Remote,
    Local,
    Port,
    Size,
    Duration,
    Rcode,
    ResponseSize,
    Flags,
    BufferSize,
    DnssecOk,
    Id,
    Opcode,
}

const COMMON: &str = "{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} {>bufsize}\" \
                      {rcode} {>rflags} {rsize} {duration}";

impl Format {
    pub(crate) fn common() -> Format {
        Format::parse(COMMON)
    }

    /// Takes `text` apart; what is no placeholder stays.
    pub(crate) fn parse(text: &str) -> Format {
        let text = text.replace("{combined}", "{common} {>opcode}").replace("{common}", COMMON);
        let mut format = Format(Vec::new());
        let mut rest = &*text;
        while let Some((before, word, after)) = next_braces(rest) {
            format.text(before);
            match (Field::of(word), word.strip_prefix('/')) {
                (Some(field), _) => format.0.push(Piece::Field(field)),
                (None, Some(label)) if !label.is_empty() => format.0.push(Piece::Label(label.to_owned())),
                _ => format.text(rest.get(before.len()..rest.len() - after.len()).unwrap_or_default()),
            }
            rest = after;
        }
        format.text(rest);
        format
    }

    /// Whether it tells how long a query took, which takes a clock to know.
    pub(crate) fn has_duration(&self) -> bool {
        self.0.contains(&Piece::Field(Field::Duration))
    }

    /// The labels that it has, in the order of their values in an [`Entry`].
    pub(crate) fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| if let Piece::Label(label) = piece { Some(&**label) } else { None })
    }

    /// Adds the line for `entry` to `line`.
    pub(crate) fn write(&self, entry: &Entry, line: &mut String) {
        let mut labels = entry.labels.iter();
        for piece in &self.0 {
            match piece {
                Piece::Label(_) => line.push_str(labels.next().and_then(Option::as_deref).unwrap_or("-")),
                Piece::Text(text) => line.push_str(text),
                // Writing to a string does not fail.
                Piece::Field(field) => drop(field.write(entry, line)),
            }
        }
    }

    fn text(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            _ if text.is_empty() => {}
            _ => self.0.push(Piece::Text(text.to_owned())),
        }
    }
}

/// What stands before, in and after the first innermost pair of braces.
fn next_braces(text: &str) -> Option<(&str, &str, &str)> {
    let close = text.find('}')?;
    let (head, after) = (text.get(..close)?, text.get(close + 1..)?);
    match head.rsplit_once('{') {
        Some((before, word)) => Some((before, word, after)),
        // A brace that closes nothing is text; the empty word is no field, so it is kept with what is before it.
        None => Some((head, "", after)),
    }
}

impl Field {
    fn of(word: &str) -> Option<Field> {
        Some(match word {
            "type" => Field::Type,
            "name" => Field::Name,
            "class" => Field::Class,
            "proto" => Field::Protocol,
            "remote" => Field::Remote,
            "local" => Field::Local,
            "port" => Field::Port,
            "size" => Field::Size,
            "duration" => Field::Duration,
            "rcode" => Field::Rcode,
            "rsize" => Field::ResponseSize,
            ">rflags" => Field::Flags,
            ">bufsize" => Field::BufferSize,
            ">do" => Field::DnssecOk,
            ">id" => Field::Id,
            ">opcode" => Field::Opcode,
            _ => return None,
        })
    }

    fn write(self, entry: &Entry, line: &mut String) -> std::fmt::Result {
        match self {
            Field::Type => write!(line, "{}", entry.qtype),
            Field::Name => write!(line, "{}", entry.name),
            Field::Class => write!(line, "{}", entry.qclass),
            Field::Protocol => write!(line, "{}", entry.client.transport.protocol()),
            Field::Remote => write_address(entry.remote(), line),
            Field::Local => write_address(entry.local(), line),
            Field::Port => write!(line, "{}", entry.client.address.port()),
            Field::Size => write!(line, "{}", entry.size),
            Field::Duration => write!(line, "{}s", entry.duration.as_secs_f64()),
            Field::Rcode => write!(line, "{}", entry.rcode),
            Field::ResponseSize => write!(line, "{}", entry.response_size),
            Field::Flags => write_flags(entry.flags, line),
            Field::BufferSize => write!(line, "{}", entry.buffer_size),
            Field::DnssecOk => write!(line, "{}", entry.dnssec_ok),
            Field::Id => write!(line, "{}", entry.id),
            Field::Opcode => write!(line, "{}", entry.opcode.0),
        }
    }
}

fn write_address(address: IpAddr, line: &mut String) -> std::fmt::Result {
    match address {
        IpAddr::V4(v4) => write!(line, "{v4}"),
        IpAddr::V6(v6) => write!(line, "[{v6}]"),
    }
}

fn write_flags(flags: Flags, line: &mut String) -> std::fmt::Result {
    let names = [
        (Flags::QR, "qr"),
        (Flags::AA, "aa"),
        (Flags::TC, "tc"),
        (Flags::RD, "rd"),
        (Flags::RA, "ra"),
        (Flags::Z, "z"),
        (Flags::AD, "ad"),
        (Flags::CD, "cd"),
    ];
    let mut comma = "";
    for (_, name) in names.into_iter().filter(|(flag, _)| flags.has(*flag)) {
        write!(line, "{comma}{name}")?;
        comma = ",";
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    #[test]
    fn what_is_no_placeholder_stays() {
        let table = [
            ("", vec![]),
            ("plain", vec![text("plain")]),
            ("{name}", vec![Piece::Field(Field::Name)]),
            ("a {name} b", vec![text("a "), Piece::Field(Field::Name), text(" b")]),
            ("{nope} {name", vec![text("{nope} {name")]),
            ("} {", vec![text("} {")]),
            ("{}{{name}}", vec![text("{}{"), Piece::Field(Field::Name), text("}")]),
            ("{/forward/upstream}", vec![Piece::Label("forward/upstream".to_owned())]),
            ("{/}", vec![text("{/}")]),
        ];
        for (line, pieces) in table {
            assert_eq!(Format::parse(line), Format(pieces), "{line}");
        }
    }

    #[test]
    fn the_combined_format_is_the_common_one_and_the_opcode() {
        let Format(mut pieces) = Format::common();
        pieces.extend([text(" "), Piece::Field(Field::Opcode)]);
        assert_eq!(Format::parse("{combined}"), Format(pieces));
    }
}
