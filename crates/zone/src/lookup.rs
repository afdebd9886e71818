//! What a zone has at a name: RFC 1034 §4.3.2 step 3, with wildcards (RFC 4592), DNAME (RFC 6672) and cuts.
//!
//! The easy version walks down from the origin a label at a time, and stops at a cut, at a DNAME, at the name, or
//! where no further name exists. Here the name itself is looked up at once, as every ancestor's existence is known to
//! the table; only the depths at which the zone has cuts at all are looked at before, and only after a miss the walk
//! up to the closest encloser.

use cartonym_wire::{Qname, Type};

use crate::node::{Node, NodeFlags};
use crate::zone::Zone;

/// What is found at a name.
pub(crate) enum Found<'z> {
    /// The name exists.
    Name(&'z Node),
    /// The name does not exist, and this wildcard speaks for it (RFC 4592 §3.3.1).
    Wildcard(&'z Node),
    /// The name lies at or below a cut: somebody else's.
    Cut(&'z Node),
    /// The name lies below a DNAME, `depth` labels from the root.
    Dname(&'z Node, usize),
    /// The name does not exist.
    Nothing,
}

impl Zone {
    /// Looks up a name that is the origin or below it; at a cut, DS is the parent's to answer (RFC 4035 §3.1.4.1).
    pub(crate) fn find(&self, qname: &Qname, qtype: Type) -> Found<'_> {
        let (origin, depth) = (self.origin.depth(), qname.depth());
        if self.cut_depths != 0
            && let Some(found) = self.find_cut(qname, qtype)
        {
            return found;
        }
        if depth == origin {
            return Found::Name(&self.apex);
        }
        let hash = qname.extend_hash(self.origin_hash, origin, depth);
        match self.nodes.get(hash, qname.name()) {
            Some(node) => Found::Name(node),
            None => self.find_wildcard(qname),
        }
    }

    /// The highest cut or DNAME on the way to the name.
    #[cold]
    fn find_cut(&self, qname: &Qname, qtype: Type) -> Option<Found<'_>> {
        let (mut hash, mut at) = (self.origin_hash, self.origin.depth());
        let mut depths = self.cut_depths & (u128::MAX >> (127 - qname.depth()));
        while depths != 0 {
            let depth = depths.trailing_zeros() as usize;
            depths &= depths - 1;
            hash = qname.extend_hash(hash, at, depth);
            at = depth;
            let Some(node) = self.nodes.get(hash, qname.suffix(depth)) else { continue };
            let is_qname = depth == qname.depth();
            if node.flags().has(NodeFlags::NS) && depth > self.origin.depth() {
                return if is_qname && qtype == Type::DS { None } else { Some(Found::Cut(node)) };
            }
            if node.flags().has(NodeFlags::DNAME) && !is_qname {
                return Some(Found::Dname(node, depth));
            }
        }
        None
    }

    /// The wildcard below the closest encloser of a name that does not exist.
    fn find_wildcard(&self, qname: &Qname) -> Found<'_> {
        if self.wildcards == 0 {
            return Found::Nothing;
        }
        let origin = self.origin.depth();
        let mut depth = (qname.depth() - 1).min(usize::from(self.max_depth)).max(origin);
        while depth > origin {
            let hash = qname.extend_hash(self.origin_hash, origin, depth);
            if self.nodes.get(hash, qname.suffix(depth)).is_some() {
                break;
            }
            depth -= 1;
        }
        let Ok(name) = cartonym_wire::NameBuf::child(b"*", qname.suffix(depth)) else {
            return Found::Nothing;
        };
        let wildcard = Qname::new(&name);
        let hash = wildcard.extend_hash(self.origin_hash, origin, depth + 1);
        self.nodes.get(hash, wildcard.name()).map_or(Found::Nothing, Found::Wildcard)
    }
}
