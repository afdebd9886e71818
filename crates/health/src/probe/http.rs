//! As much of HTTP/1.1 as a check needs: one request, and the head of its answer.

use std::fmt::Write;
use std::io;
use std::time::Duration;

use cartonym_registry::HealthCheckType;
use httparse::{EMPTY_HEADER, Header, ParserConfig, Response, Status};
use tokio::time::Instant;

use super::Target;
use super::body::{Body, Progress};
use super::stream::{Stream, Trouble, blame};
use crate::Failure;

/// The head of an answer, and what came after it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Where a redirect leads.
    pub(crate) location: Option<Box<str>>,
    /// `None` where nobody can tell how far it goes.
    body: Option<Body>,
    /// Whether the connection may be used again when the body has ended.
    again: bool,
    /// The body, as far as it came with the head.
    rest: Vec<u8>,
}

/// The most octets of a head, and of the interim ones before it.
const MAX_HEAD: usize = 16 << 10;

const MAX_FIELDS: usize = 100;

/// The most octets of a body: what is longer is no answer to whether somebody is well.
const MAX_BODY: u64 = 1 << 20;

/// The longest wait for a body whose length is known to be no fault: beyond it, a new connection costs less.
const BODY_WAIT: Duration = Duration::from_millis(100);

/// How many octets of a body are read at once.
const PIECE: usize = 4 << 10;

/// A resource path as it stands in a request: what would end the line, or the path, is escaped.
pub(crate) fn path(given: &str) -> String {
    let mut path = String::with_capacity(given.len() + 1);
    if !given.starts_with('/') {
        path.push('/');
    }
    for octet in given.bytes() {
        match octet {
            b'!'..=b'~' if octet != b'#' => path.push(char::from(octet)),
            _ => _ = write!(path, "%{octet:02X}"),
        }
    }
    path
}

/// The request of a check; the port is named where it is not the scheme's own.
pub(crate) fn request(target: &Target, keep: bool) -> Vec<u8> {
    let check = &target.check;
    let port = match (check.kind, target.address.port()) {
        (HealthCheckType::Http, 80) | (HealthCheckType::Https, 443) => String::new(),
        (_, port) => format!(":{port}"),
    };
    let connection = if keep { "" } else { "Connection: close\r\n" };
    format!(
        "GET {} HTTP/1.1\r\nHost: {}{port}\r\nUser-Agent: cartonym-health/{}\r\nAccept: */*\r\n{connection}\r\n",
        check.path,
        check.host,
        env!("CARGO_PKG_VERSION"),
    )
    .into_bytes()
}

/// Sends `request` and reads the head of its answer.
pub(crate) async fn ask(stream: &mut Stream, request: &[u8]) -> Result<Answer, Trouble> {
    let broken = |error: io::Error| blame(&error, Failure::Broken);
    stream.write(request).await.map_err(broken)?;
    let (mut buffer, mut scanned, mut interim) = (Vec::with_capacity(1024), 0, 0);
    loop {
        if stream.read(&mut buffer).await.map_err(broken)? == 0 {
            return Err(Trouble::Failure(match buffer.len() + interim {
                0 => Failure::Broken(io::ErrorKind::UnexpectedEof),
                _ => Failure::NotHttp,
            }));
        }
        while let Some(end) = head_end(&buffer, scanned) {
            let answer = Answer::parse(&buffer, end).map_err(Trouble::Failure)?;
            // An interim answer goes before the one that counts (RFC 9110 §15.2).
            if !matches!(answer.status, 100 | 102..=199) {
                return Ok(answer);
            }
            interim += end;
            scanned = 0;
            buffer.drain(..end);
        }
        if buffer.len() + interim > MAX_HEAD {
            return Err(Trouble::Failure(Failure::HeadTooLong));
        }
        // The end may have begun: it has three octets, or two.
        scanned = buffer.len().saturating_sub(2);
    }
}

