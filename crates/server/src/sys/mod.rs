//! The system calls that have no safe wrapper, each behind a safe type. The only `unsafe` of the crate is below here.
#![allow(unsafe_code)]

mod affinity;
#[cfg(feature = "xdp")]
mod bpf;
mod control;
#[cfg(feature = "xdp")]
pub(crate) mod interface;
mod mmsg;
#[cfg(feature = "xdp")]
mod queue;
mod runs;

pub(crate) use affinity::{allowed_cpus, pin_to};
#[cfg(feature = "xdp")]
pub(crate) use bpf::{Link, Mode, Program, Sockets};
pub(crate) use mmsg::{BATCH, Batch, Envelope, reply, want_destination};
#[cfg(feature = "xdp")]
pub(crate) use queue::{FRAMES, LONGEST_FRAME, Queue};
