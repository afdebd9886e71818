//! The nodes that live: each has a key that goes with its lease.

use std::convert::Infallible;
use std::time::Duration;

use cartonym_etcd::{Client, Error, Op, Put, Range, Request, Txn};
use cartonym_registry::Members;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::RETRY;
use crate::layout::Layout;

/// This node's place among those that live.
pub(crate) struct Membership {
    pub(crate) client: Client,
    pub(crate) layout: Layout,
    pub(crate) own: String,
}

type Told = mpsc::Sender<Members>;

/// How long a node counts as living without a word.
const LEASE: Duration = Duration::from_secs(3);

/// Between two words, and two looks at who lives.
const BEAT: Duration = Duration::from_millis(500);

/// How long one word may take; more than one fits into a lease.
const PATIENCE: Duration = Duration::from_secs(1);

impl Membership {
    /// Lives, and tells who else does, for as long as anybody listens.
    pub(crate) async fn run(self, told: Told) {
        let mut lease = None;
        tokio::select! {
            () = self.live_on(&mut lease, &told) => {}
            () = told.closed() => {}
        }
        // So that nobody waits until it has ended; if this is not heard, they do.
        if let Some(lease) = lease {
            _ = timeout(PATIENCE, self.client.lease_revoke(lease)).await;
        }
    }

    async fn live_on(&self, lease: &mut Option<i64>, told: &Told) {
        loop {
            match self.live(lease, told).await {
                Ok(never) => match never {},
                Err(None) => return,
                Err(Some(error)) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(error, "this node is not among those that live; tried again");
                }
            }
            // The others may have taken over what was this node's.
            if told.send(self.members(Vec::new())).await.is_err() {
                return;
            }
            sleep(RETRY).await;
        }
    }

    /// Lives until the others may think otherwise: `None` if nobody listens any more.
    async fn live(&self, lease: &mut Option<i64>, told: &Told) -> Result<Infallible, Option<Error>> {
        let mut until = Instant::now() + LEASE;
        // In whole seconds, as etcd counts them.
        let granted = self.client.lease_grant(LEASE.as_secs() as i64).await?;
        *lease = Some(granted);
        let key = self.layout.node(&self.own);
        let put = Op { request: Some(Request::Put(Put { key, value: Vec::new(), lease: granted })) };
        self.client.txn(Txn { success: vec![put], ..Txn::default() }).await?;
        let mut known = Vec::new();
        loop {
            let asked = Instant::now();
            let beat = timeout(PATIENCE, self.beat(granted));
            match timeout_at(until, beat).await {
                Ok(Ok(Ok(live))) => {
                    until = asked + LEASE;
                    if live != known {
                        told.send(self.members(live.clone())).await.map_err(|_| None)?;
                        known = live;
                    }
                }
                Ok(Ok(Err(error @ Error::Lapsed))) => return Err(Some(error)),
                Ok(Ok(Err(error))) if Instant::now() + BEAT >= until => return Err(Some(error)),
                // There is time for another try.
                Ok(Ok(Err(_)) | Err(_)) if Instant::now() < until => {}
                _ => return Err(Some(Error::Lapsed)),
            }
            sleep(BEAT).await;
        }
    }

    /// Says that this node lives, and asks who does.
    async fn beat(&self, lease: i64) -> Result<Vec<String>, Error> {
        self.client.lease_keep_alive(lease).await?;
        let (key, range_end) = self.layout.nodes();
        let nodes = self.client.range(Range { key, range_end, ..Range::default() }).await?;
        let live: Vec<_> = nodes.kvs.iter().filter_map(|kv| self.layout.node_name(&kv.key)).collect();
        // Its key went with the lease of an earlier membership, or somebody took it away.
        if live.contains(&self.own) { Ok(live) } else { Err(Error::Lapsed) }
    }

    fn members(&self, live: Vec<String>) -> Members {
        Members::Several { own: self.own.clone(), live }
    }
}
