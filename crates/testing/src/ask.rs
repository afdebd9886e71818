//! A query as a test writes it.

use std::net::SocketAddr;

use cartonym_plugin::{Client, Transport};
use cartonym_wire::{Class, Flags, NameBuf, OptionCode, Type};

/// A query: `www.example. A`, and what is special about it.
#[derive(Clone, Debug)]
pub struct Ask {
    name: NameBuf,
    qtype: Type,
    class: Class,
    id: u16,
    flags: Flags,
    udp_size: Option<u16>,
    dnssec_ok: bool,
    options: Vec<u8>,
    client: Client,
}

impl Ask {
    /// A query over UDP from 192.0.2.53 with RD and without EDNS; `question` is a name and a type.
    ///
    /// # Panics
    ///
    /// If `question` is not that.
    pub fn new(question: &str) -> Ask {
        let (name, qtype) = question.split_once(' ').expect("a question is a name and a type");
        Ask {
            name: name.parse().expect("a name"),
            qtype: qtype.parse().expect("a type"),
            class: Class::IN,
            id: 0x1234,
            flags: Flags::RD,
            udp_size: None,
            dnssec_ok: false,
            options: Vec::new(),
            client: Client {
                address: SocketAddr::from(([192, 0, 2, 53], 5353)),
                local: SocketAddr::from(([192, 0, 2, 1], 53)),
                transport: Transport::Udp,
            },
        }
    }

    /// In another class.
    pub fn class(mut self, class: Class) -> Ask {
        self.class = class;
        self
    }

    /// With these flags instead of RD.
    pub fn flags(mut self, flags: Flags) -> Ask {
        self.flags = flags;
        self
    }

    /// With an OPT record that allows so many octets.
    pub fn edns(mut self, udp_size: u16) -> Ask {
        self.udp_size = Some(udp_size);
        self
    }

    /// With DO, and an OPT record for it.
    pub fn dnssec_ok(mut self) -> Ask {
        self.udp_size.get_or_insert(1232);
        self.dnssec_ok = true;
        self
    }

    /// With an option, and an OPT record for it.
    pub fn option(mut self, code: OptionCode, data: &[u8]) -> Ask {
        self.udp_size.get_or_insert(1232);
        self.options.extend_from_slice(&code.0.to_be_bytes());
        self.options.extend_from_slice(&(data.len() as u16).to_be_bytes());
        self.options.extend_from_slice(data);
        self
    }

    /// From this address.
    ///
    /// # Panics
    ///
    /// If it is neither an address and a port nor an address.
    pub fn from(mut self, address: &str) -> Ask {
        let with_port = || address.parse().map(|ip| SocketAddr::new(ip, 5353));
        self.client.address =
            address.parse().or_else(|_| with_port()).expect("an address, perhaps with a port");
        self
    }

    /// Over another transport than UDP.
    pub fn over(mut self, transport: Transport) -> Ask {
        self.client.transport = transport;
        self
    }

    /// Who asks.
    pub fn client(&self) -> Client {
        self.client
    }

    /// The message.
    pub fn to_message(&self) -> Vec<u8> {
        let mut message = Vec::new();
        let additional = u16::from(self.udp_size.is_some());
        for word in [self.id, self.flags.0, 1, 0, 0, additional] {
            message.extend_from_slice(&word.to_be_bytes());
        }
        message.extend_from_slice(self.name.as_wire());
        message.extend_from_slice(&self.qtype.0.to_be_bytes());
        message.extend_from_slice(&self.class.0.to_be_bytes());
        if let Some(udp_size) = self.udp_size {
            message.extend_from_slice(&[0, 0, 41]);
            message.extend_from_slice(&udp_size.to_be_bytes());
            message.extend_from_slice(&[0, 0, u8::from(self.dnssec_ok) << 7, 0]);
            message.extend_from_slice(&(self.options.len() as u16).to_be_bytes());
            message.extend_from_slice(&self.options);
        }
        message
    }
}

impl From<&str> for Ask {
    fn from(question: &str) -> Ask {
        Ask::new(question)
    }
}

impl From<&Ask> for Ask {
    fn from(ask: &Ask) -> Ask {
        ask.clone()
    }
}
