//! The table of types: which fields their data has, in which order; one for all directions.

use cartonym_wire::Type;

/// A type and the fields of its data.
pub(super) struct Row {
    pub(super) rtype: Type,
    pub(super) fields: &'static [Field],
}

/// One field of RDATA.
pub(super) struct Field {
    /// For people.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// What a field is on the wire and in text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// An IPv4 address.
    V4,
    /// An IPv6 address.
    V6,
    /// An uncompressed name; relative in text.
    Name,
    /// A number of 8 bits.
    U8,
    /// A number of 16 bits.
    U16,
    /// A number of 32 bits.
    U32,
    /// 32 bits of seconds; with units in text.
    Span,
    /// 32 bits of seconds since 1970; a date in text.
    Moment,
    /// 16 bits, a type's mnemonic in text.
    TypeCode,
    /// 8 bits, in text also a DNSSEC algorithm's mnemonic.
    Algorithm,
    /// 16 bits, in text also a certificate type's mnemonic (RFC 4398 §2.1).
    CertType,
    /// A character-string.
    Text,
    /// A character-string or nothing.
    OptText,
    /// One or more character-strings.
    Texts,
    /// A character-string of letters and digits (RFC 8659 §4.1).
    Tag,
    /// One string that goes on to the end, without a length.
    LongText,
    /// Octets to the end, at least one; words of hex digits.
    Hex,
    /// Octets to the end; 0x, hex digits and dots (RFC 1706 §7).
    Nsap,
    /// Octets to the end, at least one; words of Base64.
    Base64,
    /// Octets to the end, or none; words of Base64.
    OptBase64,
    /// A length and octets; one word of hex digits, or a hyphen (RFC 5155 §3.3).
    Salt,
    /// A length and octets; one word of Base32hex (RFC 5155 §3.3).
    Hash,
    /// A type bitmap to the end; mnemonics (RFC 4034 §4.1.2).
    Types,
    /// Six octets; hex pairs with hyphens (RFC 7043 §3.2).
    Eui48,
    /// Eight octets; hex pairs with hyphens (RFC 7043 §4.2).
    Eui64,
    /// Eight octets; four groups of hex digits with colons (RFC 6742 §2.1.2).
    Id64,
    /// All of LOC (RFC 1876 §3).
    Loc,
    /// All of APL (RFC 3123 §5).
    Apl,
    /// All of HIP (RFC 8005 §5).
    Hip,
    /// SvcParams to the end (RFC 9460 §2.1).
    SvcParams,
    /// A name, an address or nothing, by the type that the data's second octet is (RFC 4025 §2.5).
    Gateway,
    /// Discovery bit and type in an octet, then as [`Kind::Gateway`] (RFC 8777 §4.2).
    Relay,
}

impl Row {
    /// The row of `rtype`; none where the data is only octets.
    pub(super) fn of(rtype: Type) -> Option<&'static Row> {
        TABLE.binary_search_by_key(&rtype, |row| row.rtype).ok().and_then(|at| TABLE.get(at))
    }

    /// The fields that must be there, as a sentence's end.
    pub(super) fn needs(&self) -> String {
        let mut names = self.fields.iter().filter(|field| !field.kind.is_optional()).map(|field| field.name);
        let last = names.next_back().unwrap_or("no data");
        match names.collect::<Vec<_>>().as_slice() {
            [] => last.to_owned(),
            before => format!("{} and {last}", before.join(", ")),
        }
    }
}

impl Kind {
    /// Whether there may be no word of it.
    fn is_optional(self) -> bool {
        matches!(self, Kind::OptText | Kind::OptBase64 | Kind::Apl | Kind::Types | Kind::SvcParams)
    }
}

const fn row(rtype: Type, fields: &'static [Field]) -> Row {
    Row { rtype, fields }
}

const fn f(name: &'static str, kind: Kind) -> Field {
    Field { name, kind }
}

const DIGEST: &[Field] = &[
    f("key tag", Kind::U16),
    f("algorithm", Kind::Algorithm),
    f("digest type", Kind::U8),
    f("digest", Kind::Hex),
];

const KEY: &[Field] = &[
    f("flags", Kind::U16),
    f("protocol", Kind::U8),
    f("algorithm", Kind::Algorithm),
    f("public key", Kind::Base64),
];

