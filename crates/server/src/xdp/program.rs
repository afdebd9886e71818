//! The program that the kernel runs on each frame: what is a whole UDP datagram to one of our addresses goes to the
//! AF_XDP socket of its queue, if that has one, and all else where it would go without us.
//!
//! It is assembled here, since it depends on the addresses and is as short as this:
//!
//! ```text
//! if it is of or to a group, or longer than what a socket takes: pass
//! if type is IPv4 and the header has 20 octets and is no fragment's and the protocol is UDP:
//!     for (address, port) of ours: if the destination is both: take
//! if type is IPv6 and the next header is UDP:
//!     for (address, port) of ours: if the destination is both: take
//! pass:  return XDP_PASS
//! take:  return bpf_redirect_map(sockets, queue, else XDP_PASS)
//! ```
//!
//! Checksums are not looked at: a datagram that is taken and wrong is dropped, as the kernel would.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

use super::frame::GROUP;
use crate::sys::LONGEST_FRAME;

/// One instruction, as bpf(2) takes it.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Instruction {
    pub(super) code: u8,
    /// The source in the upper half, the destination in the lower; on a big-endian machine the other way round.
    pub(super) registers: u8,
    /// Of memory, in octets; or of a jump, in instructions, counted from the next.
    pub(super) offset: i16,
    pub(super) immediate: i32,
}

/// The program that takes datagrams to `ours`, none of which is a wildcard, for `sockets`, an XSKMAP by queue.
pub(crate) fn assemble(ours: &[SocketAddr], sockets: BorrowedFd<'_>) -> Vec<Instruction> {
    let mut program = Assembler::default();
    program.copy(CONTEXT, R1);
    program.load(Width::Word, PACKET, CONTEXT, DATA);
    program.load(Width::Word, END, CONTEXT, DATA_END);

    program.passes_over(LONGEST_FRAME as i32);
    program.needs(14);
    for address in [0, 6] {
        program.load(Width::Byte, R0, PACKET, address);
        program.jump_if_any(R0, GROUP.into(), Label::Pass);
    }
    program.load(Width::Half, R0, PACKET, 12);
    program.jump_if_equal(R0, 0x86dd_u16.to_be().into(), Label::V6);
    program.jump_unless_equal(R0, 0x0800_u16.to_be().into(), Label::Pass);

    program.needs(42);
    program.load(Width::Byte, R0, PACKET, 14);
    program.jump_unless_equal(R0, 0x45, Label::Pass);
    program.load(Width::Byte, R0, PACKET, 23);
    program.jump_unless_equal(R0, UDP, Label::Pass);
    program.load(Width::Half, R0, PACKET, 20);
    program.jump_if_any(R0, FRAGMENT.to_be().into(), Label::Pass);
    program.load(Width::Half, PORT, PACKET, 36);
    program.load(Width::Word, ADDRESS[0], PACKET, 30);
    for ours in ours {
        if let IpAddr::V4(ip) = ours.ip() {
            program.take(ours.port(), &[u32::from_ne_bytes(ip.octets())]);
        }
    }
    program.jump(Label::Pass);

    program.place(Label::V6);
    program.needs(62);
    program.load(Width::Byte, R0, PACKET, 20);
    program.jump_unless_equal(R0, UDP, Label::Pass);
    program.load(Width::Half, PORT, PACKET, 56);
    for (word, register) in ADDRESS.into_iter().enumerate() {
        program.load(Width::Word, register, PACKET, 38 + 4 * word as i16);
    }
    for ours in ours {
        if let IpAddr::V6(ip) = ours.ip() {
            program.take(ours.port(), &words(ip));
        }
    }

    program.place(Label::Pass);
    program.set(R0, XDP_PASS);
    program.exit();

    program.place(Label::Take);
    program.load(Width::Word, R2, CONTEXT, QUEUE);
    program.load_map(R1, sockets.as_raw_fd());
    program.set(R3, XDP_PASS);
    program.call(REDIRECT_MAP);
    program.exit();
    program.finish()
}

