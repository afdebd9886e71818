//! A change as a transaction.

use std::collections::BTreeMap;

use cartonym_etcd::{Client, Compare, Op, Txn};
use cartonym_registry::{Change, CommitError, Edit, Expect, Revision};

use crate::layout::Layout;

/// Makes a change if all that it expects holds.
pub(crate) async fn commit(
    client: &Client,
    layout: &Layout,
    change: Change,
) -> Result<Revision, CommitError> {
    let answer = client.txn(transaction(layout, &change)).await;
    let answer = answer.map_err(|error| CommitError::Unavailable(error.into()))?;
    let revision = Revision(answer.header.unwrap_or_default().revision());
    if answer.succeeded {
        return Ok(revision);
    }
    // The store's own revision counts what others write beside the registry, and a watch may never tell of it.
    let changed = answer.responses.first().and_then(|response| response.range.as_ref()?.kvs.first());
    let current = changed.and_then(|kv| u64::try_from(kv.mod_revision).ok()).unwrap_or(0);
    Err(CommitError::Conflict { current: Revision(current) })
}

fn transaction(layout: &Layout, change: &Change) -> Txn {
    let compare = change.expect.iter().map(|expect| compare(layout, expect)).collect();
    // A transaction touches a key once: the last edit of a record counts.
    let last: BTreeMap<_, _> = change.edits.iter().map(|edit| (edit.key(), edit)).collect();
    let edits = last.into_iter().map(|(key, edit)| match edit {
        Edit::Put(record) => Op::put(layout.key(&key), record.encode()),
        Edit::Delete(_) => Op::delete(layout.key(&key)),
    });
    let success = edits.chain([Op::put(layout.change(), Vec::new())]).collect();
    Txn { compare, success, failure: vec![Op::get(layout.change())] }
}

fn compare(layout: &Layout, expect: &Expect) -> Compare {
    match expect {
        Expect::Unchanged(key, revision) => Compare::unchanged(layout.key(key), revision.0),
        Expect::Present(key) => Compare::present(layout.key(key), Vec::new(), true),
        Expect::Absent(key) => Compare::present(layout.key(key), Vec::new(), false),
        Expect::Empty(prefix) => {
            let (key, end) = layout.range(prefix);
            Compare::present(key, end, false)
        }
    }
}
