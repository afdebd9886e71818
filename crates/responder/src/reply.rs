//! The beginning and the end of a response, which are the same whatever is between.

use std::time::Duration;

use cartonym_plugin::Response;
use cartonym_tsig::Session;
use cartonym_wire::{
    Builder, Ede, Edns, Flags, HEADER_LEN, Header, Message, OptionCode, Question, Rcode, Section,
};

use crate::cookies::Cookie;

/// What the responses to one query carry at their end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ending {
    /// For the client to keep.
    pub(crate) cookie: Option<Cookie>,
    /// Signs, if the query was signed.
    pub(crate) session: Option<Session>,
    /// Whether its length is to tell nothing.
    pub(crate) padded: bool,
    /// How long its connection may be idle, in tenths of a second, if it asked (RFC 7828 §3.1).
    pub(crate) keepalive: Option<u16>,
    /// When the query came.
    pub(crate) now: Duration,
}

impl Ending {
    /// Octets that are to be kept free for it.
    pub(crate) fn room(&self, has_edns: bool) -> usize {
        let opt = if has_edns { OPT_LEN } else { 0 };
        let cookie = if self.cookie.is_some() { COOKIE_LEN } else { 0 };
        opt + cookie + self.session.as_ref().map_or(0, Session::room)
    }

    /// Signs the response that the first `len` octets of `out` are, if it is to be; none if there is no room.
    pub(crate) fn sign(&mut self, out: &mut [u8], len: usize) -> Option<usize> {
        match &mut self.session {
            None => Some(len),
            Some(session) => session.sign(out, len, self.now),
        }
    }
}

/// A response with the question in it, and `reserved` of `limit` octets kept for its end.
pub(crate) fn begin<'b>(
    message: Message<'_>,
    question: Question<'_>,
    limit: usize,
    reserved: usize,
    options: &'b mut Vec<u8>,
    out: &'b mut [u8],
) -> Response<'b> {
    let header = message.header();
    // Keys may have names so long that question and signature alone are more than a small limit allows; the query
    // was no smaller then.
    let limit = limit.max(question.end + reserved).min(out.len()).saturating_sub(reserved);
    let mut builder = Builder::new(out, header.id, reply_flags(header.flags), limit);
    let _ = builder.question(message.as_bytes().get(HEADER_LEN..question.end).unwrap_or_default());
    Response::new(builder, options)
}

/// A response that says no: without records, and with no word about them.
pub(crate) fn fail(response: &mut Response<'_>, rcode: Rcode, ede: Option<Ede>) {
    response.clear_records();
    for flag in [Flags::AA, Flags::TC, Flags::RA, Flags::AD] {
        response.set_flag(flag, false);
    }
    response.set_rcode(rcode);
    if let Some(ede) = ede {
        response.set_ede(ede);
    }
}

/// Adds OPT where the client sent one, writes the header, and gives the length.
pub(crate) fn finish(response: &mut Response<'_>, edns: Option<&Edns<'_>>, ending: &Ending) -> usize {
    let rcode = response.rcode();
    if let Some(keepalive) = ending.keepalive {
        response.option(OptionCode::TCP_KEEPALIVE, &keepalive.to_be_bytes());
    }
    if let Some(edns) = edns {
        add_opt(response, edns, rcode, ending);
    }
    let flags = response.flags().with_rcode(rcode);
    response.builder().set_flags(flags);
    response.builder().finish()
}

/// Options that do not fit are left out; OPT itself and the cookie have had their room kept.
fn add_opt(response: &mut Response<'_>, edns: &Edns<'_>, rcode: Rcode, ending: &Ending) {
    let cookie = ending.cookie.as_ref();
    let kept = OPT_LEN + if cookie.is_some() { COOKIE_LEN } else { 0 };
    let limit = response.builder().limit() + kept;
    response.builder().set_limit(limit);
    let mut options_len = response.options().len();
    if response.len() + kept + options_len > limit {
        options_len = 0;
    }
    let signature = ending.session.as_ref().map_or(0, Session::room);
    let padding =
        if ending.padded { padding(response.len() + kept + options_len, signature, limit) } else { &[] };
    let opt = Opt::new(edns, rcode, cookie, options_len + padding.len());
    let _ = response.builder().raw(Section::Additional, 1, opt.as_bytes());
    if options_len > 0 {
        let mut options = [0; MAX_OPTIONS];
        options.iter_mut().zip(response.options()).for_each(|(to, from)| *to = *from);
        let options = options.get(..options_len).unwrap_or_default();
        let _ = response.builder().raw(Section::Additional, 0, options);
    }
    if let Some((_, zeros)) = padding.split_at_checked(PADDING_HEAD) {
        let [a, b] = OptionCode::PADDING.0.to_be_bytes();
        let [c, d] = (zeros.len() as u16).to_be_bytes();
        let _ = response.builder().raw(Section::Additional, 0, &[a, b, c, d]);
        let _ = response.builder().raw(Section::Additional, 0, zeros);
    }
}