/// An address as the program loads it: four words in the order of memory.
fn words(ip: Ipv6Addr) -> [u32; 4] {
    let octets = ip.octets();
    let (words, _) = octets.as_chunks::<4>();
    std::array::from_fn(|i| words.get(i).map_or(0, |word| u32::from_ne_bytes(*word)))
}

/// Instructions, and jumps to labels that may not have their place yet.
#[derive(Default)]
struct Assembler {
    code: Vec<Instruction>,
    jumps: Vec<(usize, Label)>,
    places: Vec<(Label, usize)>,
}

/// Where a jump goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    V6,
    Pass,
    Take,
}

/// How much is loaded.
#[derive(Clone, Copy)]
enum Width {
    Byte = 0x10,
    Half = 0x08,
    Word = 0x00,
}

#[derive(Clone, Copy)]
struct Register(u8);

impl Assembler {
    /// Passes frames that are shorter than `len`; only after that, the kernel lets us read so far.
    fn needs(&mut self, len: i32) {
        self.copy(R0, PACKET);
        self.put(ALU64 | ADD, R0, R0, 0, len);
        self.jumps.push((self.code.len(), Label::Pass));
        self.put(JMP | JGT | X, R0, END, 0, 0);
    }

    /// Passes frames that are longer than `len`.
    fn passes_over(&mut self, len: i32) {
        self.copy(R0, PACKET);
        self.put(ALU64 | ADD, R0, R0, 0, len);
        self.jumps.push((self.code.len(), Label::Pass));
        self.put(JMP | JGT | X, END, R0, 0, 0);
    }

    /// Takes what is for `port`, if the address that has been loaded is `words`.
    fn take(&mut self, port: u16, words: &[u32]) {
        let Some((last, first)) = words.split_last() else { return };
        let mut to_next = words.len() as i16;
        self.put(JMP32 | JNE, PORT, R0, to_next, i32::from(port.to_be()));
        for (word, register) in first.iter().zip(ADDRESS) {
            to_next -= 1;
            self.put(JMP32 | JNE, register, R0, to_next, *word as i32);
        }
        self.jump_if_equal(ADDRESS[first.len()], *last as i32, Label::Take);
    }

    fn load(&mut self, width: Width, to: Register, from: Register, at: i16) {
        self.put(LDX | width as u8, to, from, at, 0);
    }

    /// Takes two instructions: a map is named by 64 bits.
    fn load_map(&mut self, to: Register, map: i32) {
        self.put(LD_64, to, MAP_BY_DESCRIPTOR, 0, map);
        self.put(0, R0, R0, 0, 0);
    }

    fn copy(&mut self, to: Register, from: Register) {
        self.put(ALU64 | MOV | X, to, from, 0, 0);
    }

    fn set(&mut self, to: Register, value: i32) {
        self.put(ALU64 | MOV, to, R0, 0, value);
    }

    fn jump(&mut self, to: Label) {
        self.jumps.push((self.code.len(), to));
        self.put(JMP, R0, R0, 0, 0);
    }

    fn jump_if_equal(&mut self, register: Register, value: i32, to: Label) {
        self.jumps.push((self.code.len(), to));
        self.put(JMP32 | JEQ, register, R0, 0, value);
    }

    fn jump_unless_equal(&mut self, register: Register, value: i32, to: Label) {
        self.jumps.push((self.code.len(), to));
        self.put(JMP32 | JNE, register, R0, 0, value);
    }

    fn jump_if_any(&mut self, register: Register, bits: i32, to: Label) {
        self.jumps.push((self.code.len(), to));
        self.put(JMP32 | JSET, register, R0, 0, bits);
    }

    fn call(&mut self, function: i32) {
        self.put(CALL, R0, R0, 0, function);
    }

    fn exit(&mut self) {
        self.put(EXIT, R0, R0, 0, 0);
    }

    fn place(&mut self, label: Label) {
        self.places.push((label, self.code.len()));
    }