impl Answer {
    fn parse(buffer: &[u8], end: usize) -> Result<Self, Failure> {
        let mut fields = [EMPTY_HEADER; MAX_FIELDS];
        let mut response = Response::new(&mut fields);
        let mut parser = ParserConfig::default();
        // Only the status decides, so what browsers overlook is overlooked.
        parser.allow_spaces_after_header_name_in_responses(true);
        parser.allow_obsolete_multiline_headers_in_responses(true);
        parser.ignore_invalid_headers_in_responses(true);
        let status = match parser.parse_response(&mut response, &buffer[..end]) {
            Ok(Status::Complete(_)) => response.code.ok_or(Failure::NotHttp)?,
            Err(httparse::Error::TooManyHeaders) => return Err(Failure::HeadTooLong),
            Ok(Status::Partial) | Err(_) => return Err(Failure::NotHttp),
        };
        let again = response.version == Some(1) && !has_token(response.headers, "connection", "close");
        let location = values(response.headers, "location").next().filter(|_| (300..400).contains(&status));
        let location = location.and_then(|given| std::str::from_utf8(given).ok()).map(Box::from);
        let body = Body::of(status, response.headers);
        Ok(Self { status, location, body, again, rest: buffer[end..].to_vec() })
    }

    /// Until when to wait for the end of the body, where `end` is when the whole check has to end.
    pub(crate) fn worth_waiting(&self, end: Instant) -> Instant {
        let is_bounded = matches!(self.body, Some(Body::Length(_)));
        if is_bounded { end.min(Instant::now() + BODY_WAIT) } else { end }
    }

    /// Reads the body to its end; whether the connection can be used again.
    pub(crate) async fn finish(mut self, stream: &mut Stream) -> Result<bool, Failure> {
        let Some(mut body) = self.body else { return Ok(false) };
        let mut seen = 0;
        loop {
            let before = self.rest.len();
            let progress = body.take(&mut self.rest);
            seen += (before - self.rest.len()) as u64;
            if body.coming().saturating_add(seen) > MAX_BODY {
                return Err(Failure::BodyTooLong);
            }
            match progress {
                // What comes after the end is not the answer to anything.
                Progress::Ended => return Ok(self.again && self.rest.is_empty()),
                Progress::Lost => return Ok(false),
                Progress::More => {}
            }
            self.rest.reserve(PIECE);
            if stream.read(&mut self.rest).await.unwrap_or(0) == 0 {
                return Ok(false);
            }
        }
    }
}

/// Whether a redirect leads to what was asked, and so nowhere.
pub(crate) fn leads_back(location: &str, target: &Target) -> bool {
    let check = &target.check;
    let scheme = if check.kind == HealthCheckType::Https { "https" } else { "http" };
    let path = match location.split_once("://") {
        Some((other, _)) if !other.eq_ignore_ascii_case(scheme) => return false,
        Some((_, rest)) => {
            let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            if !is_authority(authority, target) {
                return false;
            }
            path
        }
        None => location,
    };
    let path = path.split('#').next().unwrap_or_default();
    if path.is_empty() { check.path == "/" } else { path == check.path }
}

/// Whether that is the target, by its name or its address.
fn is_authority(authority: &str, target: &Target) -> bool {
    let (ip, port) = (target.address.ip(), target.address.port());
    let standard = if target.check.kind == HealthCheckType::Https { 443 } else { 80 };
    let host = match authority.strip_suffix(&format!(":{port}")) {
        Some(host) => host,
        None if port == standard => authority,
        None => return false,
    };
    let ip = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
    host.eq_ignore_ascii_case(&target.check.host) || host == ip
}

/// Where the head ends, after its empty line; lines before `scanned` have been looked at.
fn head_end(bytes: &[u8], scanned: usize) -> Option<usize> {
    let ends = |at: usize| match bytes[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    };
    (scanned..bytes.len()).filter(|at| bytes[*at] == b'\n').find_map(ends)
}

pub(super) fn values<'a>(fields: &'a [Header<'_>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
}

