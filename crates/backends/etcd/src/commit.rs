//! Changes as transactions: those that wait share the next one.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use cartonym_etcd::{Client, Compare, Error, Header, Op, Txn, TxnResponse};
use cartonym_registry::{Change, CommitError, Edit, Expect, Key, Revision};
use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};

use crate::layout::Layout;

/// Takes changes, to be made by a task of its own that ends with it.
#[derive(Debug)]
pub(crate) struct Committer(mpsc::Sender<Job>);

/// A change, and who waits for what comes of it.
#[derive(Debug)]
struct Job {
    change: Change,
    done: oneshot::Sender<Result<Revision, CommitError>>,
}

impl Committer {
    /// Needs a tokio runtime.
    pub(crate) fn start(client: Client, layout: Layout) -> Committer {
        let (queue, jobs) = mpsc::channel(QUEUE);
        tokio::spawn(run(client, layout, jobs));
        Committer(queue)
    }

    /// Makes a change if all that it expects holds.
    pub(crate) async fn commit(&self, change: Change) -> Result<Revision, CommitError> {
        let (done, made) = oneshot::channel();
        let gone = || CommitError::Unavailable("the task that makes changes has ended".into());
        self.0.send(Job { change, done }).await.map_err(|_| gone())?;
        made.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// Makes changes, one transaction after another.
///
/// What comes while one is made goes into the next, as far as the changes have nothing to do with each other: a transaction costs
/// etcd a write to most of its disks, whatever is in it.
async fn run(client: Client, layout: Layout, mut jobs: mpsc::Receiver<Job>) {
    let mut waiting = Vec::new();
    loop {
        if waiting.is_empty() {
            let Some(first) = jobs.recv().await else { return };
            waiting.push(first);
        }
        while waiting.len() < QUEUE
            && let Ok(next) = jobs.try_recv()
        {
            waiting.push(next);
        }
        let mut group = Group::default();
        let (together, later) = waiting.into_iter().partition(|job: &Job| group.admit(&job.change));
        waiting = later;
        if let Err(error) = make(&client, &layout, together).await {
            // Nobody waits for etcd while it is away longer than a call takes.
            waiting.extend(std::iter::from_fn(|| jobs.try_recv().ok()));
            waiting.drain(..).for_each(|job| job.end(&Err(Arc::clone(&error))));
        }
    }
}

/// Makes changes that have nothing to do with each other: in one transaction, or each in its own where one of them is refused.
async fn make(client: &Client, layout: &Layout, jobs: Vec<Job>) -> Result<(), Arc<Error>> {
    if jobs.len() > 1 {
        let answer = client.txn(transaction(layout, jobs.iter().map(|job| &job.change))).await;
        let answer = answer.map_err(Arc::new);
        if answer.as_ref().map_or(true, |answer| answer.succeeded) {
            jobs.into_iter().for_each(|job| job.end(&answer));
            return answer.map(drop);
        }
    }
    let each = jobs.into_iter().map(|job| async {
        let answer = client.txn(transaction(layout, [&job.change])).await.map_err(Arc::new);
        job.end(&answer);
        answer.map(drop)
    });
    join_all(each).await.into_iter().collect()
}

fn transaction<'c>(layout: &Layout, changes: impl IntoIterator<Item = &'c Change>) -> Txn {
    let (mut compares, mut edits) = (Vec::new(), BTreeMap::new());
    for change in changes {
        compares.extend(change.expect.iter().map(|expect| compare(layout, expect)));
        // A transaction touches a key once: the last edit of a record counts.
        edits.extend(change.edits.iter().map(|edit| (edit.key(), edit)));
    }
    let edits = edits.into_iter().map(|(key, edit)| match edit {
        Edit::Put(record) => Op::put(layout.key(&key), record.encode()),
        Edit::Delete(_) => Op::delete(layout.key(&key)),
    });
    let success = edits.chain([Op::put(layout.change(), Vec::new())]).collect();
    Txn { compare: compares, success, failure: vec![Op::get(layout.change())] }
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

impl Job {
    /// Says what came of the transaction.
    fn end(self, answer: &Result<TxnResponse, Arc<Error>>) {
        let made = match answer {
            Ok(answer) if answer.succeeded => {
                Ok(Revision(answer.header.as_ref().map_or(0, Header::revision)))
            }
            Ok(answer) => Err(CommitError::Conflict { current: last_change(answer) }),
            Err(error) => Err(CommitError::Unavailable(Arc::clone(error).into())),
        };
        // Who does not wait any more does not want to know.
        _ = self.done.send(made);
    }
}

/// The revision of the last change, as a transaction that was refused says it.
///
/// The store's own revision counts what others write beside the registry, and a watch may never tell of it.
fn last_change(answer: &TxnResponse) -> Revision {
    let changed = answer.responses.first().and_then(|response| response.range.as_ref()?.kvs.first());
    Revision(changed.and_then(|kv| u64::try_from(kv.mod_revision).ok()).unwrap_or(0))
}

/// Changes that may share a transaction: no two edit the same record, and none edits what another expects something of.
///
/// So each could as well have been made before the others or after them.
#[derive(Debug, Default)]
struct Group {
    edited: HashSet<Key>,
    expected: HashSet<Key>,
    steps: usize,
}

impl Group {
    /// Lets a change join if it may; the first always may.
    fn admit(&mut self, change: &Change) -> bool {
        let edits: HashSet<Key> = change.edits.iter().map(Edit::key).collect();
        let expects: Option<HashSet<Key>> = change.expect.iter().map(one_record).collect();
        // What expects something of many records is alone.
        let steps = expects.as_ref().map_or(MOST, |_| change.edits.len().max(change.expect.len()));
        let expects = expects.unwrap_or_default();
        let is_apart = edits.is_disjoint(&self.edited)
            && edits.is_disjoint(&self.expected)
            && expects.is_disjoint(&self.edited);
        let joins = self.steps == 0 || is_apart && self.steps + steps <= MOST;
        if joins {
            self.steps += steps;
            self.edited.extend(edits);
            self.expected.extend(expects);
        }
        joins
    }
}

fn one_record(expect: &Expect) -> Option<Key> {
    match expect {
        Expect::Unchanged(key, _) | Expect::Present(key) | Expect::Absent(key) => Some(key.clone()),
        Expect::Empty(_) => None,
    }
}

/// The most changes that wait within this task; those beyond wait for their turn to.
const QUEUE: usize = 1024;

/// The most steps of a transaction that changes share: etcd takes 128 unless it is told otherwise, and one is the revision's.
const MOST: usize = 120;

#[cfg(test)]
mod tests {
    use cartonym_registry::{NamespaceId, Prefix};

    use super::*;

    fn key(text: &str) -> Key {
        text.parse().unwrap()
    }

    fn change(expect: Vec<Expect>, edits: &[&str]) -> Change {
        Change { expect, edits: edits.iter().map(|text| Edit::Delete(key(text))).collect() }
    }

    /// Which of the changes share a transaction with the first.
    fn together(changes: &[Change]) -> Vec<bool> {
        let mut group = Group::default();
        changes.iter().map(|change| group.admit(change)).collect()
    }

    #[test]
    fn changes_share_a_transaction_if_none_decides_on_what_another_edits() {
        let expects = |text: &str| vec![Expect::Unchanged(key(text), Revision(1))];
        let changes = [
            change(expects("http-name/s"), &["http-name/a"]),
            change(expects("http-name/s"), &["http-name/b"]),
            change(vec![], &["http-name/a"]),
            change(vec![], &["http-name/s"]),
            change(expects("http-name/b"), &["http-name/c"]),
            change(expects("http-name/d"), &["http-name/d"]),
        ];
        assert_eq!(together(&changes), [true, true, false, false, false, true]);
    }

    #[test]
    fn what_expects_a_prefix_to_be_empty_is_alone() {
        let namespace: NamespaceId = "ns-0123456789abcdef".parse().unwrap();
        let deletion = change(vec![Expect::Empty(Prefix::Services(namespace))], &["http-name/a"]);
        let other = change(vec![], &["http-name/b"]);
        assert_eq!(together(&[deletion.clone(), other.clone()]), [true, false]);
        assert_eq!(together(&[other, deletion]), [true, false]);
    }

    #[test]
    fn a_transaction_has_a_bound_that_only_the_first_may_exceed() {
        let names: Vec<String> = (0..MOST + 1).map(|n| format!("http-name/{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (one, other) = (change(vec![], &["http-name/x"]), change(vec![], &["http-name/y"]));
        assert_eq!(together(&[change(vec![], &names), one.clone()]), [true, false]);
        assert_eq!(together(&[one.clone(), change(vec![], &names[..MOST - 1]), other]), [true, true, false]);
    }
}
