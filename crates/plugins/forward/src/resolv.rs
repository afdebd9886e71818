//! The addresses of upstreams, as words or in a file.

use std::io;
use std::net::{IpAddr, SocketAddr};

use cartonym_plugin::Setup;
use cartonym_plugin::corefile::{Error, Word};
use rustls::pki_types::ServerName;

use crate::tls;

/// An upstream as it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Listed {
    /// Over UDP or TCP, as a query asks for.
    Plain(SocketAddr),
    /// Over TLS, perhaps with the name in its certificate.
    Tls(SocketAddr, Option<ServerName<'static>>),
}

/// The upstreams that one word stands for: an address, or those in a file in the form of `/etc/resolv.conf`.
pub(crate) fn upstreams(word: &Word, setup: &Setup<'_>) -> Result<Vec<Listed>, Error> {
    if let Some(text) = word.as_str().strip_prefix("tls://") {
        return match encrypted(text) {
            Some(target) => Ok(vec![target]),
            None => Err(word
                .error(format!("`{word}` is not an address"))
                .help("as in `tls://192.0.2.1%dns.example:853`")),
        };
    }
    if let Some((scheme, _)) = word.as_str().split_once("://")
        && scheme != "dns"
    {
        return Err(word.error(format!("upstreams over {scheme}:// are not supported yet")));
    }
    let text = word.as_str().strip_prefix("dns://").unwrap_or(word.as_str());
    if let Some(address) = address(text, DNS_PORT) {
        return Ok(vec![Listed::Plain(address)]);
    }
    let file = match std::fs::read_to_string(setup.path(text)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(word.error(format!("`{word}` is neither an address nor a file")));
        }
        Err(error) => return Err(word.error(format!("`{word}` cannot be read: {error}"))),
    };
    match name_servers(&file) {
        servers if servers.is_empty() => Err(word.error(format!("`{word}` has no nameserver"))),
        servers => Ok(servers.into_iter().map(Listed::Plain).collect()),
    }
}

/// `IP[%NAME][:PORT]`, the name that of its certificate.
fn encrypted(text: &str) -> Option<Listed> {
    let Some((ip, rest)) = text.split_once('%') else {
        return Some(Listed::Tls(address(text, TLS_PORT)?, None));
    };
    let (name, port) = rest.split_once(':').unwrap_or((rest, ""));
    let mut address = address(ip, TLS_PORT).filter(|address| address.port() == TLS_PORT)?;
    if name.len() < rest.len() {
        address.set_port(port.parse().ok()?);
    }
    Some(Listed::Tls(address, Some(tls::name(name)?)))
}

fn address(text: &str, port: u16) -> Option<SocketAddr> {
    // `::1:53` is an address without a port, so that reading comes first.
    let ip = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text).parse::<IpAddr>();
    ip.map(|ip| SocketAddr::new(ip, port)).or_else(|_| text.parse()).ok()
}

fn name_servers(file: &str) -> Vec<SocketAddr> {
    let servers = file.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    servers
        .filter(|rest| rest.starts_with([' ', '\t']))
        .filter_map(|rest| address(rest.trim(), DNS_PORT))
        .collect()
}

const DNS_PORT: u16 = 53;
const TLS_PORT: u16 = 853;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_a_port() {
        let table = [
            ("192.0.2.1", Some("192.0.2.1:53")),
            ("192.0.2.1:5353", Some("192.0.2.1:5353")),
            ("2001:db8::1", Some("[2001:db8::1]:53")),
            ("[2001:db8::1]", Some("[2001:db8::1]:53")),
            ("[2001:db8::1]:5353", Some("[2001:db8::1]:5353")),
            ("192.0.2.1:", None),
            ("192.0.2.1:99999", None),
            ("ns.example", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(address(text, 53).map(|address| address.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn an_upstream_under_tls_may_have_a_name() {
        let table = [
            ("192.0.2.1", Some(("192.0.2.1:853", None))),
            ("192.0.2.1:5353", Some(("192.0.2.1:5353", None))),
            ("192.0.2.1%dns.example", Some(("192.0.2.1:853", Some("dns.example")))),
            ("192.0.2.1%dns.example:5353", Some(("192.0.2.1:5353", Some("dns.example")))),
            ("[2001:db8::1]%dns.example:5353", Some(("[2001:db8::1]:5353", Some("dns.example")))),
            ("2001:db8::1%dns.example", Some(("[2001:db8::1]:853", Some("dns.example")))),
            ("192.0.2.1%", None),
            ("192.0.2.1%dns.example:", None),
            ("dns.example", None),
        ];
        for (text, expected) in table {
            let expected = expected
                .map(|(address, name)| Listed::Tls(address.parse().unwrap(), name.and_then(tls::name)));
            assert_eq!(encrypted(text), expected, "{text}");
        }
    }

    #[test]
    fn a_file_has_name_servers_among_other_things() {
        let file = "# resolv.conf\nsearch example\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 \n\
                    nameservers 192.0.2.3\nnameserver nonsense\n";
        let servers: Vec<_> = name_servers(file).iter().map(SocketAddr::to_string).collect();
        assert_eq!(servers, ["192.0.2.1:53", "[2001:db8::1]:53"]);
    }
}
