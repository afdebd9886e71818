//! Loads a master file and says how long that took: `load_speed FILE [TIMES]`. The zone is `sd.example.`, as in
//! `benches/compare`.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::path::Path;
use std::time::Instant;

use cartonym_wire::{Hasher, NameBuf};
use cartonym_zone::load;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().expect("a file");
    let times = arguments.next().map_or(1, |times| times.parse().expect("a number"));
    let origin: NameBuf = "sd.example.".parse().expect("a name");
    for _ in 0..times {
        let start = Instant::now();
        let (zone, report) = load(Path::new(&path), &origin, Hasher::new(7)).expect("a zone");
        let seconds = start.elapsed().as_secs_f64();
        println!("{} names, {} findings in {seconds:.3} s", zone.len(), report.findings.len());
    }
}
