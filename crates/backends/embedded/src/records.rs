//! The tables of a store, and what a change does to them.

use cartonym_registry::{Change, Edit, Event, Expect, Prefix, Record, Revision, Stored};
use redb::{
    ReadTransaction, ReadableTable, StorageError, Table, TableDefinition, TableError, WriteTransaction,
};

/// The form of what is written here. Another number is another program's.
pub(crate) const VERSION: u64 = 1;

/// By key text: the revision of the last put in eight octets, big-endian, and the packed record.
const RECORDS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("records");
/// The form and the revision.
const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");

/// A change made ready to be written: its records are octets already.
#[derive(Debug)]
pub(crate) struct Encoded {
    expect: Vec<Expect>,
    edits: Vec<(String, Option<Vec<u8>>)>,
}

/// What is found where a record should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("{0:?} is not the key of a record, or not of this one")]
    Record(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("{0:?} has no revision")]
    Revision(String),
}

/// Why records are not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl From<&Change> for Encoded {
    fn from(change: &Change) -> Self {
        let encode = |edit: &Edit| match edit {
            Edit::Put(record) => (record.key().to_string(), Some(record.pack())),
            Edit::Delete(key) => (key.to_string(), None),
        };
        Self { expect: change.expect.clone(), edits: change.edits.iter().map(encode).collect() }
    }
}

/// The tables of one transaction.
pub(crate) struct Tables<'txn> {
    records: Table<'txn, &'static str, &'static [u8]>,
    meta: Table<'txn, &'static str, u64>,
    pub(crate) revision: Revision,
}

impl<'txn> Tables<'txn> {
    /// Opens the tables, and makes them where they are missing.
    pub(crate) fn open(transaction: &'txn WriteTransaction) -> Result<Self, TableError> {
        let meta = transaction.open_table(META)?;
        let revision = Revision(meta.get("revision")?.map_or(0, |revision| revision.value()));
        Ok(Self { records: transaction.open_table(RECORDS)?, meta, revision })
    }

    /// Says that what is written has the form this program knows.
    pub(crate) fn claim(&mut self) -> Result<(), StorageError> {
        self.meta.insert("version", VERSION)?;
        Ok(())
    }

    /// Makes a change if what it expects holds; `None` if it does not.
    pub(crate) fn apply(&mut self, change: &Encoded) -> Result<Option<Revision>, StorageError> {
        for expect in &change.expect {
            if !self.holds(expect)? {
                return Ok(None);
            }
        }
        self.revision = self.revision.next();
        for (key, value) in &change.edits {
            match value {
                Some(packed) => {
                    let mut value = self.records.insert_reserve(key.as_str(), 8 + packed.len())?;
                    let (revision, rest) = value.as_mut().split_at_mut(8);
                    revision.copy_from_slice(&self.revision.0.to_be_bytes());
                    rest.copy_from_slice(packed);
                }
                None => _ = self.records.remove(key.as_str())?,
            }
        }
        Ok(Some(self.revision))
    }

    /// Says what the revision is now.
    pub(crate) fn finish(mut self) -> Result<(), StorageError> {
        self.meta.insert("revision", self.revision.0)?;
        Ok(())
    }

    fn holds(&self, expect: &Expect) -> Result<bool, StorageError> {
        Ok(match expect {
            Expect::Unchanged(key, revision) => {
                let found = self.records.get(key.to_string().as_str())?;
                found.is_some_and(|found| found.value().starts_with(&revision.0.to_be_bytes()))
            }
            Expect::Present(key) => self.records.get(key.to_string().as_str())?.is_some(),
            Expect::Absent(key) => self.records.get(key.to_string().as_str())?.is_none(),
            Expect::Empty(prefix) => !self.has_any(*prefix)?,
        })
    }

    fn has_any(&self, prefix: Prefix) -> Result<bool, StorageError> {
        let prefix = prefix.to_string();
        match self.records.range(prefix.as_str()..)?.next() {
            Some(first) => Ok(first?.0.value().starts_with(&prefix)),
            None => Ok(false),
        }
    }
}

/// The form that a store has, and its revision.
pub(crate) fn meta(transaction: &ReadTransaction) -> Result<(u64, Revision), ReadError> {
    let meta = transaction.open_table(META)?;
    let number = |name| meta.get(name).map(|found| found.map_or(0, |number| number.value()));
    Ok((number("version")?, Revision(number("revision")?)))
}

/// Tells everything there is, as a watch begins, until `tell` says that nobody listens; of which revision it is.
pub(crate) fn read_all(
    transaction: &ReadTransaction,
    mut tell: impl FnMut(Event) -> bool,
) -> Result<Revision, ReadError> {
    let (_, revision) = meta(transaction)?;
    let records = transaction.open_table(RECORDS)?;
    if !tell(Event::Reset) {
        return Ok(revision);
    }
    for kind in KINDS {
        let mut batch = Vec::with_capacity(BATCH);
        // `0` is the character after `/`.
        for found in records.range(format!("{kind}/").as_str()..format!("{kind}0").as_str())? {
            let (key, value) = found?;
            batch.push(stored(key.value(), value.value())?);
            if batch.len() == BATCH
                && !tell(Event::Records(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))))
            {
                return Ok(revision);
            }
        }
        if !batch.is_empty() && !tell(Event::Records(batch)) {
            return Ok(revision);
        }
    }
    Ok(revision)
}

/// The kinds of record, parents first.
const KINDS: [&str; 5] = ["namespace", "http-name", "service", "instance", "operation"];

/// How many records are told at once: enough that telling costs little beside reading, and few enough for a core's cache.
const BATCH: usize = 128;

fn stored(key: &str, value: &[u8]) -> Result<Stored, Unreadable> {
    let (revision, packed) = value.split_first_chunk().ok_or_else(|| Unreadable::Revision(key.to_owned()))?;
    let unreadable = |source| Unreadable::Record(key.to_owned(), source);
    let parsed = key.parse().map_err(|error| unreadable(Box::from(error)))?;
    let record = Record::unpack(parsed, packed).map_err(|error| unreadable(error.into()))?;
    Ok(Stored { revision: Revision(u64::from_be_bytes(*revision)), record })
}
