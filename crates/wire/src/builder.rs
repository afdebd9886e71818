//! A message to send, grown in a buffer: sections in order, names compressed, what does not fit undone.

use crate::{Class, Flags, HEADER_LEN, MAX_MESSAGE_LEN, Name, RdataNames, Ttl, Type};

/// Builds a message in a buffer of the caller's.
///
/// Sections are written in order; what does not fit leaves the message as it was. Compression remembers at most 32
/// places, so that its cost is bounded whatever is written.
pub struct Builder<'b> {
    buf: &'b mut [u8],
    /// HEADER_LEN <= len <= limit <= buf.len()
    len: usize,
    limit: usize,
    flags: Flags,
    counts: [u16; 4],
    /// Names that later ones may point to.
    targets: [Target; MAX_TARGETS],
    target_count: u8,
}

/// The message has no room for what was to be added, and is as before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// The sections of a message (RFC 1035 §4.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Section {
    /// What is asked.
    Question,
    /// What answers it.
    Answer,
    /// Where authority lies, or the SOA of a negative answer.
    Authority,
    /// What helps.
    Additional,
}

/// How far a message had grown, to go back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    len: usize,
    counts: [u16; 4],
    target_count: u8,
}

/// A name, or the end of one, that stands in the message.
#[derive(Clone, Copy)]
struct Target {
    /// Where; below 2^14, as far as pointers reach.
    at: u16,
    /// Its octets when it is written out.
    len: u8,
    /// Of its first label, the last octet: names that differ, as `link-1` and `link-2`, mostly differ there, and need not be
    /// compared.
    tag: u8,
}

const MAX_TARGETS: usize = 32;

impl<'b> Builder<'b> {
    /// Begins a message of at most `limit` octets; less where the buffer is smaller. The buffer holds at least a
    /// header, or the message stays empty.
    pub fn new(buf: &'b mut [u8], id: u16, flags: Flags, limit: usize) -> Builder<'b> {
        let limit = limit.min(buf.len()).min(MAX_MESSAGE_LEN);
        if let Some(to) = buf.first_chunk_mut() {
            *to = id.to_be_bytes();
        }
        Builder {
            buf,
            len: HEADER_LEN,
            limit,
            flags,
            counts: [0; 4],
            targets: [Target { at: 0, len: 0, tag: 0 }; MAX_TARGETS],
            target_count: 0,
        }
    }

    /// Adds a question as its octets, which are those of the query: its case comes back (RFC 1035 §4.1.2).
    ///
    /// # Errors
    ///
    /// [`Full`].
    pub fn question(&mut self, octets: &[u8]) -> Result<(), Full> {
        self.raw(Section::Question, 1, octets)
    }

    /// Adds a record: the owner compressed, and the names in RDATA where the type allows it (RFC 3597 §4).
    ///
    /// # Errors
    ///
    /// [`Full`].
    pub fn record(
        &mut self,
        section: Section,
        owner: &Name,
        rtype: Type,
        class: Class,
        ttl: Ttl,
        rdata: &[u8],
    ) -> Result<(), Full> {
        let mark = self.mark();
        let written = self.write_record(owner, rtype, class, ttl, rdata);
        match written {
            Ok(()) => self.count(section, 1),
            Err(Full) => self.rewind(mark),
        }
        written
    }

    /// Adds `count` records that are octets already, pointers included.
    ///
    /// # Errors
    ///
    /// [`Full`].
    #[inline]
    pub fn raw(&mut self, section: Section, count: u16, octets: &[u8]) -> Result<(), Full> {
        self.put(octets)?;
        self.count(section, count);
        Ok(())
    }

    /// Overwrites two octets that [`Builder::raw`] wrote; without effect beyond what has been written.
    #[inline]
    pub fn patch(&mut self, at: usize, word: u16) {
        if let Some(to) = self.buf.get_mut(at..self.len).and_then(|written| written.first_chunk_mut()) {
            *to = word.to_be_bytes();
        }
    }

    /// Replaces the TTL of each record so far.
    pub fn map_ttls(&mut self, mut map: impl FnMut(Ttl) -> Ttl) {
        let [questions, records @ ..] = self.counts;
        let mut rest = self.buf.get_mut(HEADER_LEN..self.len).unwrap_or_default();
        for _ in 0..questions {
            let Some(after) = skip_name(rest).and_then(|fields| fields.get_mut(4..)) else { return };
            rest = after;
        }
        for _ in 0..records.into_iter().map(u32::from).sum() {
            let Some((fields, after)) = skip_name(rest).and_then(|it| it.split_first_chunk_mut()) else {
                return;
            };
            let [_, _, _, _, ttl @ .., high, low]: &mut [u8; 10] = fields;
            *ttl = map(Ttl::from_secs(u32::from_be_bytes(*ttl))).as_secs().to_be_bytes();
            let Some(after) = after.get_mut(usize::from(u16::from_be_bytes([*high, *low]))..) else { return };
            rest = after;
        }
    }

    /// Changes the flags; [`Builder::finish`] writes them.
    pub fn set_flags(&mut self, flags: Flags) {
        self.flags = flags;
    }

    /// Allows `limit` octets from here on, as far as the buffer goes; never fewer than are written.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.min(self.buf.len()).min(MAX_MESSAGE_LEN).max(self.len);
    }

