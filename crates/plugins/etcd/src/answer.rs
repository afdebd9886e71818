//! Answers that are made elsewhere than on a socket's worker: of questions with stars, and of queries that came before
//! the first data did.

use std::time::Duration;

use cartonym_authority::is_nothing;
use cartonym_plugin::{OwnedQuery, Query, Response, Resumed, Step};
use cartonym_wire::{Builder, Class, Flags, HEADER_LEN, MAX_MESSAGE_LEN, Name, Rcode};

use crate::plugin::EtcdRecords;
use crate::store::is_star;

impl EtcdRecords {
    /// Answers a query that could not be answered at once.
    pub(crate) async fn answer_later(self, mut query: OwnedQuery) -> Resumed {
        if !self.view.wait(PATIENCE).await {
            return Resumed::Answered(failure());
        }
        let (step, message) = match query.view() {
            Ok(query) => self.make(&query).unwrap_or((Step::Next, Vec::new())),
            Err(_) => return Resumed::Drop,
        };
        match step {
            Step::Answered => Resumed::Answered(message),
            Step::Next => Resumed::Next,
            Step::Drop => Resumed::Drop,
            Step::Defer(deferred) => deferred.into_future().await,
        }
    }

    /// The whole answer, if it is one already.
    fn make(&self, query: &Query<'_>) -> Option<(Step, Vec<u8>)> {
        let snapshot = self.view.table.load();
        let zone = snapshot.find(query.qname(), query.qtype())?;
        let mut octets = vec![0; MAX_MESSAGE_LEN];
        let mut options = Vec::new();
        let mut builder = Builder::new(&mut octets, 0, Flags::QR, MAX_MESSAGE_LEN);
        let fields = [query.qtype().0, Class::IN.0].map(u16::to_be_bytes);
        builder.question(&[query.owner().as_wire(), fields.as_flattened()].concat()).ok()?;
        let mut response = Response::new(builder, &mut options);
        let mut step = self.write(zone, query, true, &mut response);
        if is_nothing(&response) && has_star(query.name()) {
            response.clear_records();
            let zone = self.view.starred(zone, query.name(), query.now().as_secs());
            step = self.write(&zone, query, true, &mut response);
        }
        if is_nothing(&response) && self.fallthrough.takes(query.name()) {
            step = Step::Next;
        }
        Some((step, response.message()?.as_bytes().to_vec()))
    }
}

/// Whether a label stands for any label.
pub(crate) fn has_star(name: &Name) -> bool {
    name.labels().any(is_star)
}

/// Nothing is known.
fn failure() -> Vec<u8> {
    let mut octets = vec![0; HEADER_LEN];
    Builder::new(&mut octets, 0, Flags::QR.with_rcode(Rcode::SERVFAIL), HEADER_LEN).finish();
    octets
}

/// How long a query waits for the first data: as long as CoreDNS has it wait for etcd.
const PATIENCE: Duration = Duration::from_secs(5);
