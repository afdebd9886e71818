#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| cartonym_tests::equations::update(octets));