    /// Goes back to `mark`.
    pub fn rewind(&mut self, mark: Mark) {
        self.len = mark.len;
        self.counts = mark.counts;
        self.target_count = mark.target_count;
    }

    /// Writes the header, and gives the message's length in octets; 0 if the buffer cannot hold a header.
    #[inline]
    pub fn finish(&mut self) -> usize {
        let Some(header) = self.buf.first_chunk_mut::<HEADER_LEN>() else { return 0 };
        let [_, _, rest @ ..] = header;
        let words = [self.flags.0, self.counts[0], self.counts[1], self.counts[2], self.counts[3]];
        for (to, word) in rest.as_chunks_mut().0.iter_mut().zip(words) {
            *to = word.to_be_bytes();
        }
        self.len
    }

    /// How far the message has grown.
    pub fn mark(&self) -> Mark {
        Mark { len: self.len, counts: self.counts, target_count: self.target_count }
    }

    /// The flags so far.
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// Octets so far.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Octets allowed.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Entries of a section so far.
    pub fn count_of(&self, section: Section) -> u16 {
        match section {
            Section::Question => self.counts[0],
            Section::Answer => self.counts[1],
            Section::Authority => self.counts[2],
            Section::Additional => self.counts[3],
        }
    }

    /// What has been written; the header only after [`Builder::finish`].
    pub fn as_bytes(&self) -> &[u8] {
        self.buf.get(..self.len).unwrap_or_default()
    }

    fn write_record(
        &mut self,
        owner: &Name,
        rtype: Type,
        class: Class,
        ttl: Ttl,
        rdata: &[u8],
    ) -> Result<(), Full> {
        self.name(owner)?;
        let [a, b] = rtype.0.to_be_bytes();
        let [c, d] = class.0.to_be_bytes();
        let [e, f, g, h] = ttl.as_secs().to_be_bytes();
        self.put(&[a, b, c, d, e, f, g, h])?;
        let len_at = self.len;
        self.put(&[0, 0])?;
        let start = self.len;
        self.rdata(rtype, rdata)?;
        let len = u16::try_from(self.len.saturating_sub(start)).map_err(|_| Full)?;
        self.patch(len_at, len);
        Ok(())
    }

    fn rdata(&mut self, rtype: Type, rdata: &[u8]) -> Result<(), Full> {
        let Some(shape) = RdataNames::of(rtype).filter(|shape| shape.compressible) else {
            return self.put(rdata);
        };
        let Some((before, mut rest)) = shape.skip(rdata).and_then(|skip| rdata.split_at_checked(skip)) else {
            return self.put(rdata);
        };
        self.put(before)?;
        for _ in 0..shape.names {
            let Ok((name, after)) = Name::split(rest) else { break };
            self.name(name)?;
            rest = after;
        }
        self.put(rest)
    }

    /// Writes a name, its longest known end as a pointer.
    fn name(&mut self, name: &Name) -> Result<(), Full> {
        if self.target_count == 0 {
            self.remember_question();
        }
        let start = self.len;
        let mut rest = name;
        while !rest.is_root() {
            if let Some(at) = self.find(rest) {
                self.put(&(0xC000 | at).to_be_bytes())?;
                self.remember_labels(start, name, rest);
                return Ok(());
            }
            let Some((label, parent)) = rest.split_first() else { break };
            self.put(label)?;
            rest = parent;
        }
        self.put(&[0])?;
        self.remember_labels(start, name, rest);
        Ok(())
    }

    /// Only where a name is written after it: most answers are octets that point to it already.
    fn remember_question(&mut self) {
        let body = self.as_bytes().get(HEADER_LEN..).unwrap_or_default();
        if let Ok((name, _)) = Name::split(body) {
            self.remember_labels(HEADER_LEN, &name.to_buf(), Name::ROOT);
        }
    }