const SIGNATURE: &[Field] = &[
    f("type covered", Kind::TypeCode),
    f("algorithm", Kind::Algorithm),
    f("labels", Kind::U8),
    f("original TTL", Kind::Span),
    f("expiration", Kind::Moment),
    f("inception", Kind::Moment),
    f("key tag", Kind::U16),
    f("signer", Kind::Name),
    f("signature", Kind::Base64),
];

const CERTIFICATE: &[Field] = &[
    f("usage", Kind::U8),
    f("selector", Kind::U8),
    f("matching type", Kind::U8),
    f("association data", Kind::Hex),
];

const SERVICE: &[Field] =
    &[f("priority", Kind::U16), f("target", Kind::Name), f("parameters", Kind::SvcParams)];

/// In the order of the types' numbers. A type that is not here has only the form of RFC 3597.
pub(super) static TABLE: &[Row] = &[
    row(Type::A, &[f("address", Kind::V4)]),
    row(Type::NS, &[f("name server", Kind::Name)]),
    row(Type::MD, &[f("mail destination", Kind::Name)]),
    row(Type::MF, &[f("mail forwarder", Kind::Name)]),
    row(Type::CNAME, &[f("target", Kind::Name)]),
    row(
        Type::SOA,
        &[
            f("primary", Kind::Name),
            f("mailbox", Kind::Name),
            f("serial", Kind::U32),
            f("refresh", Kind::Span),
            f("retry", Kind::Span),
            f("expire", Kind::Span),
            f("minimum", Kind::Span),
        ],
    ),
    row(Type::MB, &[f("mailbox host", Kind::Name)]),
    row(Type::MG, &[f("mailbox", Kind::Name)]),
    row(Type::MR, &[f("mailbox", Kind::Name)]),
    row(Type::PTR, &[f("target", Kind::Name)]),
    row(Type::HINFO, &[f("CPU", Kind::Text), f("system", Kind::Text)]),
    row(Type::MINFO, &[f("responsible mailbox", Kind::Name), f("error mailbox", Kind::Name)]),
    row(Type::MX, &[f("preference", Kind::U16), f("exchange", Kind::Name)]),
    row(Type::TXT, &[f("text", Kind::Texts)]),
    row(Type::RP, &[f("mailbox", Kind::Name), f("text name", Kind::Name)]),
    row(Type::AFSDB, &[f("subtype", Kind::U16), f("host", Kind::Name)]),
    row(Type::X25, &[f("PSDN address", Kind::Text)]),
    row(Type::ISDN, &[f("address", Kind::Text), f("subaddress", Kind::OptText)]),
    row(Type::RT, &[f("preference", Kind::U16), f("intermediate host", Kind::Name)]),
    row(Type::NSAP, &[f("address", Kind::Nsap)]),
    row(Type::SIG, SIGNATURE),
    row(
        Type::KEY,
        &[
            f("flags", Kind::U16),
            f("protocol", Kind::U8),
            f("algorithm", Kind::Algorithm),
            f("public key", Kind::OptBase64),
        ],
    ),
    row(Type::PX, &[f("preference", Kind::U16), f("RFC 822 name", Kind::Name), f("X.400 name", Kind::Name)]),
    row(Type::GPOS, &[f("longitude", Kind::Text), f("latitude", Kind::Text), f("altitude", Kind::Text)]),
    row(Type::AAAA, &[f("address", Kind::V6)]),
    row(Type::LOC, &[f("latitude, longitude and altitude", Kind::Loc)]),
    row(
        Type::SRV,
        &[f("priority", Kind::U16), f("weight", Kind::U16), f("port", Kind::U16), f("target", Kind::Name)],
    ),
    row(
        Type::NAPTR,
        &[
            f("order", Kind::U16),
            f("preference", Kind::U16),
            f("flags", Kind::Text),
            f("services", Kind::Text),
            f("expression", Kind::Text),
            f("replacement", Kind::Name),
        ],
    ),
    row(Type::KX, &[f("preference", Kind::U16), f("exchanger", Kind::Name)]),
    row(
        Type::CERT,
        &[
            f("certificate type", Kind::CertType),
            f("key tag", Kind::U16),
            f("algorithm", Kind::Algorithm),
            f("certificate", Kind::Base64),
        ],
    ),
    row(Type::DNAME, &[f("target", Kind::Name)]),
    row(Type::APL, &[f("prefixes", Kind::Apl)]),
    row(Type::DS, DIGEST),
    row(
        Type::SSHFP,
        &[f("algorithm", Kind::U8), f("fingerprint type", Kind::U8), f("fingerprint", Kind::Hex)],
    ),
    row(
        Type::IPSECKEY,
        &[
            f("precedence", Kind::U8),
            f("gateway type", Kind::U8),
            f("algorithm", Kind::U8),
            f("gateway", Kind::Gateway),
            f("public key", Kind::OptBase64),
        ],
    ),
    row(Type::RRSIG, SIGNATURE),
    row(Type::NSEC, &[f("next name", Kind::Name), f("types", Kind::Types)]),
    row(Type::DNSKEY, KEY),
    row(Type::DHCID, &[f("identity", Kind::Base64)]),
    row(
        Type::NSEC3,
        &[
            f("hash algorithm", Kind::U8),
            f("flags", Kind::U8),
            f("iterations", Kind::U16),
            f("salt", Kind::Salt),
            f("next hash", Kind::Hash),
            f("types", Kind::Types),
        ],
    ),
    row(
        Type::NSEC3PARAM,
        &[
            f("hash algorithm", Kind::U8),
            f("flags", Kind::U8),
            f("iterations", Kind::U16),
            f("salt", Kind::Salt),
        ],
    ),
    row(Type::TLSA, CERTIFICATE),
    row(Type::SMIMEA, CERTIFICATE),
    row(Type::HIP, &[f("key algorithm, identity tag and public key", Kind::Hip)]),
    row(Type::CDS, DIGEST),
    row(Type::CDNSKEY, KEY),
    row(Type::OPENPGPKEY, &[f("public key", Kind::Base64)]),
    row(Type::CSYNC, &[f("serial", Kind::U32), f("flags", Kind::U16), f("types", Kind::Types)]),
    row(
        Type::ZONEMD,
        &[
            f("serial", Kind::U32),
            f("scheme", Kind::U8),
            f("hash algorithm", Kind::U8),
            f("digest", Kind::Hex),
        ],
    ),
    row(Type::SVCB, SERVICE),
    row(Type::HTTPS, SERVICE),
    row(Type::SPF, &[f("text", Kind::Texts)]),
    row(Type::NID, &[f("preference", Kind::U16), f("node identity", Kind::Id64)]),
    row(Type::L32, &[f("preference", Kind::U16), f("locator", Kind::V4)]),
    row(Type::L64, &[f("preference", Kind::U16), f("locator", Kind::Id64)]),
    row(Type::LP, &[f("preference", Kind::U16), f("locator name", Kind::Name)]),
    row(Type::EUI48, &[f("address", Kind::Eui48)]),
    row(Type::EUI64, &[f("address", Kind::Eui64)]),
    row(Type::URI, &[f("priority", Kind::U16), f("weight", Kind::U16), f("target", Kind::LongText)]),
    row(Type::CAA, &[f("flags", Kind::U8), f("tag", Kind::Tag), f("value", Kind::LongText)]),
    row(Type::AVC, &[f("text", Kind::Texts)]),
    row(Type::AMTRELAY, &[f("precedence", Kind::U8), f("discovery bit, relay type and relay", Kind::Relay)]),
    row(Type::TA, DIGEST),
    row(Type::DLV, DIGEST),
];

/// Mnemonics of DNSSEC algorithms, as the IANA registry has them.
pub(super) const ALGORITHMS: &[(&str, u16)] = &[
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECC-GOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
    ("INDIRECT", 252),
    ("PRIVATEDNS", 253),
    ("PRIVATEOID", 254),
];

/// Mnemonics of certificate types (RFC 4398 §2.1).
pub(super) const CERTIFICATES: &[(&str, u16)] = &[
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        assert!(TABLE.windows(2).all(|pair| pair[0].rtype < pair[1].rtype));
    }

    #[test]
    fn what_a_type_needs_reads_as_a_sentence() {
        assert_eq!(Row::of(Type::SRV).unwrap().needs(), "priority, weight, port and target");
        assert_eq!(Row::of(Type::A).unwrap().needs(), "address");
        assert_eq!(Row::of(Type::HTTPS).unwrap().needs(), "priority and target");
        assert!(Row::of(Type(4711)).is_none());
    }
}
