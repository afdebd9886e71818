//! Messages of etcd's `rpc.proto` and `kv.proto`, version 3.

use prost::{Enumeration, Message, Oneof};

/// What comes with each answer.
#[derive(Clone, PartialEq, Message)]
pub struct Header {
    /// The cluster that answered.
    #[prost(uint64, tag = "1")]
    pub cluster_id: u64,
    /// The store's revision when it answered.
    #[prost(int64, tag = "3")]
    pub revision: i64,
}

/// A key and what is stored under it.
#[derive(Clone, PartialEq, Message)]
pub struct KeyValue {
    /// The key.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// The revision of the key's making.
    #[prost(int64, tag = "2")]
    pub create_revision: i64,
    /// The revision of its last change.
    #[prost(int64, tag = "3")]
    pub mod_revision: i64,
    /// The value.
    #[prost(bytes = "vec", tag = "5")]
    pub value: Vec<u8>,
    /// The lease that the key goes with; 0 for none.
    #[prost(int64, tag = "6")]
    pub lease: i64,
}

/// Asks for keys.
#[derive(Clone, PartialEq, Message)]
pub struct Range {
    /// The key, or the first of them.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// The key after the last; empty for one key.
    #[prost(bytes = "vec", tag = "2")]
    pub range_end: Vec<u8>,
    /// The most keys; 0 for all.
    #[prost(int64, tag = "3")]
    pub limit: i64,
    /// As of which revision; 0 for now.
    #[prost(int64, tag = "4")]
    pub revision: i64,
    /// Whether only their number is wanted.
    #[prost(bool, tag = "9")]
    pub count_only: bool,
}

/// The keys asked for.
#[derive(Clone, PartialEq, Message)]
pub struct RangeResponse {
    /// From whom, and when.
    #[prost(message, optional, tag = "1")]
    pub header: Option<Header>,
    /// The keys, in order.
    #[prost(message, repeated, tag = "2")]
    pub kvs: Vec<KeyValue>,
    /// Whether there are more than the limit.
    #[prost(bool, tag = "3")]
    pub more: bool,
    /// How many there are.
    #[prost(int64, tag = "4")]
    pub count: i64,
}

/// Stores a value.
#[derive(Clone, PartialEq, Message)]
pub struct Put {
    /// The key.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// The value.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
    /// The lease that the key goes with; 0 for none.
    #[prost(int64, tag = "3")]
    pub lease: i64,
}

/// Removes keys.
#[derive(Clone, PartialEq, Message)]
pub struct DeleteRange {
    /// The key, or the first of them.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// The key after the last; empty for one key.
    #[prost(bytes = "vec", tag = "2")]
    pub range_end: Vec<u8>,
}

/// One step of a transaction.
#[derive(Clone, PartialEq, Message)]
pub struct Op {
    /// What it does.
    #[prost(oneof = "Request", tags = "1, 2, 3")]
    pub request: Option<Request>,
}

/// What a step does.
#[derive(Clone, PartialEq, Oneof)]
pub enum Request {
    /// Asks for keys.
    #[prost(message, tag = "1")]
    Range(Range),
    /// Stores a value.
    #[prost(message, tag = "2")]
    Put(Put),
    /// Removes keys.
    #[prost(message, tag = "3")]
    DeleteRange(DeleteRange),
}

/// A condition of a transaction: that each key of a range fits.
#[derive(Clone, PartialEq, Message)]
pub struct Compare {
    /// How what is stored must stand to what is given.
    #[prost(enumeration = "CompareResult", tag = "1")]
    pub result: i32,
    /// What is compared.
    #[prost(enumeration = "CompareTarget", tag = "2")]
    pub target: i32,
    /// The key, or the first of them.
    #[prost(bytes = "vec", tag = "3")]
    pub key: Vec<u8>,
    /// What it is compared with.
    #[prost(oneof = "TargetUnion", tags = "5, 6")]
    pub target_union: Option<TargetUnion>,
    /// The key after the last; empty for one key.
    #[prost(bytes = "vec", tag = "64")]
    pub range_end: Vec<u8>,
}

/// How two values stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum CompareResult {
    /// They are the same.
    Equal = 0,
    /// What is stored is greater.
    Greater = 1,
}

/// What of a key is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum CompareTarget {
    /// Its count of changes.
    Version = 0,
    /// The revision of its making; 0 for a key that is not there.
    Create = 1,
    /// The revision of its last change.
    Mod = 2,
}

/// What a key is compared with.
#[derive(Clone, Copy, PartialEq, Eq, Oneof)]
pub enum TargetUnion {
    /// A revision of its making.
    #[prost(int64, tag = "5")]
    CreateRevision(i64),
    /// A revision of its last change.
    #[prost(int64, tag = "6")]
    ModRevision(i64),
}

/// Steps that are made together if all conditions hold.
#[derive(Clone, PartialEq, Message)]
pub struct Txn {
    /// The conditions.
    #[prost(message, repeated, tag = "1")]
    pub compare: Vec<Compare>,
    /// What is done if they hold.
    #[prost(message, repeated, tag = "2")]
    pub success: Vec<Op>,
    /// What is done if they do not.
    #[prost(message, repeated, tag = "3")]
    pub failure: Vec<Op>,
}

/// What became of a transaction.
#[derive(Clone, PartialEq, Message)]
pub struct TxnResponse {
    /// From whom, and when: the revision is the one it made.
    #[prost(message, optional, tag = "1")]
    pub header: Option<Header>,
    /// Whether all conditions held.
    #[prost(bool, tag = "2")]
    pub succeeded: bool,
    /// What the steps came to, in order.
    #[prost(message, repeated, tag = "3")]
    pub responses: Vec<OpResponse>,
}