    /// Remembers a name and its ends, as far as their labels were written: up to `rest`. Only now, as before its end was
    /// not there to be compared with.
    fn remember_labels(&mut self, start: usize, name: &Name, rest: &Name) {
        let (mut at, mut end) = (start, name);
        while end.len() > rest.len() {
            self.remember(at, end);
            let Some((label, parent)) = end.split_first() else { return };
            at = at.saturating_add(label.len());
            end = parent;
        }
    }

    /// Where `name` stands already; its case may differ (RFC 1035 §4.1.4, RFC 4343 §4.1).
    ///
    /// Names of other lengths are not looked at: a name of 127 labels costs a few thousand steps, not millions.
    fn find(&self, name: &Name) -> Option<u16> {
        let targets = self.targets.get(..usize::from(self.target_count))?;
        let tag = tag(name);
        let alike =
            targets.iter().filter(|target| usize::from(target.len) == name.len() && target.tag == tag);
        alike.map(|target| target.at).find(|at| self.equals_at(usize::from(*at), name))
    }

    /// Compares label by label, following the pointers that this builder wrote, which go backwards.
    fn equals_at(&self, at: usize, name: &Name) -> bool {
        let mut here = self.buf.get(at..).unwrap_or_default();
        let mut wanted = name;
        loop {
            if let [high @ 0xC0..=0xFF, low, ..] = here {
                let to = usize::from(u16::from_be_bytes([high & 0x3F, *low]));
                here = self.buf.get(to..).unwrap_or_default();
                continue;
            }
            let Some((label, parent)) = wanted.split_first() else { return here.first() == Some(&0) };
            match here.split_at_checked(label.len()) {
                Some((found, after)) if found.eq_ignore_ascii_case(label) => (here, wanted) = (after, parent),
                _ => return false,
            }
        }
    }

    /// Remembers a name, if pointers reach it and there is room.
    fn remember(&mut self, at: usize, name: &Name) {
        if at < 0x4000
            && let Some(slot) = self.targets.get_mut(usize::from(self.target_count))
        {
            *slot = Target { at: at as u16, len: name.len() as u8, tag: tag(name) };
            self.target_count = self.target_count.saturating_add(1);
        }
    }

    #[inline]
    fn put(&mut self, octets: &[u8]) -> Result<(), Full> {
        let end = self.len.checked_add(octets.len()).filter(|end| *end <= self.limit).ok_or(Full)?;
        self.buf.get_mut(self.len..end).ok_or(Full)?.copy_from_slice(octets);
        self.len = end;
        Ok(())
    }

    #[inline]
    fn count(&mut self, section: Section, added: u16) {
        let [question, answer, authority, additional] = &mut self.counts;
        let count = match section {
            Section::Question => question,
            Section::Answer => answer,
            Section::Authority => authority,
            Section::Additional => additional,
        };
        *count = count.saturating_add(added);
    }
}

/// See [`Target`].
fn tag(name: &Name) -> u8 {
    let octets = name.as_wire();
    let last = octets.first().and_then(|len| octets.get(usize::from(*len)));
    last.copied().unwrap_or_default().to_ascii_lowercase()
}

