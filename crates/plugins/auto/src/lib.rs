#![doc = include_str!("../README.md")]

mod configure;
mod folder;

use std::sync::Arc;

use cartonym_authority as authority;
use cartonym_plugin::{BoxFuture, Plugin, Query, Response, Step};
use cartonym_wire::Class;
use cartonym_zone::RecordTable;
use futures_util::future::join_all;

use crate::folder::Folder;

/// Answers from the master files that are in some folders.
#[derive(Debug)]
pub struct Auto {
    table: Arc<RecordTable>,
    folders: Vec<Arc<Folder>>,
}

impl Auto {
    /// What is answered from.
    pub fn table(&self) -> &Arc<RecordTable> {
        &self.table
    }
}

impl Plugin for Auto {
    fn name(&self) -> &'static str {
        "auto"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        if query.qclass() != Class::IN {
            return Step::Next;
        }
        let snapshot = self.table.load();
        let Some(zone) = snapshot.find(query.qname(), query.qtype()) else { return Step::Next };
        authority::answer(zone, query, response, |_| false)
    }

    fn ready(&self) -> bool {
        self.folders.iter().all(|folder| folder.is_read())
    }

    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        Some(Box::pin(async move {
            join_all(self.folders.iter().cloned().map(Folder::watch)).await;
        }))
    }
}
