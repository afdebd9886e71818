//! Datagrams from an interface's queue, past the kernel's sockets (AF_XDP).

mod frame;
mod front;
mod program;
mod worker;

pub(crate) use front::Fronts;
pub(crate) use program::Instruction;
