//! What is sent to an upstream, and what counts as its response.

use cartonym_plugin::{Query, Transport};
use cartonym_wire::{Class, Flags, HEADER_LEN, Message, Name, Opcode, OptionCode, Rcode, Type};

/// A query to send to an upstream.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    octets: Vec<u8>,
    /// How the client's query came.
    pub(crate) transport: Transport,
}

impl Outgoing {
    /// The client's question as it is by now, and what its OPT record says.
    pub(crate) fn of(query: &Query<'_>) -> Outgoing {
        let flags = Flags(query.flags().0 & (Flags::RD.0 | Flags::AD.0 | Flags::CD.0));
        // The client's own spelling where there is one: it may be looking for it in the answer.
        let name = if query.is_as_asked() { query.question().name } else { query.name() };
        let mut outgoing = Outgoing::question(name, query.qtype(), query.qclass(), flags);
        outgoing.transport = query.client().transport;
        outgoing.add_opt(query);
        outgoing
    }

    /// A question of this server's own.
    pub(crate) fn question(name: &Name, qtype: Type, qclass: Class, flags: Flags) -> Outgoing {
        let mut octets = Vec::with_capacity(HEADER_LEN + name.len() + 4 + 64);
        for word in [0, flags.0, 1, 0, 0, 0] {
            octets.extend_from_slice(&word.to_be_bytes());
        }
        octets.extend_from_slice(name.as_wire());
        octets.extend_from_slice(&qtype.0.to_be_bytes());
        octets.extend_from_slice(&qclass.0.to_be_bytes());
        Outgoing { octets, transport: Transport::Udp }
    }

    fn add_opt(&mut self, query: &Query<'_>) {
        let Some(edns) = query.edns() else { return };
        let flags = if edns.dnssec_ok { 0x80 } else { 0 };
        self.octets.extend_from_slice(&[0, 0, 41]);
        self.octets.extend_from_slice(&UDP_SIZE.to_be_bytes());
        self.octets.extend_from_slice(&[0, 0, flags, 0, 0, 0]);
        let start = self.octets.len();
        for (code, data) in edns.options.filter(|(code, _)| !BETWEEN_NEIGHBOURS.contains(code)) {
            self.octets.extend_from_slice(&code.0.to_be_bytes());
            self.octets.extend_from_slice(&(data.len() as u16).to_be_bytes());
            self.octets.extend_from_slice(data);
        }
        let len = (self.octets.len() - start) as u16;
        self.put(start - 2, len);
        // The count of additional records.
        self.put(10, 1);
    }

    /// The query's octets.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.octets
    }

    /// Gives it another id.
    pub(crate) fn set_id(&mut self, id: u16) {
        self.put(0, id);
    }

    /// Whether `message` is a response to this very query (RFC 5452 §9.1).
    pub(crate) fn is_answered_by(&self, message: &[u8]) -> bool {
        let (Ok(asked), Ok(answer)) = (Message::new(&self.octets), Message::new(message)) else {
            return false;
        };
        let flags = answer.header().flags;
        if answer.header().id != asked.header().id || !flags.has(Flags::QR) || flags.opcode() != Opcode::QUERY
        {
            return false;
        }
        if answer.header().counts[0] == 0 {
            // Who cannot read a query cannot repeat its question.
            return matches!(
                flags.rcode(),
                Rcode::FORMERR | Rcode::NOTIMP | Rcode::SERVFAIL | Rcode::REFUSED
            );
        }
        match (asked.question(), answer.question()) {
            (Ok(asked), Ok(answer)) => {
                asked.name == answer.name && asked.qtype == answer.qtype && asked.qclass == answer.qclass
            }
            _ => false,
        }
    }

    fn put(&mut self, at: usize, word: u16) {
        if let Some(to) = self.octets.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
            *to = word.to_be_bytes();
        }
    }
}

/// Options that concern two neighbours only: the client's cookie is not for the upstream to see (RFC 7873 §5.1).
const BETWEEN_NEIGHBOURS: [OptionCode; 3] =
    [OptionCode::COOKIE, OptionCode::TCP_KEEPALIVE, OptionCode::PADDING];
/// Octets of a response over UDP, so that it is not fragmented on its way (RFC 9715 §3.1).
const UDP_SIZE: u16 = 1232;

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing() -> Outgoing {
        let name: cartonym_wire::NameBuf = "www.example.".parse().unwrap();
        let mut outgoing = Outgoing::question(&name, Type::A, Class::IN, Flags::RD);
        outgoing.set_id(0x1234);
        outgoing
    }

    fn answer(change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut message = outgoing().octets;
        message[2] |= 0x80;
        change(&mut message);
        outgoing().is_answered_by(&message)
    }

    #[test]
    fn an_answer_has_the_id_and_the_question() {
        assert!(answer(|_| {}));
        assert!(answer(|message| message[13] = b'W'), "case does not matter");
        assert!(!answer(|message| message[2] &= 0x7f), "not a response");
        assert!(!answer(|message| message[1] ^= 1), "another id");
        assert!(!answer(|message| message[13] = b'x'), "another name");
        assert!(!answer(|message| message[26] = 28), "another type");
        assert!(!answer(|message| message[28] = 3), "another class");
        assert!(!answer(|message| message[2] |= 0x20), "another opcode");
        assert!(!answer(|message| message.truncate(20)), "half a question");
        assert!(!answer(|message| message.truncate(11)), "half a header");
        assert!(!answer(|message| message.clear()), "nothing");
    }

    #[test]
    fn a_refusal_need_not_repeat_the_question() {
        let bare = |rcode: u8| {
            answer(|message| {
                message.truncate(12);
                message[3] = rcode;
                message[5] = 0;
            })
        };
        assert!(bare(1) && bare(2) && bare(4) && bare(5));
        assert!(!bare(0) && !bare(3));
    }
}
