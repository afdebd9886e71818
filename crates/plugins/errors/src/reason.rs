//! Why a response is an error, in words.

use std::borrow::Cow;

use cartonym_wire::{OptionCode, Options};

/// What the extended error among a response's options says: its own text, or what its code stands for (RFC 8914).
pub(crate) fn reason(options: &[u8]) -> Cow<'static, str> {
    let Some(([high, low], text)) =
        Options::new(options).find(OptionCode::EDE).and_then(<[u8]>::split_first_chunk)
    else {
        return "no reason given".into();
    };
    if !text.is_empty() {
        return printable(text).into();
    }
    let code = u16::from_be_bytes([*high, *low]);
    match REASONS.get(usize::from(code)) {
        Some(reason) => (*reason).into(),
        None => format!("extended error {code}").into(),
    }
}

/// An upstream's words may hold anything; a line holds no line ends.
fn printable(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// By code (RFC 8914 §5.2, and the registry it made).
const REASONS: [&str; 31] = [
    "other error",
    "unsupported DNSKEY algorithm",
    "unsupported DS digest type",
    "stale answer",
    "forged answer",
    "DNSSEC indeterminate",
    "DNSSEC bogus",
    "signature expired",
    "signature not yet valid",
    "DNSKEY missing",
    "RRSIGs missing",
    "no zone key bit set",
    "NSEC missing",
    "cached error",
    "not ready",
    "blocked",
    "censored",
    "filtered",
    "prohibited",
    "stale NXDOMAIN answer",
    "not authoritative",
    "not supported",
    "no reachable authority",
    "network error",
    "invalid data",
    "signature expired before valid",
    "too early",
    "unsupported NSEC3 iterations value",
    "unable to conform to policy",
    "synthesized",
    "invalid query type",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_its_text_or_its_code_s() {
        let table: [(&[u8], &str); 5] = [
            (&[], "no reason given"),
            (&[0, 15, 0, 2, 0, 22], "no reachable authority"),
            (&[0, 10, 0, 0, 0, 15, 0, 2, 1, 0], "extended error 256"),
            (&[0, 15, 0, 5, 0, 0, b'a', b'\n', b'b'], "a b"),
            (&[0, 15, 0, 1, 0], "no reason given"),
        ];
        for (options, text) in table {
            assert_eq!(reason(options), text, "{options:?}");
        }
    }
}
