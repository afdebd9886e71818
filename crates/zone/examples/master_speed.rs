//! Reads a made master file and says how many records a second that was: `master_speed [RECORDS]`.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::fmt::Write;
use std::time::Instant;

use cartonym_wire::NameBuf;
use cartonym_zone::master::{NoIncludes, Parser};

fn main() {
    let records = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(3_000_000);
    let text = zone(records);
    let origin: NameBuf = "svc.example.".parse().expect("a name");
    let start = Instant::now();
    let mut parser = Parser::new(text.as_bytes(), "made", &origin, &NoIncludes);
    let (mut count, mut octets) = (0usize, 0usize);
    while let Some(record) = parser.next_record() {
        let record = record.expect("no mistakes");
        count += 1;
        octets += record.owner.len() + record.rdata.len();
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{count} records, {octets} octets in {seconds:.3} s: {:.0} a second", count as f64 / seconds);
}

fn zone(records: usize) -> String {
    let mut text = String::from("$TTL 60\n@ SOA ns1 host 1 2 3 4 5\n");
    for at in 1..records {
        // A string takes whatever is written.
        let _ = match at % 3 {
            0 => writeln!(text, "host-{at} 60 IN A 10.{}.{}.{}", at >> 16 & 255, at >> 8 & 255, at & 255),
            1 => writeln!(text, "_web._tcp.s{at} 60 IN SRV 1 1 8080 host-{at}.svc.example."),
            _ => writeln!(text, "host-{at}.svc.example. 60 IN AAAA 2001:db8::{:x}", at & 0xFFFF),
        };
    }
    text
}
