//! What a plugin writes to: the response in the making.

use cartonym_wire::{
    Builder, Class, Ede, Flags, Full, Mark, Message, Name, OptionCode, Rcode, Section, Ttl, Type,
};

/// A response in the making. The header and the question stand already; OPT, TC and the counts are added at the end.
pub struct Response<'b> {
    builder: Builder<'b>,
    rcode: Rcode,
    /// Where the question ends.
    start: Mark,
    /// The place in the chain of the plugin that answered.
    answered_at: Option<usize>,
    /// Options for the OPT record, encoded; given back to whoever owns the room.
    options: &'b mut Vec<u8>,
}

/// Octets of options that a response carries at most.
const MAX_OPTIONS: usize = 512;

impl<'b> Response<'b> {
    /// A response over a builder that holds the question; `options` is room for OPT's options, emptied here.
    pub fn new(builder: Builder<'b>, options: &'b mut Vec<u8>) -> Response<'b> {
        options.clear();
        let start = builder.mark();
        Response { builder, rcode: Rcode::NOERROR, start, answered_at: None, options }
    }

    /// Adds a record of class IN.
    ///
    /// # Errors
    ///
    /// [`Full`]; TC is set then, but not for additional data, which is left out in silence (RFC 2181 §9).
    pub fn record(
        &mut self,
        section: Section,
        owner: &Name,
        rtype: Type,
        ttl: Ttl,
        rdata: &[u8],
    ) -> Result<(), Full> {
        self.record_of_class(section, owner, rtype, Class::IN, ttl, rdata)
    }

    /// Adds a record.
    ///
    /// # Errors
    ///
    /// As [`Response::record`].
    pub fn record_of_class(
        &mut self,
        section: Section,
        owner: &Name,
        rtype: Type,
        class: Class,
        ttl: Ttl,
        rdata: &[u8],
    ) -> Result<(), Full> {
        let written = self.builder.record(section, owner, rtype, class, ttl, rdata);
        if written.is_err() && section != Section::Additional {
            self.set_truncated();
        }
        written
    }

    /// Adds what `write` adds, or where it fails nothing, and TC stays as it was: for records that mean little without each
    /// other, as a set and its signatures.
    ///
    /// # Errors
    ///
    /// Those of `write`.
    pub fn whole<E>(&mut self, write: impl FnOnce(&mut Response<'b>) -> Result<(), E>) -> Result<(), E> {
        let (mark, flags) = (self.builder.mark(), self.builder.flags());
        let written = write(self);
        if written.is_err() {
            self.builder.rewind(mark);
            self.builder.set_flags(flags);
        }
        written
    }

    /// Takes all records back; rcode, flags and options stay.
    pub fn clear_records(&mut self) {
        self.builder.rewind(self.start);
    }

    /// Sets the rcode; the upper eight bits go into OPT.
    pub fn set_rcode(&mut self, rcode: Rcode) {
        self.rcode = rcode;
    }

    /// Says that the answer is the zone's own (AA).
    pub fn set_authoritative(&mut self, authoritative: bool) {
        self.set_flag(Flags::AA, authoritative);
    }

    /// Says that the message is not whole (TC).
    pub fn set_truncated(&mut self) {
        self.set_flag(Flags::TC, true);
    }

    /// Sets or clears a flag of the header.
    pub fn set_flag(&mut self, flag: Flags, on: bool) {
        self.builder.set_flags(self.builder.flags().with(flag, on));
    }

    /// Says why, for people (RFC 8914); nothing if the client has no EDNS.
    pub fn set_ede(&mut self, ede: Ede) {
        self.option(OptionCode::EDE, &ede.0.to_be_bytes());
    }

    /// Adds an option to OPT; nothing if the client has no EDNS, or past 512 octets of options.
    pub fn option(&mut self, code: OptionCode, data: &[u8]) {
        let Ok(len) = u16::try_from(data.len()) else { return };
        if self.options.len() + 4 + data.len() <= MAX_OPTIONS {
            self.options.extend_from_slice(&code.0.to_be_bytes());
            self.options.extend_from_slice(&len.to_be_bytes());
            self.options.extend_from_slice(data);
        }
    }

    /// Says which plugin answered, by its place in the chain; whoever runs the chain does.
    pub fn set_answered_at(&mut self, place: usize) {
        self.answered_at = Some(place);
    }

    /// The place in the chain of the plugin that answered; past the last if none did.
    pub fn answered_at(&self) -> Option<usize> {
        self.answered_at
    }

    /// The rcode so far.
    pub fn rcode(&self) -> Rcode {
        self.rcode
    }

    /// The flags so far.
    pub fn flags(&self) -> Flags {
        self.builder.flags()
    }

    /// OPT's options so far, encoded.
    pub fn options(&self) -> &[u8] {
        self.options
    }

    /// The message so far, for who reads its records; its header is complete but for what OPT will add.
    pub fn message(&mut self) -> Option<Message<'_>> {
        let flags = self.builder.flags().with_rcode(self.rcode);
        self.builder.set_flags(flags);
        self.builder.finish();
        Message::new(self.builder.as_bytes()).ok()
    }

    /// The message itself, for who writes octets.
    pub fn builder(&mut self) -> &mut Builder<'b> {
        &mut self.builder
    }

    /// Octets so far.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.builder.len()
    }

    /// Entries of a section so far.
    pub fn count_of(&self, section: Section) -> u16 {
        self.builder.count_of(section)
    }
}
