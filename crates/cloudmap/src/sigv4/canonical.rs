//! The canonical request: what a client signs, made again from what arrived.

use hyper::http::request::Parts;
use sha2::{Digest, Sha256};

/// ```text
/// METHOD
/// path, each octet but unreserved ones and slashes encoded once more
/// query, sorted
/// name:value for each signed header
///
/// names of the signed headers
/// SHA-256 of the body
/// ```
pub(super) fn canonical_request(request: &Parts, signed_headers: &str, body: &[u8]) -> String {
    let mut canonical = format!("{}\n", request.method);
    encode(request.uri.path(), &mut canonical);
    canonical.push('\n');
    query(request.uri.query().unwrap_or_default(), &mut canonical);
    canonical.push('\n');
    for name in signed_headers.split(';') {
        canonical.push_str(name);
        canonical.push(':');
        values(request, name, &mut canonical);
        canonical.push('\n');
    }
    canonical.push('\n');
    canonical.push_str(signed_headers);
    canonical.push('\n');
    hex(&Sha256::digest(body), &mut canonical);
    canonical
}

/// Appends two lower-case digits for each octet.
pub(super) fn hex(octets: &[u8], out: &mut String) {
    for octet in octets {
        for digit in [octet >> 4, octet & 15] {
            out.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
}

fn encode(path: &str, out: &mut String) {
    for octet in path.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~/".contains(&octet) {
            out.push(char::from(octet));
        } else {
            out.push('%');
            out.push_str(&format!("{octet:02X}"));
        }
    }
}

/// Parameters as they arrived, encoded already, in the order of their names and then values.
fn query(query: &str, out: &mut String) {
    let mut parameters: Vec<(&str, &str)> = query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
        .collect();
    parameters.sort_unstable();
    for (i, (name, value)) in parameters.iter().enumerate() {
        out.push_str(if i == 0 { "" } else { "&" });
        out.push_str(name);
        out.push('=');
        out.push_str(value);
    }
}

/// A header's values between commas; runs of spaces count as one.
fn values(request: &Parts, name: &str, out: &mut String) {
    for (i, value) in request.headers.get_all(name).iter().enumerate() {
        out.push_str(if i == 0 { "" } else { "," });
        let text = String::from_utf8_lossy(value.as_bytes());
        for (j, word) in text.split(' ').filter(|word| !word.is_empty()).enumerate() {
            out.push_str(if j == 0 { "" } else { " " });
            out.push_str(word);
        }
    }
}
