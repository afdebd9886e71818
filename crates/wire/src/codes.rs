//! The numbers of DNS with their names: types, classes, opcodes, rcodes, extended errors.

use std::fmt;
use std::str::FromStr;

/// A record or query type (RFC 1035 §3.2.2, RFC 3597).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Type(pub u16);

/// A class (RFC 1035 §3.2.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(pub u16);

/// What a message asks for (RFC 1035 §4.1.1); four bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Opcode(pub u8);

/// How a query ended (RFC 6895 §2.3); twelve bits with EDNS, four without.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rcode(pub u16);

/// The reason behind an rcode, for people (RFC 8914).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ede(pub u16);

/// Time to live, in seconds; at most 2^31 - 1 (RFC 2181 §8). Larger values read as zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Ttl(u32);

impl Ttl {
    /// No time at all: not to be cached.
    pub const ZERO: Ttl = Ttl(0);

    /// From seconds as on the wire.
    pub const fn from_secs(secs: u32) -> Ttl {
        if secs > i32::MAX as u32 { Ttl(0) } else { Ttl(secs) }
    }

    /// In seconds.
    pub const fn as_secs(self) -> u32 {
        self.0
    }
}

/// Constants, `Display` and `FromStr` of a code, from one table.
macro_rules! codes {
    ($code:ident, $inner:ty, $generic:literal, { $($name:ident = $value:literal, $text:literal;)* }) => {
        #[allow(missing_docs)]
        impl $code {
            $(pub const $name: $code = $code($value);)*
        }

        impl fmt::Display for $code {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $($code::$name => f.pad($text),)*
                    $code(other) => write!(f, concat!($generic, "{}"), other),
                }
            }
        }

        impl fmt::Debug for $code {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $code {
            type Err = UnknownCode;

            fn from_str(text: &str) -> Result<$code, UnknownCode> {
                $(if text.eq_ignore_ascii_case($text) { return Ok($code($value)) })*
                match text.split_at_checked($generic.len()) {
                    Some((head, digits)) if head.eq_ignore_ascii_case($generic) => {
                        digits.parse::<$inner>().map($code).map_err(|_| UnknownCode)
                    }
                    _ => Err(UnknownCode),
                }
            }
        }
    };
}

/// The text names no code, neither by mnemonic nor as `TYPEnnn` (RFC 3597 §5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownCode;

impl fmt::Display for UnknownCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown mnemonic")
    }
}

impl std::error::Error for UnknownCode {}

codes!(Type, u16, "TYPE", {
    A = 1, "A"; NS = 2, "NS"; MD = 3, "MD"; MF = 4, "MF"; CNAME = 5, "CNAME"; SOA = 6, "SOA"; MB = 7, "MB"; MG = 8, "MG";
    MR = 9, "MR"; NULL = 10, "NULL"; WKS = 11, "WKS"; PTR = 12, "PTR"; HINFO = 13, "HINFO"; MINFO = 14, "MINFO";
    MX = 15, "MX"; TXT = 16, "TXT"; RP = 17, "RP"; AFSDB = 18, "AFSDB"; X25 = 19, "X25"; ISDN = 20, "ISDN"; RT = 21, "RT";
    NSAP = 22, "NSAP"; SIG = 24, "SIG"; KEY = 25, "KEY"; PX = 26, "PX"; GPOS = 27, "GPOS"; AAAA = 28, "AAAA"; LOC = 29, "LOC";
    NXT = 30, "NXT"; EID = 31, "EID"; NIMLOC = 32, "NIMLOC"; SRV = 33, "SRV"; ATMA = 34, "ATMA"; NAPTR = 35, "NAPTR";
    KX = 36, "KX"; CERT = 37, "CERT"; A6 = 38, "A6"; DNAME = 39, "DNAME"; SINK = 40, "SINK"; OPT = 41, "OPT"; APL = 42, "APL";
    DS = 43, "DS"; SSHFP = 44, "SSHFP"; IPSECKEY = 45, "IPSECKEY"; RRSIG = 46, "RRSIG"; NSEC = 47, "NSEC";
    DNSKEY = 48, "DNSKEY"; DHCID = 49, "DHCID"; NSEC3 = 50, "NSEC3"; NSEC3PARAM = 51, "NSEC3PARAM"; TLSA = 52, "TLSA";
    SMIMEA = 53, "SMIMEA"; HIP = 55, "HIP"; CDS = 59, "CDS"; CDNSKEY = 60, "CDNSKEY"; OPENPGPKEY = 61, "OPENPGPKEY";
    CSYNC = 62, "CSYNC"; ZONEMD = 63, "ZONEMD"; SVCB = 64, "SVCB"; HTTPS = 65, "HTTPS"; SPF = 99, "SPF"; NID = 104, "NID";
    L32 = 105, "L32"; L64 = 106, "L64"; LP = 107, "LP"; EUI48 = 108, "EUI48"; EUI64 = 109, "EUI64";
    NXNAME = 128, "NXNAME"; TKEY = 249, "TKEY";
    TSIG = 250, "TSIG"; IXFR = 251, "IXFR"; AXFR = 252, "AXFR"; MAILB = 253, "MAILB"; MAILA = 254, "MAILA"; ANY = 255, "ANY";
    URI = 256, "URI"; CAA = 257, "CAA"; AVC = 258, "AVC"; DOA = 259, "DOA"; AMTRELAY = 260, "AMTRELAY"; TA = 32768, "TA";
    DLV = 32769, "DLV";
});

