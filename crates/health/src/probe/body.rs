//! The body of an answer: how far it goes, read without being kept.

use httparse::{Header, Status};

use super::http::{has_token, values};

/// What is still to come of a body (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// So many octets.
    Length(u64),
    /// So many octets of a chunk, the end of its line included, and then other chunks.
    Chunks(u64),
    /// All that comes before the end of the connection.
    ToEnd,
}

/// Where a body is after what has come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    More,
    Ended,
    /// Where it ends cannot be told.
    Lost,
}

/// The most octets of a line that begins a chunk.
const MAX_LINE: usize = 1 << 10;

impl Body {
    /// The body of an answer to GET; `None` where its fields contradict each other, or say what nobody knows.
    pub(crate) fn of(status: u16, fields: &[Header<'_>]) -> Option<Self> {
        if matches!(status, 204 | 304) {
            return Some(Self::Length(0));
        }
        if values(fields, "transfer-encoding").next().is_some() {
            return has_token(fields, "transfer-encoding", "chunked").then_some(Self::Chunks(0));
        }
        let mut lengths = values(fields, "content-length");
        let Some(length) = lengths.next() else { return Some(Self::ToEnd) };
        let length = std::str::from_utf8(length).ok()?.trim().parse().ok()?;
        lengths.next().is_none().then_some(Self::Length(length))
    }

    /// How many octets are known to come.
    pub(crate) fn coming(self) -> u64 {
        match self {
            Self::Length(length) | Self::Chunks(length) => length,
            Self::ToEnd => 0,
        }
    }

    /// Takes what belongs to it from the front of `buffer`.
    pub(crate) fn take(&mut self, buffer: &mut Vec<u8>) -> Progress {
        match self {
            Self::Length(left) => {
                skip(left, buffer);
                if *left == 0 { Progress::Ended } else { Progress::More }
            }
            Self::Chunks(left) => take_chunks(left, buffer),
            Self::ToEnd => {
                buffer.clear();
                Progress::More
            }
        }
    }
}

/// Takes chunks (RFC 9112 §7.1) to the last one; with a trailer after it, the connection is not worth more code.
fn take_chunks(left: &mut u64, buffer: &mut Vec<u8>) -> Progress {
    loop {
        skip(left, buffer);
        if *left > 0 {
            return Progress::More;
        }
        match httparse::parse_chunk_size(buffer) {
            Ok(Status::Partial) if buffer.len() <= MAX_LINE => return Progress::More,
            Ok(Status::Partial) | Err(_) => return Progress::Lost,
            Ok(Status::Complete((line, 0))) => {
                return match &buffer[line..] {
                    [] | [b'\r'] => Progress::More,
                    [b'\r', b'\n', ..] => {
                        buffer.drain(..line + 2);
                        Progress::Ended
                    }
                    _ => Progress::Lost,
                };
            }
            Ok(Status::Complete((line, size))) => {
                buffer.drain(..line);
                *left = size.saturating_add(2);
            }
        }
    }
}

fn skip(left: &mut u64, buffer: &mut Vec<u8>) {
    let here = usize::try_from(*left).map_or(buffer.len(), |left| left.min(buffer.len()));
    buffer.drain(..here);
    *left -= here as u64;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(pieces: &[&[u8]]) -> (Progress, Vec<u8>) {
        let (mut body, mut buffer, mut progress) = (Body::Chunks(0), Vec::new(), Progress::More);
        for piece in pieces {
            buffer.extend_from_slice(piece);
            progress = body.take(&mut buffer);
        }
        (progress, buffer)
    }

    #[test]
    fn chunks_end_where_they_say_however_they_come() {
        let whole = b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\nrest";
        let end = whole.len() - 4;
        assert_eq!(chunks(&[whole]), (Progress::Ended, b"rest".to_vec()));
        for cut in 0..end {
            assert_eq!(chunks(&[&whole[..cut]]).0, Progress::More, "{cut}");
            assert_eq!(chunks(&[&whole[..cut], &whole[cut..end]]), (Progress::Ended, Vec::new()), "{cut}");
        }
        assert_eq!(chunks(&[b"0\r\nTrailer: x\r\n\r\n"]).0, Progress::Lost);
        assert_eq!(chunks(&[b"zz\r\n"]).0, Progress::Lost);
        assert_eq!(chunks(&[&[b"1;".as_slice(), &[b'x'; MAX_LINE]].concat()]).0, Progress::Lost);
    }

    #[test]
    fn a_chunk_may_say_that_it_is_as_long_as_a_number_can() {
        let (mut body, mut buffer) = (Body::Chunks(0), b"ffffffffffffffff\r\nx".to_vec());
        assert_eq!(body.take(&mut buffer), Progress::More);
        assert_eq!((body, buffer.len()), (Body::Chunks(u64::MAX - 1), 0));
    }

    #[test]
    fn a_length_leaves_what_comes_after_it() {
        let (mut body, mut buffer) = (Body::Length(5), b"abc".to_vec());
        assert_eq!((body.take(&mut buffer), body.coming()), (Progress::More, 2));
        buffer.extend_from_slice(b"defg");
        assert_eq!((body.take(&mut buffer), buffer), (Progress::Ended, b"fg".to_vec()));
    }
}
