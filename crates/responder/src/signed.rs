//! A signed query: verified before anything else is done with it, on whatever way it came.

use std::time::Duration;

use cartonym_tsig::{ErrorReply, Keys, Rejection, Session};
use cartonym_wire::{Message, Qname, Rcode};

use crate::reply::{Ending, OPT_LEN, begin, fail, finish};
use crate::request::{Request, without_last};

/// Verifies the signature that begins at `at` in `message`, and gives the request as it was before it was signed:
/// what comes behind this never sees a signature.
pub(crate) fn open<'u>(
    keys: &Keys,
    message: Message<'_>,
    at: usize,
    now: Duration,
    unsigned: &'u mut Vec<u8>,
    qname: &mut Qname,
) -> Result<(Request<'u>, Session), Rejection> {
    let session = keys.verify(message.as_bytes(), at, now)?;
    without_last(message, at, unsigned);
    let request = Request::read(unsigned, qname).map_err(|_| Rejection::Malformed)?;
    Ok((request, session))
}

/// Answers a request whose signature is not taken: NOTAUTH and nothing but the reason (RFC 8945 §5.2).
pub(crate) fn reject(
    request: &Request<'_>,
    reply: Box<ErrorReply>,
    limit: usize,
    now: Duration,
    out: &mut [u8],
) -> Option<usize> {
    let opt = if request.edns.is_some() { OPT_LEN } else { 0 };
    let mut options = Vec::new();
    let mut response = begin(request.message, request.question, limit, reply.room() + opt, &mut options, out);
    fail(&mut response, Rcode::NOTAUTH, None);
    let len = finish(&mut response, request.edns.as_ref(), &Ending::default());
    reply.append(out, len, now)
}