    fn put(&mut self, code: u8, destination: Register, source: Register, offset: i16, immediate: i32) {
        let registers = match cfg!(target_endian = "big") {
            true => destination.0 << 4 | source.0,
            false => source.0 << 4 | destination.0,
        };
        self.code.push(Instruction { code, registers, offset, immediate });
    }

    /// The program, with every jump knowing how far.
    fn finish(mut self) -> Vec<Instruction> {
        for (at, label) in self.jumps {
            let place = self.places.iter().find(|(placed, _)| *placed == label).map(|(_, place)| *place);
            if let (Some(jump), Some(place)) = (self.code.get_mut(at), place) {
                jump.offset = (place - at - 1) as i16;
            }
        }
        self.code
    }
}

/// Addresses that a program may have: jumps over all of them stay well within 16 bits.
pub(crate) const MOST_ADDRESSES: usize = 1024;

// Of linux/bpf.h and linux/bpf_common.h: classes, operations, and the bit that says that the operand is a register.
const LDX: u8 = 0x61;
const LD_64: u8 = 0x18;
const ALU64: u8 = 0x07;
const JMP: u8 = 0x05;
const JMP32: u8 = 0x06;
const X: u8 = 0x08;
const ADD: u8 = 0x00;
const MOV: u8 = 0xb0;
const JEQ: u8 = 0x10;
const JGT: u8 = 0x20;
const JSET: u8 = 0x40;
const JNE: u8 = 0x50;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;

// Registers 1 to 5 are a function's arguments, 0 what it gives; 6 to 9 outlive calls, of which there is one, the last.
const R0: Register = Register(0);
const R1: Register = Register(1);
const R2: Register = Register(2);
const R3: Register = Register(3);
const ADDRESS: [Register; 4] = [R1, R2, R3, Register(4)];
const PORT: Register = Register(5);
const CONTEXT: Register = Register(6);
const PACKET: Register = Register(7);
const END: Register = Register(8);
/// In the place of a register: the immediate is a descriptor.
const MAP_BY_DESCRIPTOR: Register = Register(1);

// `struct xdp_md`.
const DATA: i16 = 0;
const DATA_END: i16 = 4;
const QUEUE: i16 = 16;

const XDP_PASS: i32 = 2;
const REDIRECT_MAP: i32 = 51;
const UDP: i32 = 17;
/// More fragments, or an offset.
const FRAGMENT: u16 = 0x3fff;

#[cfg(test)]
mod tests {
    use std::io;
    use std::os::fd::AsFd;

    use super::*;

    /// What the program for `ours` says to `frame`: 2 is to pass, 4 to take.
    fn run(ours: &[&str], frame: &[u8]) -> u64 {
        let ours: Vec<SocketAddr> = ours.iter().map(|ours| ours.parse().unwrap()).collect();
        let (map, _) = io::pipe().unwrap();
        let code = assemble(&ours, map.as_fd());
        execute(&code, frame)
    }

    /// As the kernel would, for as many instructions as there are here; every load must have been made sure of.
    fn execute(code: &[Instruction], frame: &[u8]) -> u64 {
        const CONTEXT: u64 = 1 << 20;
        const FRAME: u64 = 1 << 30;
        let mut registers = [0_u64; 11];
        registers[1] = CONTEXT;
        let mut at = 0;
        loop {
            let Instruction { code: operation, registers: named, offset, immediate } = code[at];
            let (to, from) = (usize::from(named & 0xf), usize::from(named >> 4));
            let word = registers[to] as u32 as i32;
            let mut jumps = |condition: bool| {
                if condition {
                    at = at.checked_add_signed(offset.into()).unwrap()
                }
            };
            match operation {
                0x61 | 0x69 | 0x71 if registers[from] == CONTEXT => {
                    registers[to] = match offset {
                        0 => FRAME,
                        4 => FRAME + frame.len() as u64,
                        16 => 3,
                        _ => panic!("no such field: {offset}"),
                    }
                }
                0x61 | 0x69 | 0x71 => {
                    let start = (registers[from] - FRAME) as usize + offset as usize;
                    let octets = |len| &frame[start..start + len];
                    registers[to] = match operation {
                        0x61 => u32::from_ne_bytes(octets(4).try_into().unwrap()).into(),
                        0x69 => u16::from_ne_bytes(octets(2).try_into().unwrap()).into(),
                        _ => octets(1)[0].into(),
                    }
                }
                0x18 => at += 1,
                0x07 => registers[to] += immediate as u64,
                0xb7 => registers[to] = immediate as u64,
                0xbf => registers[to] = registers[from],
                0x05 => jumps(true),
                0x2d => jumps(registers[to] > registers[from]),
                0x16 => jumps(word == immediate),
                0x56 => jumps(word != immediate),
                0x46 => jumps(word & immediate != 0),
                0x85 => {
                    assert_eq!((immediate, registers[2], registers[3]), (51, 3, 2));
                    registers[0] = 4;
                }
                0x95 => return registers[0],
                _ => panic!("no such instruction: {operation:#x}"),
            }
            at += 1;
        }
    }

