//! An instance that is an alias for another name of this server.

use std::collections::BTreeSet;
use std::sync::Arc;

use cartonym_plugin_registry::Records;
use cartonym_testing::Tester;
use cartonym_wire::{NameBuf, Ttl, Type};
use cartonym_zone::{Policy, RecordTable, RrSet, Snapshot, Zone};

fn name(text: &str) -> NameBuf {
    text.parse().unwrap()
}

/// `lb.example` is an alias for `web.example`, which has two addresses of equal weight.
fn tester() -> Tester {
    let table = RecordTable::new(1);
    let mut edit = Zone::new(&name("example."), table.hasher()).edit(table.hasher());
    let mut alias = RrSet::new(Type::A, Ttl::from_secs(5), Policy::One);
    alias.push_alias(&name("web.example."), 1);
    edit.put(&name("lb.example."), &alias).unwrap();
    let mut weighted = RrSet::new(Type::A, Ttl::from_secs(5), Policy::One);
    [1, 2].iter().for_each(|at| weighted.push(&[192, 0, 2, *at]));
    edit.put(&name("web.example."), &weighted).unwrap();
    table.publish(Snapshot::new(table.hasher()).with(Arc::new(edit.finish())));
    Tester::of(Records::of(Arc::new(table)))
}

#[tokio::test]
async fn each_query_chooses_anew_at_the_end_of_an_alias() {
    let mut chosen = BTreeSet::new();
    for at in 0..64u64 {
        let tester = tester().random(at.wrapping_mul(0x0123_4567_89AB_CDEF));
        chosen.insert(tester.wait("lb.example. A").await.unwrap().to_string());
    }
    assert_eq!(chosen.len(), 2, "{chosen:?}");
}
