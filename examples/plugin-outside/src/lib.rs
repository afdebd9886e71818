//! Two plugins: one that answers at once, and one that waits.

mod canary;
mod network;
mod policy;
mod verdicts;

pub use canary::Canary;
pub use policy::Policy;
