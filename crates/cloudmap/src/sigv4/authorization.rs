//! The Authorization header.

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use crate::fault::{Code, Fault};

/// `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, SignedHeaders=a;b, Signature=HEX`
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Authorization<'a> {
    pub(super) key: &'a str,
    pub(super) date: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    /// Names in lower case, between semicolons.
    pub(super) signed_headers: &'a str,
    /// Hexadecimal.
    pub(super) signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// `MissingAuthenticationTokenException` without one, `IncompleteSignatureException` if a part is missing.
    pub(super) fn of(headers: &'a HeaderMap) -> Result<Authorization<'a>, Fault> {
        let missing = || Fault::new(Code::MissingAuthenticationToken, "Missing Authentication Token");
        let header = headers.get(AUTHORIZATION).ok_or_else(missing)?;
        let text = header.to_str().map_err(|_| incomplete("Authorization header is not ASCII."))?;
        let parameters = text
            .strip_prefix(ALGORITHM)
            .ok_or_else(|| incomplete("Authorization header requires the algorithm 'AWS4-HMAC-SHA256'."))?;
        let parameter = |name: &str| {
            parameters
                .split(',')
                .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
                .ok_or_else(|| incomplete(format!("Authorization header requires '{name}' parameter.")))
        };
        let (credential, signed_headers, signature) =
            (parameter("Credential")?, parameter("SignedHeaders")?, parameter("Signature")?);
        // A key id may hold a slash, so the scope is counted from the end.
        let mut scope = credential.rsplitn(5, '/');
        let (Some("aws4_request"), Some(service), Some(region), Some(date), Some(key)) =
            (scope.next(), scope.next(), scope.next(), scope.next(), scope.next())
        else {
            return Err(incomplete(
                "Credential must have exactly 5 slash-delimited elements, e.g. \
                 keyid/date/region/service/aws4_request.",
            ));
        };
        Ok(Authorization { key, date, region, service, signed_headers, signature })
    }

    /// The scope of the signing key: `DATE/REGION/SERVICE/aws4_request`.
    pub(super) fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

/// The region a request was signed for, whoever signed it.
pub(crate) fn region(headers: &HeaderMap) -> Option<&str> {
    let region = Authorization::of(headers).ok()?.region;
    let fits = |region: &str| {
        (1..=32).contains(&region.len()) && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    // It becomes part of ARNs.
    Some(region).filter(|region| fits(region))
}

pub(super) fn incomplete(message: impl Into<String>) -> Fault {
    Fault::new(Code::IncompleteSignature, message)
}

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256 ";

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(authorization: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap())])
    }

    fn code(authorization: &str) -> Code {
        Authorization::of(&headers(authorization)).unwrap_err().code()
    }

    #[test]
    fn parts_are_separated_by_commas_with_or_without_a_space() {
        for between in [", ", ","] {
            let text = format!(
                "AWS4-HMAC-SHA256 Credential=AK/ID/20150830/eu-west-1/servicediscovery/aws4_request{between}\
                 SignedHeaders=host;x-amz-date{between}Signature=abcd"
            );
            let headers = headers(&text);
            let authorization = Authorization::of(&headers).unwrap();
            assert_eq!(
                authorization,
                Authorization {
                    key: "AK/ID",
                    date: "20150830",
                    region: "eu-west-1",
                    service: "servicediscovery",
                    signed_headers: "host;x-amz-date",
                    signature: "abcd",
                }
            );
            assert_eq!(region(&headers), Some("eu-west-1"));
        }
    }

    #[test]
    fn a_part_that_is_missing_is_an_incomplete_signature() {
        for text in [
            "Bearer abc",
            "AWS4-HMAC-SHA256 ",
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host",
            "AWS4-HMAC-SHA256 Credential=a/b/c/aws4_request, SignedHeaders=host, Signature=a",
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws5_request, SignedHeaders=host, Signature=a",
        ] {
            assert_eq!(code(text), Code::IncompleteSignature, "{text}");
        }
        let none = Authorization::of(&HeaderMap::new()).unwrap_err();
        assert_eq!(none.code(), Code::MissingAuthenticationToken);
    }

    #[test]
    fn a_region_that_no_arn_can_hold_is_none() {
        let text = "AWS4-HMAC-SHA256 Credential=a/b/x:y/d/aws4_request, SignedHeaders=host, Signature=a";
        assert_eq!(region(&headers(text)), None);
    }
}
