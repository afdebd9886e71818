//! Whether a request is signed by a key that is known.

use cartonym_registry::Timestamp;
use hmac::{Hmac, Mac};
use hyper::http::request::Parts;
use sha2::{Digest, Sha256};

use super::authorization::{Authorization, incomplete};
use super::canonical::{canonical_request, hex};
use super::{AccessKeys, date};
use crate::fault::{Code, Fault};

/// Accepts `request` if one of `keys` signed it, with exactly this body, within five minutes of `now`.
///
/// # Errors
///
/// The code that AWS answers for what is wrong with the signature.
pub(crate) fn verify(request: &Parts, body: &[u8], keys: &AccessKeys, now: Timestamp) -> Result<(), Fault> {
    let authorization = Authorization::of(&request.headers)?;
    let signed_at =
        request.headers.get(DATE).and_then(|date| date.to_str().ok()).ok_or_else(|| {
            incomplete("Authorization header requires existence of an 'X-Amz-Date' header.")
        })?;
    check_signed_headers(request, &authorization)?;
    let secret = keys.secret(authorization.key).ok_or_else(|| {
        Fault::new(Code::UnrecognizedClient, "The security token included in the request is invalid.")
    })?;
    check_date(signed_at, now)?;
    check_scope(&authorization, signed_at)?;
    if signs(&authorization, request, signed_at, body, secret) {
        return Ok(());
    }
    Err(invalid(
        "The request signature we calculated does not match the signature you provided. Check your AWS \
         Secret Access Key and signing method. Consult the service documentation for details.",
    ))
}

/// What decides the request must be signed, or whoever stands between could change it. Each name is there once, or a few
/// octets would be many to sign.
fn check_signed_headers(request: &Parts, authorization: &Authorization<'_>) -> Result<(), Fault> {
    if !authorization.signed_headers.split(';').is_sorted_by(|name, next| name < next) {
        return Err(incomplete("'SignedHeaders' must be in the order of the names, each once."));
    }
    let signed = |name: &str| authorization.signed_headers.split(';').any(|signed| signed == name);
    if !signed("host") {
        return Err(invalid("'Host' must be a 'SignedHeader' in the AWS Authorization."));
    }
    match DECISIVE.iter().find(|name| request.headers.contains_key(**name) && !signed(name)) {
        Some(name) => Err(invalid(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization."))),
        None => Ok(()),
    }
}

fn check_date(signed_at: &str, now: Timestamp) -> Result<(), Fault> {
    let signed = date::parse(signed_at).ok_or_else(|| {
        incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{signed_at}'. See http://en.wikipedia.org/wiki/ISO_8601"
        ))
    })?;
    let now = i64::try_from(now.as_millis() / 1_000).unwrap_or(i64::MAX);
    let (earliest, latest) = (now - MOST_SKEW, now + MOST_SKEW);
    if signed < earliest {
        return Err(invalid(format!(
            "Signature expired: {signed_at} is now earlier than {} ({} - 5 min.)",
            date::format(earliest),
            date::format(now)
        )));
    }
    if signed > latest {
        return Err(invalid(format!(
            "Signature not yet current: {signed_at} is still later than {} ({} + 5 min.)",
            date::format(latest),
            date::format(now)
        )));
    }
    Ok(())
}

fn check_scope(authorization: &Authorization<'_>, signed_at: &str) -> Result<(), Fault> {
    if authorization.service != SERVICE {
        return Err(invalid(format!("Credential should be scoped to correct service: '{SERVICE}'.")));
    }
    let day = signed_at.get(..8).unwrap_or_default();
    if authorization.date != day {
        return Err(invalid(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != \
             '{day}', from '{signed_at}'.",
            authorization.date
        )));
    }
    Ok(())
}

/// Whether `secret` makes the signature of the header; the comparison takes the same time wherever they differ.
fn signs(
    authorization: &Authorization<'_>,
    request: &Parts,
    signed_at: &str,
    body: &[u8],
    secret: &str,
) -> bool {
    let signature = signature(authorization, request, signed_at, body, secret);
    unhex(authorization.signature).is_some_and(|claimed| signature.verify_slice(&claimed).is_ok())
}

/// The signature that `secret` makes of what the header says is signed.
pub(super) fn signature(
    authorization: &Authorization<'_>,
    request: &Parts,
    signed_at: &str,
    body: &[u8],
    secret: &str,
) -> Hmac<Sha256> {
    let canonical = canonical_request(request, authorization.signed_headers, body);
    let scope = authorization.scope();
    let mut text = format!("AWS4-HMAC-SHA256\n{signed_at}\n{scope}\n");
    hex(&Sha256::digest(canonical), &mut text);
    let mut key = mac(format!("AWS4{secret}").as_bytes(), authorization.date).finalize().into_bytes();
    for part in [authorization.region, authorization.service, "aws4_request"] {
        key = mac(&key, part).finalize().into_bytes();
    }
    mac(&key, &text)
}

fn mac(key: &[u8], message: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message.as_bytes());
    mac
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digit = |c: u8| char::from(c).to_digit(16);
    let mut octets = [0; 32];
    let pairs = text.as_bytes().chunks_exact(2);
    if text.len() != 64 {
        return None;
    }
    for (octet, pair) in octets.iter_mut().zip(pairs) {
        *octet = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
    }
    Some(octets)
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(Code::InvalidSignature, message)
}

/// The service's name in credential scopes.
pub(super) const SERVICE: &str = "servicediscovery";
pub(super) const DATE: &str = "x-amz-date";
/// Seconds between the clocks of client and server.
const MOST_SKEW: i64 = 300;
/// Headers that change what a request means.
const DECISIVE: [&str; 4] = [DATE, "x-amz-target", "x-amz-security-token", "x-amz-content-sha256"];

#[cfg(test)]
mod tests;
