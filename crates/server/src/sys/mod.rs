//! The system calls that have no safe wrapper, each behind a safe type. The only `unsafe` of the crate is below here.
#![allow(unsafe_code)]

mod affinity;
mod mmsg;

pub(crate) use affinity::{allowed_cpus, pin_to};
pub(crate) use mmsg::{BATCH, Batch, Envelope, reply, want_destination};