pub(super) fn has_token(fields: &[Header<'_>], name: &str, token: &str) -> bool {
    let tokens = values(fields, name).flat_map(|value| value.split(|octet| *octet == b','));
    tokens.into_iter().any(|given| given.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Check;

    fn parse(text: &str) -> Result<(u16, bool, Option<Body>), Failure> {
        let end = head_end(text.as_bytes(), 0).unwrap();
        Answer::parse(text.as_bytes(), end).map(|answer| (answer.status, answer.again, answer.body))
    }

    #[test]
    fn a_path_cannot_leave_its_place() {
        assert_eq!(path(""), "/");
        assert_eq!(path("health?deep=1&x=%20"), "/health?deep=1&x=%20");
        assert_eq!(path("/a b\r\nHost: x#é"), "/a%20b%0D%0AHost:%20x%23%C3%A9");
    }

    #[test]
    fn a_head_ends_with_its_empty_line_however_lines_end() {
        assert_eq!(head_end(b"A\r\nB\r\n\r\nrest", 0), Some(8));
        assert_eq!(head_end(b"A\nB\n\nrest", 0), Some(5));
        assert_eq!(head_end(b"A\r\nB\r\n\r", 0), None);
        assert_eq!(head_end(b"A\r\nB\r\n\r\nrest", 5), Some(8));
    }

    #[test]
    fn what_follows_the_head_is_known() {
        let body = |fields: &str| parse(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")).unwrap();
        assert_eq!(body("Content-Length: 2\r\n"), (200, true, Some(Body::Length(2))));
        assert_eq!(body("content-length:2\r\nContent-Length: 3\r\n").2, None);
        assert_eq!(body("Content-Length: 10000000000\r\n").2, Some(Body::Length(10_000_000_000)));
        assert_eq!(body("Content-Length: -1\r\n").2, None);
        assert_eq!(
            body("Transfer-Encoding: gzip, chunked\r\nContent-Length: 3\r\n").2,
            Some(Body::Chunks(0))
        );
        assert_eq!(body("Transfer-Encoding: gzip\r\n").2, None);
        assert_eq!(body("").2, Some(Body::ToEnd));
        assert!(!body("Content-Length: 2\r\nConnection: x, Close\r\n").1);
        assert_eq!(parse("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n").map(|parsed| parsed.1), Ok(false));
        assert_eq!(parse("HTTP/1.1 304 \r\n\r\n"), Ok((304, true, Some(Body::Length(0)))));
    }

    #[test]
    fn a_redirect_leads_back_where_it_names_what_was_asked() {
        let of = |kind, address: &str, path: &str| Target {
            address: address.parse().unwrap(),
            check: Check { kind, host: "web.svc.example".into(), path: path.into(), threshold: 1 }.into(),
        };
        let plain = of(HealthCheckType::Http, "192.0.2.1:8080", "/up?deep");
        for back in [
            "/up?deep",
            "/up?deep#top",
            "HTTP://192.0.2.1:8080/up?deep",
            "http://Web.svc.example:8080/up?deep",
        ] {
            assert!(leads_back(back, &plain), "{back}");
        }
        for away in [
            "/up",
            "/",
            "",
            "//192.0.2.1:8080/up?deep",
            "https://192.0.2.1:8080/up?deep",
            "http://192.0.2.1/up?deep",
        ] {
            assert!(!leads_back(away, &plain), "{away}");
        }
        let secure = of(HealthCheckType::Https, "[2001:db8::1]:443", "/");
        for back in ["", "/", "https://web.svc.example", "https://[2001:db8::1]:443/"] {
            assert!(leads_back(back, &secure), "{back}");
        }
        assert!(!leads_back("https://web.svc.example:8443/", &secure));
    }

    #[test]
    fn a_head_that_is_none_is_told_from_a_long_one() {
        assert_eq!(parse("SSH-2.0-OpenSSH\r\n\r\n"), Err(Failure::NotHttp));
        assert_eq!(parse("HTTP/2 200\r\n\r\n"), Err(Failure::NotHttp));
        assert_eq!(parse("HTTP/1.1 200\r\n\r\n"), Ok((200, true, Some(Body::ToEnd))));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(101));
        assert_eq!(parse(&many), Err(Failure::HeadTooLong));
    }
}
