//! Runs an equation on inputs that are seeds with changes, as often as wanted, and says how often that was.
//!
//! `cargo run --release -p cartonym-tests --bin mutate -- message 1000000`
//!
//! What libFuzzer does is cleverer an input, as it sees which lines one reaches; this is some hundred times as many inputs
//! a second, on a stable compiler. An input that breaks its equation is printed, in hexadecimal, and ends the run.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it says what it did")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;

use cartonym_tests::equations::{ALL, Equation};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (name, count) = (args.next(), args.next().and_then(|count| count.parse().ok()));
    let found = ALL.iter().find(|(known, _)| Some(*known) == name.as_deref());
    let (Some((name, equation)), Some(count)) = (found, count) else {
        let known: Vec<_> = ALL.iter().map(|(name, _)| *name).collect();
        eprintln!("usage: mutate EQUATION COUNT [SEED]; equations: {}", known.join(", "));
        return ExitCode::from(2);
    };
    let random = Random(args.next().and_then(|seed| seed.parse().ok()).unwrap_or(1));
    run(name, *equation, count, random)
}

fn run(name: &str, equation: Equation, count: u64, mut random: Random) -> ExitCode {
    let seeds = seeds(name);
    let mut input = Vec::new();
    for number in 0..count {
        mutate(&seeds, &mut random, &mut input);
        if catch_unwind(AssertUnwindSafe(|| equation(&input))).is_err() {
            let octets: String = input.iter().map(|octet| format!("{octet:02x}")).collect();
            println!("{name}: does not hold of input {number}: {octets}");
            return ExitCode::FAILURE;
        }
    }
    println!("{name}: held of {count} inputs, made of {} seeds", seeds.len());
    ExitCode::SUCCESS
}

/// The inputs that are kept.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name);
    let entries = fs::read_dir(&folder).expect("the folder of seeds");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a seed")).collect()
}

/// A piece of a seed of at most `MAX_LEN` octets, with one to eight changes.
fn mutate(seeds: &[Vec<u8>], random: &mut Random, input: &mut Vec<u8>) {
    input.clear();
    let seed = random.of(seeds);
    // Long seeds are many small inputs: each begins somewhere, a master file at a line.
    let start = if seed.len() > MAX_LEN { random.below(seed.len() - MAX_LEN) } else { 0 };
    let start = seed[..start].iter().rposition(|octet| *octet == b'\n').map_or(start, |at| at + 1);
    input.extend_from_slice(&seed[start..seed.len().min(start + MAX_LEN)]);
    for _ in 0..=random.below(8) {
        change(seeds, random, input);
    }
}

fn change(seeds: &[Vec<u8>], random: &mut Random, input: &mut Vec<u8>) {
    let at = random.below(input.len() + 1);
    let len = 1 + random.below(16);
    let end = input.len().min(at + len);
    match random.below(7) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = *random.of(INTERESTING),
        2 => input.insert(at, *random.of(INTERESTING)),
        3 => drop(input.drain(at..end)),
        4 => input.truncate(at.max(input.len() / 2)),
        5 => {
            let piece = input[at..end].to_vec();
            let to = random.below(input.len() + 1);
            input.splice(to..to, piece);
        }
        _ => {
            let other = random.of(seeds);
            let from = random.below(other.len() + 1);
            let piece = &other[from..other.len().min(from + len)];
            input.splice(at..end, piece.iter().copied());
        }
    }
    input.truncate(2 * MAX_LEN);
}

/// SplitMix64: enough chance, and the same run for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((u128::from(mixed ^ (mixed >> 31)) * bound as u128) >> 64) as usize
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// Octets with a meaning to one parser or another: lengths at their bounds, pointers, separators.
const INTERESTING: &[u8] = &[
    0, 1, 2, 4, 12, 41, 63, 64, 127, 128, 191, 192, 250, 251, 252, 255, b' ', b'\n', b'"', b'(', b')', b';',
    b'$', b'.', b'\\', b'@', b'*', b'#', b'{', b'}', b'0', b'9', b'/', b':', b'-', b'a', b'Z',
];
const MAX_LEN: usize = 256;