/// What follows the name that `bytes` begin with.
fn skip_name(mut bytes: &mut [u8]) -> Option<&mut [u8]> {
    loop {
        let (len, rest) = bytes.split_first_mut()?;
        match *len {
            0 => return Some(rest),
            0xC0.. => return rest.get_mut(1..),
            len => bytes = rest.get_mut(usize::from(len)..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Message, NameBuf};

    fn name(text: &str) -> NameBuf {
        text.parse().unwrap()
    }

    fn question(text: &str) -> Vec<u8> {
        [name(text).as_wire(), &[0, 1, 0, 1]].concat()
    }

    #[test]
    fn a_patch_beyond_what_is_written_is_without_effect() {
        let mut buf = [0; 32];
        let mut builder = Builder::new(&mut buf, 7, Flags::QR, 32);
        builder.raw(Section::Answer, 1, &[1, 2, 3]).unwrap();
        for at in [14, 15, 16, usize::MAX] {
            builder.patch(at, 0xFFFF);
        }
        assert_eq!(builder.as_bytes().get(12..), Some(&[1, 2, 3][..]));
        builder.patch(13, 0xFFFF);
        assert_eq!(builder.as_bytes().get(12..), Some(&[1, 0xFF, 0xFF][..]));
        assert_eq!(buf[15..], [0; 17]);
    }

    #[test]
    fn an_owner_in_the_question_is_a_pointer_to_it() {
        let mut buf = [0; 512];
        let mut builder = Builder::new(&mut buf, 7, Flags::QR, 512);
        builder.question(&question("WWW.example.")).unwrap();
        let before = builder.len();
        builder
            .record(
                Section::Answer,
                &name("www.example."),
                Type::A,
                Class::IN,
                Ttl::from_secs(5),
                &[192, 0, 2, 1],
            )
            .unwrap();
        assert_eq!(builder.len() - before, 16);
        builder
            .record(
                Section::Authority,
                &name("example."),
                Type::NS,
                Class::IN,
                Ttl::ZERO,
                name("ns.Example.").as_wire(),
            )
            .unwrap();
        let len = builder.finish();
        let message = Message::new(&buf[..len]).unwrap();
        assert_eq!(message.header().counts, [1, 1, 1, 0]);
        let records: Vec<_> = message.records().collect::<Result<_, _>>().unwrap();
        assert_eq!(records[0].owner, name("www.example."));
        assert_eq!(records[0].rdata, [192, 0, 2, 1]);
        assert_eq!(records[1].rdata, b"\x02ns\xC0\x10");
        assert_eq!((records[1].section, records[1].rtype), (1, Type::NS));
    }

    #[test]
    fn what_does_not_fit_leaves_no_trace() {
        let mut buf = [0; 64];
        let mut builder = Builder::new(&mut buf, 7, Flags::QR, 40);
        builder.question(&question("a.example.")).unwrap();
        let len = builder.len();
        assert_eq!(
            builder.record(
                Section::Answer,
                &name("a.example."),
                Type::A,
                Class::IN,
                Ttl::ZERO,
                &[192, 0, 2, 1]
            ),
            Err(Full)
        );
        assert_eq!((builder.len(), builder.count_of(Section::Answer)), (len, 0));
        builder.set_limit(64);
        assert!(builder.raw(Section::Answer, 1, &[0; 16]).is_ok());
    }

    #[test]
    fn a_name_is_not_compared_with_what_is_not_written_yet() {
        // What an earlier message left in the buffer is a name's end, should somebody look.
        for left in [0, 1, b'a', 0xC0] {
            let mut buf = [left; 128];
            let mut builder = Builder::new(&mut buf, 7, Flags::QR, 128);
            builder.question(&question("b.")).unwrap();
            let owner = name("a.a.a.");
            builder.record(Section::Answer, &owner, Type::A, Class::IN, Ttl::ZERO, &[0; 4]).unwrap();
            let len = builder.finish();
            let record = Message::new(&buf[..len]).unwrap().records().next().unwrap().unwrap();
            assert_eq!(record.owner, owner);
        }
    }

    #[test]
    fn a_buffer_without_room_for_a_header_gives_nothing() {
        assert_eq!(Builder::new(&mut [0; 4], 7, Flags::QR, 512).finish(), 0);
    }

    #[test]
    fn many_names_stay_readable() {
        let mut buf = vec![0; 65535];
        let mut builder = Builder::new(&mut buf, 7, Flags::QR, 65535);
        builder.question(&question("x.example.")).unwrap();
        let targets: Vec<_> = (0..200).map(|n| name(&format!("host-{n}.sub-{}.example.", n % 50))).collect();
        for target in &targets {
            builder
                .record(
                    Section::Answer,
                    &name("x.example."),
                    Type::NS,
                    Class::IN,
                    Ttl::ZERO,
                    target.as_wire(),
                )
                .unwrap();
        }
        let len = builder.finish();
        let message = Message::new(&buf[..len]).unwrap();
        for (record, target) in message.records().zip(&targets) {
            let record = record.unwrap();
            assert_eq!(NameBuf::expand(&buf[..len], record.rdata_start).unwrap().0, *target);
        }
    }

    #[test]
    fn the_ttl_of_each_record_can_be_replaced() {
        let mut buf = [0; 512];
        let mut builder = Builder::new(&mut buf, 7, Flags::QR, 512);
        builder.question(&question("www.example.")).unwrap();
        for (section, secs) in [(Section::Answer, 5), (Section::Answer, 6), (Section::Additional, 7)] {
            let (owner, ttl) = (name("a.www.example."), Ttl::from_secs(secs));
            builder.record(section, &owner, Type::A, Class::IN, ttl, &[192, 0, 2, 1]).unwrap();
        }
        builder.map_ttls(|ttl| Ttl::from_secs(10 * ttl.as_secs()));
        let len = builder.finish();
        let message = Message::new(&buf[..len]).unwrap();
        let ttls: Vec<_> = message.records().map(|record| record.unwrap().ttl().as_secs()).collect();
        assert_eq!(ttls, [50, 60, 70]);
    }
}