/// What a step of a transaction came to.
#[derive(Clone, PartialEq, Message)]
pub struct OpResponse {
    /// The keys, where it asked for some.
    #[prost(message, optional, tag = "1")]
    pub range: Option<RangeResponse>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WatchRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) create: Option<WatchCreate>,
}

/// Asks to be told of changes.
#[derive(Clone, PartialEq, Message)]
pub struct WatchCreate {
    /// The first key.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// The key after the last; empty for one key.
    #[prost(bytes = "vec", tag = "2")]
    pub range_end: Vec<u8>,
    /// The first revision of interest; 0 for those to come.
    #[prost(int64, tag = "3")]
    pub start_revision: i64,
}

/// Changes, in order.
#[derive(Clone, PartialEq, Message)]
pub struct WatchResponse {
    /// From whom, and when.
    #[prost(message, optional, tag = "1")]
    pub header: Option<Header>,
    /// Whether this says that the watch has begun.
    #[prost(bool, tag = "3")]
    pub created: bool,
    /// Whether the watch has ended.
    #[prost(bool, tag = "4")]
    pub canceled: bool,
    /// Not 0: the revision asked for is forgotten, and this is the first that is known.
    #[prost(int64, tag = "5")]
    pub compact_revision: i64,
    /// Why the watch has ended.
    #[prost(string, tag = "6")]
    pub cancel_reason: String,
    /// The changes; those of one revision come together.
    #[prost(message, repeated, tag = "11")]
    pub events: Vec<Event>,
}

/// A change of one key.
#[derive(Clone, PartialEq, Message)]
pub struct Event {
    /// What happened to it.
    #[prost(enumeration = "EventKind", tag = "1")]
    pub kind: i32,
    /// The key; its `mod_revision` is that of the change.
    #[prost(message, optional, tag = "2")]
    pub kv: Option<KeyValue>,
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum EventKind {
    /// It was stored.
    Put = 0,
    /// It was removed, or its lease ended.
    Delete = 1,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LeaseTimeToLive {
    #[prost(int64, tag = "1")]
    pub(crate) id: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LeaseGrant {
    #[prost(int64, tag = "1")]
    pub(crate) ttl: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LeaseGrantResponse {
    #[prost(int64, tag = "2")]
    pub(crate) id: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LeaseKeepAlive {
    #[prost(int64, tag = "1")]
    pub(crate) id: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LeaseKeepAliveResponse {
    /// Seconds until it ends; 0 if it has.
    #[prost(int64, tag = "3")]
    pub(crate) ttl: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LeaseRevoke {
    #[prost(int64, tag = "1")]
    pub(crate) id: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LeaseRevokeResponse {}

/// What is left of a lease.
#[derive(Clone, PartialEq, Message)]
pub struct LeaseTimeToLiveResponse {
    /// From whom, and when.
    #[prost(message, optional, tag = "1")]
    pub header: Option<Header>,
    /// Seconds until it ends unless it is kept alive; -1 if it has ended.
    #[prost(int64, tag = "3")]
    pub ttl: i64,
    /// Seconds for which it was granted.
    #[prost(int64, tag = "4")]
    pub granted_ttl: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Authenticate {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) password: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AuthenticateResponse {
    #[prost(string, tag = "2")]
    pub(crate) token: String,
}

impl Header {
    /// The revision as a count.
    pub fn revision(&self) -> u64 {
        u64::try_from(self.revision).unwrap_or(0)
    }
}

impl Compare {
    /// That each key of a range is, or is not, there.
    pub fn present(key: Vec<u8>, range_end: Vec<u8>, present: bool) -> Self {
        let result = if present { CompareResult::Greater } else { CompareResult::Equal };
        Self {
            result: result.into(),
            target: CompareTarget::Create.into(),
            key,
            target_union: Some(TargetUnion::CreateRevision(0)),
            range_end,
        }
    }

    /// That a key was last changed at a revision.
    pub fn unchanged(key: Vec<u8>, revision: u64) -> Self {
        Self {
            result: CompareResult::Equal.into(),
            target: CompareTarget::Mod.into(),
            key,
            target_union: Some(TargetUnion::ModRevision(i64::try_from(revision).unwrap_or(i64::MAX))),
            range_end: Vec::new(),
        }
    }
}

impl Op {
    /// Asks for a key.
    pub fn get(key: Vec<u8>) -> Self {
        Self { request: Some(Request::Range(Range { key, ..Range::default() })) }
    }

    /// Stores a value.
    pub fn put(key: Vec<u8>, value: Vec<u8>) -> Self {
        Self { request: Some(Request::Put(Put { key, value, lease: 0 })) }
    }

    /// Removes a key.
    pub fn delete(key: Vec<u8>) -> Self {
        Self { request: Some(Request::DeleteRange(DeleteRange { key, range_end: Vec::new() })) }
    }
}

/// The key after all that begin with `prefix`.
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    // All keys from the first on.
    vec![0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_key_after_all_that_have_it() {
        assert_eq!(prefix_end(b"/a/"), b"/a0");
        assert_eq!(prefix_end(b"a\xff"), b"b");
        assert_eq!(prefix_end(b"\xff"), b"\0");
    }

    #[test]
    fn a_condition_of_zero_is_written() {
        let octets = Compare::present(b"k".to_vec(), Vec::new(), false).encode_to_vec();
        assert_eq!(octets, [0x10, 1, 0x1a, 1, b'k', 0x28, 0]);
    }
}
