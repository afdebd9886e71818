//! As much of HTTP/1.1 as a check needs: one request, and the head of its answer.

use std::fmt::Write;
use std::io;
use std::time::Duration;

use cartonym_registry::HealthCheckType;
use httparse::{EMPTY_HEADER, Header, ParserConfig, Response, Status};

use super::Target;
use super::stream::{Stream, Trouble, blame};
use crate::Failure;

/// The head of an answer, and what came after it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// How far the body goes; `None` where the connection cannot be used again.
    body: Option<Body>,
    /// The body, as far as it came with the head.
    rest: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Length(usize),
    Chunked,
}

/// The most octets of a head, and of the interim ones before it.
const MAX_HEAD: usize = 16 << 10;

const MAX_FIELDS: usize = 100;

/// The most octets of a body that are read for the sake of the connection.
const MAX_BODY: usize = 64 << 10;

/// The longest wait for them: beyond it, a new connection costs less.
const BODY_WAIT: Duration = Duration::from_millis(100);

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
        let body = if again { Body::of(status, response.headers) } else { None };
        Ok(Self { status, body, rest: buffer[end..].to_vec() })
    }

    /// Reads the body to its end; whether that was near enough for the connection to be used again.
    pub(crate) async fn finish(mut self, stream: &mut Stream) -> bool {
        let Some(body) = self.body else { return false };
        let read_on = async {
            loop {
                match body.end(&self.rest) {
                    // What comes after the end is not the answer to anything.
                    Ok(Some(end)) => return end == self.rest.len(),
                    Ok(None) if self.rest.len() < MAX_BODY => {}
                    Ok(None) | Err(()) => return false,
                }
                if stream.read(&mut self.rest).await.unwrap_or(0) == 0 {
                    return false;
                }
            }
        };
        tokio::time::timeout(BODY_WAIT, read_on).await.unwrap_or(false)
    }
}

impl Body {
    /// How far the body of an answer to GET goes (RFC 9112 §6.3); `None` for to the end of the connection, or too far.
    fn of(status: u16, fields: &[Header<'_>]) -> Option<Self> {
        if matches!(status, 204 | 304) {
            return Some(Self::Length(0));
        }
        if values(fields, "transfer-encoding").next().is_some() {
            return has_token(fields, "transfer-encoding", "chunked").then_some(Self::Chunked);
        }
        let mut lengths = values(fields, "content-length");
        let length = std::str::from_utf8(lengths.next()?).ok()?.trim().parse().ok()?;
        (lengths.next().is_none() && length <= MAX_BODY).then_some(Self::Length(length))
    }

    /// Where the body that `bytes` begin with ends, if they hold its end.
    fn end(self, bytes: &[u8]) -> Result<Option<usize>, ()> {
        match self {
            Self::Length(length) => Ok((bytes.len() >= length).then_some(length)),
            Self::Chunked => chunks_end(bytes),
        }
    }
}

/// Where chunks end that have no trailer (RFC 9112 §7.1); with one, the connection is not worth more code.
fn chunks_end(bytes: &[u8]) -> Result<Option<usize>, ()> {
    let mut at = 0;
    loop {
        let Some(chunk) = bytes.get(at..) else { return Ok(None) };
        let Ok(Status::Complete((line, size))) = httparse::parse_chunk_size(chunk) else {
            return if httparse::parse_chunk_size(chunk).is_err() { Err(()) } else { Ok(None) };
        };
        at += line;
        if size == 0 {
            return match &bytes[at..] {
                [b'\r', b'\n', ..] => Ok(Some(at + 2)),
                [] | [b'\r'] => Ok(None),
                _ => Err(()),
            };
        }
        let size = usize::try_from(size).ok().filter(|size| *size <= MAX_BODY).ok_or(())?;
        at += size + 2;
    }
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

fn values<'a>(fields: &'a [Header<'_>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
}

fn has_token(fields: &[Header<'_>], name: &str, token: &str) -> bool {
    let tokens = values(fields, name).flat_map(|value| value.split(|octet| *octet == b','));
    tokens.into_iter().any(|given| given.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(u16, Option<Body>), Failure> {
        let end = head_end(text.as_bytes(), 0).unwrap();
        Answer::parse(text.as_bytes(), end).map(|answer| (answer.status, answer.body))
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
    fn what_follows_the_head_is_known_or_ends_the_connection() {
        let body = |fields: &str| parse(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")).unwrap().1;
        assert_eq!(body("Content-Length: 2\r\n"), Some(Body::Length(2)));
        assert_eq!(body("content-length:2\r\nContent-Length: 3\r\n"), None);
        assert_eq!(body("Content-Length: 10000000000\r\n"), None);
        assert_eq!(body("Content-Length: -1\r\n"), None);
        assert_eq!(body("Transfer-Encoding: gzip, chunked\r\nContent-Length: 3\r\n"), Some(Body::Chunked));
        assert_eq!(body("Transfer-Encoding: gzip\r\n"), None);
        assert_eq!(body(""), None);
        assert_eq!(body("Content-Length: 2\r\nConnection: x, Close\r\n"), None);
        assert_eq!(parse("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n"), Ok((200, None)));
        assert_eq!(parse("HTTP/1.1 304 \r\n\r\n"), Ok((304, Some(Body::Length(0)))));
    }

    #[test]
    fn a_head_that_is_none_is_told_from_a_long_one() {
        assert_eq!(parse("SSH-2.0-OpenSSH\r\n\r\n"), Err(Failure::NotHttp));
        assert_eq!(parse("HTTP/2 200\r\n\r\n"), Err(Failure::NotHttp));
        assert_eq!(parse("HTTP/1.1 200\r\n\r\n"), Ok((200, None)));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(101));
        assert_eq!(parse(&many), Err(Failure::HeadTooLong));
    }

    #[test]
    fn chunks_end_where_they_say() {
        let whole = b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(chunks_end(whole), Ok(Some(whole.len())));
        for end in 0..whole.len() {
            assert_eq!(chunks_end(&whole[..end]), Ok(None), "{end}");
        }
        assert_eq!(chunks_end(b"0\r\nTrailer: x\r\n\r\n"), Err(()));
        assert_eq!(chunks_end(b"zz\r\n"), Err(()));
        assert_eq!(chunks_end(b"ffffffffffffffff\r\n"), Err(()));
    }
}
