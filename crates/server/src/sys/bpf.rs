//! The four orders of bpf(2) that bring a program to an interface. A loader of object files would be more than all of this.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::xdp::Instruction;

/// Where in the kernel a program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// In the driver, before the kernel has made anything of a frame.
    Native,
    /// After that, which every driver can.
    Generic,
}

/// A map from queues to AF_XDP sockets.
pub(crate) struct Sockets(OwnedFd);

/// A program that the kernel has found safe.
pub(crate) struct Program(OwnedFd);

/// A program at its interface; dropped, or when this process ends in whatever way, it is there no more.
pub(crate) struct Link {
    _link: OwnedFd,
}

impl Sockets {
    /// A map of no sockets yet, for queues below `queues`.
    ///
    /// # Errors
    ///
    /// Those of bpf(2): mostly that this process may not.
    pub(crate) fn new(queues: u32) -> io::Result<Sockets> {
        order(MAP_CREATE, NewMap { kind: XSKMAP, key_len: 4, value_len: 4, entries: queues }).map(Sockets)
    }

    /// Lets `queue` have `socket`.
    ///
    /// # Errors
    ///
    /// Those of bpf(2).
    pub(crate) fn put(&self, queue: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        let socket = socket.as_raw_fd();
        let (key, value) = (&raw const queue as u64, &raw const socket as u64);
        let entry = NewEntry { map: self.0.as_raw_fd(), _pad: 0, key, value, flags: 0 };
        // It gives 0, and no descriptor.
        call(MAP_UPDATE, &entry).map(drop)
    }
}

impl AsFd for Sockets {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Program {
    /// Gives the kernel a program to look at.
    ///
    /// # Errors
    ///
    /// Those of bpf(2).
    pub(crate) fn load(code: &[Instruction]) -> io::Result<Program> {
        let program = NewProgram {
            kind: XDP,
            len: code.len() as u32,
            code: code.as_ptr() as u64,
            license: LICENSE.as_ptr() as u64,
            ..NewProgram::default()
        };
        order(PROGRAM_LOAD, program).map(Program)
    }

    /// Brings it to the interface with this number.
    ///
    /// # Errors
    ///
    /// Those of bpf(2): that there is another, or that the driver cannot.
    pub(crate) fn attach(&self, interface: u32, mode: Mode) -> io::Result<Link> {
        let flags = match mode {
            Mode::Generic => 1 << 1,
            Mode::Native => 1 << 2,
        };
        let link = NewLink { program: self.0.as_raw_fd(), interface, kind: ATTACH_XDP, flags };
        order(LINK_CREATE, link).map(|link| Link { _link: link })
    }
}

/// Gives an order that makes something, and takes what it makes.
fn order<A: Attributes>(order: libc::c_int, attributes: A) -> io::Result<OwnedFd> {
    // SAFETY: these orders give a descriptor that nobody else has.
    call(order, &attributes).map(|made| unsafe { OwnedFd::from_raw_fd(made) })
}

fn call<A: Attributes>(order: libc::c_int, attributes: &A) -> io::Result<RawFd> {
    // SAFETY: the size is that of `attributes`, which begins as the `union bpf_attr` of its order does and has no gaps;
    // the kernel takes what is not there for zeros. Addresses in it are of what its maker borrows for longer than this.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, order, std::ptr::from_ref(attributes), size_of::<A>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as RawFd) }
}

/// What may be given to bpf(2): `repr(C)`, without gaps, and as `linux/bpf.h` has it.
trait Attributes {}

impl Attributes for NewMap {}
impl Attributes for NewEntry {}
impl Attributes for NewProgram {}
impl Attributes for NewLink {}

#[repr(C)]
struct NewMap {
    kind: u32,
    key_len: u32,
    value_len: u32,
    entries: u32,
}

#[repr(C)]
struct NewEntry {
    map: RawFd,
    _pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct NewProgram {
    kind: u32,
    len: u32,
    code: u64,
    license: u64,
    log_level: u32,
    log_len: u32,
    log: u64,
}

#[repr(C)]
struct NewLink {
    program: RawFd,
    interface: u32,
    kind: u32,
    flags: u32,
}

const MAP_CREATE: libc::c_int = 0;
const MAP_UPDATE: libc::c_int = 2;
const PROGRAM_LOAD: libc::c_int = 5;
const LINK_CREATE: libc::c_int = 28;
const XSKMAP: u32 = 17;
const XDP: u32 = 6;
const ATTACH_XDP: u32 = 37;
/// What it calls is for every licence.
const LICENSE: &std::ffi::CStr = c"Apache-2.0 OR MIT";
