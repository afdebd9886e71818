//! Who may be told of a zone, and who is sent NOTIFY.

use std::net::{IpAddr, SocketAddr};

use cartonym_wire::{Name, NameBuf};

/// Who may be told of some zones.
#[derive(Clone, Debug, Default)]
pub struct Who {
    everybody: bool,
    addresses: Vec<SocketAddr>,
    keys: Vec<NameBuf>,
    sources: Vec<IpAddr>,
}

impl Who {
    /// Nobody.
    pub fn nobody() -> Who {
        Who::default()
    }

    /// And everybody.
    #[must_use]
    pub fn or_everybody(mut self) -> Who {
        self.everybody = true;
        self
    }

    /// And whoever asks from this address; it is sent NOTIFY.
    #[must_use]
    pub fn or_address(mut self, address: SocketAddr) -> Who {
        self.addresses.push(address);
        self
    }

    /// And whoever signs with this key.
    #[must_use]
    pub fn or_key(mut self, key: &Name) -> Who {
        self.keys.push(key.to_lowercase());
        self
    }

    /// Sends NOTIFY to addresses of its family from this address.
    #[must_use]
    pub fn from_source(mut self, source: IpAddr) -> Who {
        self.sources.push(source);
        self
    }

    /// Whether this client is among them; its key has been verified.
    pub fn includes(&self, client: IpAddr, key: Option<&Name>) -> bool {
        let client = client.to_canonical();
        self.everybody
            || self.addresses.iter().any(|address| address.ip().to_canonical() == client)
            || key.is_some_and(|key| self.keys.iter().any(|allowed| allowed == key))
    }

    /// Who is sent NOTIFY, and from where.
    pub(crate) fn notified(&self) -> impl Iterator<Item = (SocketAddr, IpAddr)> {
        self.addresses.iter().map(|address| {
            let unspecified = match address {
                SocketAddr::V4(_) => IpAddr::from([0; 4]),
                SocketAddr::V6(_) => IpAddr::from([0; 16]),
            };
            let of_family = |source: &&IpAddr| source.is_ipv4() == address.is_ipv4();
            (*address, self.sources.iter().find(of_family).copied().unwrap_or(unspecified))
        })
    }
}