/// Zeros as long as the option that makes a message of `len` octets, with `signature` more behind it, a whole number of
/// blocks (RFC 8467 §4.1); none where the limit is in the way.
fn padding(len: usize, signature: usize, limit: usize) -> &'static [u8] {
    let end = (len + PADDING_HEAD + signature).next_multiple_of(BLOCK) - signature;
    let padding = if end <= limit { end - len } else { 0 };
    ZEROS.get(..padding).unwrap_or_default()
}

/// Adds OPT to the first message of many, as [`finish`] does to one.
pub(crate) fn end_first(message: &mut Vec<u8>, edns: &Edns<'_>, cookie: Option<&Cookie>) {
    let Some(count) = message.get_mut(HEADER_LEN - 2..).and_then(|rest| rest.first_chunk_mut()) else {
        return;
    };
    *count = u16::from_be_bytes(*count).saturating_add(1).to_be_bytes();
    message.extend_from_slice(Opt::new(edns, Rcode::NOERROR, cookie, 0).as_bytes());
}

/// An OPT record without the options that plugins add.
struct Opt {
    octets: [u8; OPT_LEN + COOKIE_LEN],
    len: usize,
}

impl Opt {
    fn new(edns: &Edns<'_>, rcode: Rcode, cookie: Option<&Cookie>, options_len: usize) -> Opt {
        let len = OPT_LEN + if cookie.is_some() { COOKIE_LEN } else { 0 };
        let [a, b] = ADVERTISED_UDP_SIZE.to_be_bytes();
        let [c, d] = ((len - OPT_LEN + options_len) as u16).to_be_bytes();
        let dnssec_ok = if edns.dnssec_ok { 0x80 } else { 0 };
        let mut octets = [0; OPT_LEN + COOKIE_LEN];
        if let Some((fixed, option)) = octets.split_first_chunk_mut::<OPT_LEN>() {
            *fixed = [0, 0, 41, a, b, (rcode.0 >> 4) as u8, 0, dnssec_ok, 0, c, d];
            if let (Some(cookie), Some((head, value))) = (cookie, option.split_first_chunk_mut::<4>()) {
                let [e, f] = OptionCode::COOKIE.0.to_be_bytes();
                *head = [e, f, 0, size_of::<Cookie>() as u8];
                value.copy_from_slice(cookie);
            }
        }
        Opt { octets, len }
    }

    fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }
}

/// A header and nothing more, for what could not be read.
pub(crate) fn refuse(header: Header, rcode: Rcode, out: &mut [u8]) -> usize {
    let flags = reply_flags(header.flags).with_rcode(rcode);
    Builder::new(out, header.id, flags, HEADER_LEN).finish()
}

/// A response without a question, to who asks for nothing but a cookie (RFC 7873 §5.4).
#[cold]
pub(crate) fn give_cookie(
    header: Header,
    edns: &Edns<'_>,
    cookie: &Cookie,
    options: &mut Vec<u8>,
    out: &mut [u8],
) -> usize {
    let builder = Builder::new(out, header.id, reply_flags(header.flags), HEADER_LEN);
    let ending = Ending { cookie: Some(*cookie), ..Ending::default() };
    finish(&mut Response::new(builder, options), Some(edns), &ending)
}

/// QR set, opcode and RD as they came, all else clear: AD and CD mean nothing here (RFC 4035 §3.1.6).
fn reply_flags(query: Flags) -> Flags {
    Flags(query.0 & 0x7800 | query.0 & Flags::RD.0 | Flags::QR.0)
}

/// Octets of an OPT record without options.
pub(crate) const OPT_LEN: usize = 11;
/// Octets of the cookie's option.
const COOKIE_LEN: usize = 4 + size_of::<Cookie>();
/// Octets of the padding option without its zeros.
const PADDING_HEAD: usize = 4;
/// Octets of which a padded response has a multiple (RFC 8467 §4.1).
const BLOCK: usize = 468;
/// The longest padding: a block, but for one octet, and the option's head that has begun the next.
const ZEROS: [u8; BLOCK + PADDING_HEAD] = [0; BLOCK + PADDING_HEAD];
/// Octets of a UDP query that this server takes (RFC 6891 §6.2.5).
const ADVERTISED_UDP_SIZE: u16 = 1232;
/// Octets of options that a [`Response`] takes at most.
const MAX_OPTIONS: usize = 512;