codes!(Class, u16, "CLASS", { IN = 1, "IN"; CH = 3, "CH"; HS = 4, "HS"; NONE = 254, "NONE"; ANY = 255, "ANY"; });

codes!(Opcode, u8, "OPCODE", {
    QUERY = 0, "QUERY"; IQUERY = 1, "IQUERY"; STATUS = 2, "STATUS"; NOTIFY = 4, "NOTIFY"; UPDATE = 5, "UPDATE"; DSO = 6, "DSO";
});

codes!(Rcode, u16, "RCODE", {
    NOERROR = 0, "NOERROR"; FORMERR = 1, "FORMERR"; SERVFAIL = 2, "SERVFAIL"; NXDOMAIN = 3, "NXDOMAIN"; NOTIMP = 4, "NOTIMP";
    REFUSED = 5, "REFUSED"; YXDOMAIN = 6, "YXDOMAIN"; YXRRSET = 7, "YXRRSET"; NXRRSET = 8, "NXRRSET"; NOTAUTH = 9, "NOTAUTH";
    NOTZONE = 10, "NOTZONE"; BADVERS = 16, "BADVERS"; BADKEY = 17, "BADKEY"; BADTIME = 18, "BADTIME"; BADTRUNC = 22, "BADTRUNC";
    BADCOOKIE = 23, "BADCOOKIE";
});

#[allow(missing_docs)]
impl Ede {
    pub const OTHER: Ede = Ede(0);
    pub const STALE_ANSWER: Ede = Ede(3);
    pub const NOT_READY: Ede = Ede(14);
    pub const BLOCKED: Ede = Ede(15);
    pub const PROHIBITED: Ede = Ede(18);
    pub const NOT_AUTHORITATIVE: Ede = Ede(20);
    pub const NO_REACHABLE_AUTHORITY: Ede = Ede(22);
    pub const NETWORK_ERROR: Ede = Ede(23);
    pub const INVALID_DATA: Ede = Ede(24);
    pub const INVALID_QUERY_TYPE: Ede = Ede(30);
}

impl Type {
    /// Whether the type may only be asked for, never stored (RFC 6895 §3.1).
    pub const fn is_query_only(self) -> bool {
        matches!(self.0, 41 | 128..=255)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_reads_what_it_writes() {
        for code in [1, 28, 33, 65, 255, 4711] {
            assert_eq!(Type(code).to_string().parse(), Ok(Type(code)));
        }
        assert_eq!("type65".parse(), Ok(Type::HTTPS));
        assert_eq!("BOGUS".parse::<Type>(), Err(UnknownCode));
        assert_eq!("TYPE65536".parse::<Type>(), Err(UnknownCode));
    }

    #[test]
    fn a_ttl_with_the_top_bit_is_zero() {
        assert_eq!(Ttl::from_secs(0x8000_0000), Ttl::ZERO);
        assert_eq!(Ttl::from_secs(0x7fff_ffff).as_secs(), 0x7fff_ffff);
    }
}
