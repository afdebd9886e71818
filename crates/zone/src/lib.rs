//! Zone data: master files, RFC 1034 lookup, and the table of precompiled answers.
//!
//! A [`Zone`] is immutable. A change is made on a copy, a [`ZoneEdit`], which shares with the zone before all that it
//! does not touch; a [`RecordTable`] swaps the new one in while queries go on reading the old. An answer is compiled
//! when its data changes: a query finds a node and copies.

mod answer;
mod build;
pub mod check;
mod difference;
mod load;
mod lookup;
pub mod master;
mod node;
mod ready;
mod table;
mod tables;
mod tree;
mod update;
mod walk;
mod zone;

pub use answer::{Ask, Outcome};
pub use build::{Built, ZoneBuilder};
pub use difference::{Difference, Records, Soa};
pub use load::{LoadError, inspect, load};
pub use node::{Policy, RrSet, SetTooLarge};
pub use table::{RecordTable, Snapshot};
pub use tables::Tables;
pub use update::Updated;
pub use walk::{Place, Rr};
pub use zone::{EditError, Zone, ZoneEdit};
