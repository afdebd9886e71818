//! Signing a request, for clients of an API that asks for it.

use std::fmt;

use bytes::Bytes;
use cartonym_registry::Timestamp;
use hmac::Mac;
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::{Request, http};

use super::authorization::{ALGORITHM, Authorization};
use super::canonical::hex;
use super::date;
use super::verify::{DATE, SERVICE, signature};

/// Who asks: an access key, and the region that is meant.
#[derive(Clone)]
pub struct Credentials {
    /// The key's id.
    pub id: String,
    /// The key's secret.
    pub secret: String,
    /// The region, such as `us-east-1`; it stands in the ARNs of answers.
    pub region: String,
}

impl Credentials {
    /// Signs a request with its body and its Host header, which it must have, at the time `now`
    /// (AWS Signature Version 4, "Create a signed AWS API request").
    ///
    /// # Errors
    ///
    /// The id or the region is nothing that a header can hold.
    pub fn sign(&self, request: Request<Bytes>, now: Timestamp) -> http::Result<Request<Bytes>> {
        let (mut parts, body) = request.into_parts();
        let signed_at = date::format(i64::try_from(now.as_millis() / 1_000).unwrap_or(i64::MAX));
        parts.headers.insert(DATE, HeaderValue::try_from(&signed_at)?);
        let signed_headers: Vec<&str> =
            SIGNED.into_iter().filter(|name| parts.headers.contains_key(*name)).collect();
        let authorization = Authorization {
            key: &self.id,
            date: signed_at.get(..8).unwrap_or_default(),
            region: &self.region,
            service: SERVICE,
            signed_headers: &signed_headers.join(";"),
            signature: "",
        };
        let signature = signature(&authorization, &parts, &signed_at, &body, &self.secret);
        let mut text = format!(
            "{ALGORITHM}Credential={}/{}, SignedHeaders={}, Signature=",
            self.id,
            authorization.scope(),
            authorization.signed_headers
        );
        hex(&signature.finalize().into_bytes(), &mut text);
        let text = HeaderValue::try_from(text)?;
        parts.headers.insert(AUTHORIZATION, text);
        Ok(Request::from_parts(parts, body))
    }
}

/// Shows no secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Credentials { id, secret: _, region } = self;
        f.debug_struct("Credentials").field("id", id).field("region", region).finish_non_exhaustive()
    }
}

/// What is signed where it is there, in the order of the names.
const SIGNED: [&str; 4] = ["content-type", "host", DATE, "x-amz-target"];