    /// To 192.0.2.2, port 53.
    fn v4() -> Vec<u8> {
        let mut frame = vec![0; 60];
        frame[12..14].copy_from_slice(&[0x08, 0]);
        (frame[14], frame[23], frame[37]) = (0x45, 17, 53);
        frame[30..34].copy_from_slice(&[192, 0, 2, 2]);
        frame
    }

    /// To 2001:db8::2, port 53.
    fn v6() -> Vec<u8> {
        let mut frame = vec![0; 80];
        frame[12..14].copy_from_slice(&[0x86, 0xdd]);
        (frame[14], frame[20], frame[57]) = (0x60, 17, 53);
        frame[38..42].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        frame[53] = 2;
        frame
    }

    #[test]
    fn what_is_for_one_of_our_addresses_is_taken() {
        let all = ["192.0.2.1:53", "[2001:db8::1]:53", "192.0.2.2:53", "192.0.2.2:54", "[2001:db8::2]:53"];
        for frame in [v4(), v6()] {
            assert_eq!(run(&all, &frame), 4);
            assert_eq!(run(&all[..2], &frame), 2);
            assert_eq!(run(&[], &frame), 2);
        }
    }

    #[test]
    fn what_differs_in_anything_passes() {
        let ours = ["192.0.2.2:53", "[2001:db8::2]:53"];
        // Hardware addresses, type, version and length, more fragments, offset, protocol, address, port.
        for (at, octet) in [
            (0, 1),
            (6, 0xff),
            (12, 0x81),
            (14, 0x46),
            (20, 0x20),
            (21, 1),
            (23, 6),
            (30, 10),
            (33, 3),
            (36, 1),
            (37, 54),
        ] {
            let mut frame = v4();
            frame[at] = octet;
            assert_eq!(run(&ours, &frame), 2, "octet {at}");
        }
        // That it is not to be fragmented makes no difference.
        let mut frame = v4();
        frame[20] = 0x40;
        assert_eq!(run(&ours, &frame), 4);
        // Type, next header, address, port.
        for at in [12, 20, 38, 42, 46, 53, 56, 57] {
            let mut frame = v6();
            frame[at] ^= 0x40;
            assert_eq!(run(&ours, &frame), 2, "octet {at}");
        }
    }

    #[test]
    fn what_no_frame_of_ours_holds_passes() {
        for mut frame in [v4(), v6()] {
            frame.resize(LONGEST_FRAME, 0);
            assert_eq!(run(&["192.0.2.2:53", "[2001:db8::2]:53"], &frame), 4);
            frame.push(0);
            assert_eq!(run(&["192.0.2.2:53", "[2001:db8::2]:53"], &frame), 2);
        }
    }

    #[test]
    fn what_is_short_passes_and_nothing_is_read_behind_it() {
        for (frame, whole) in [(v4(), 42), (v6(), 62)] {
            for len in 0..frame.len() {
                let taken = if len < whole { 2 } else { 4 };
                assert_eq!(run(&["192.0.2.2:53", "[2001:db8::2]:53"], &frame[..len]), taken, "{len} octets");
            }
        }
    }
}
