#![no_main]

#[path = "../inputs/discover.rs"]
mod discover;

libfuzzer_sys::fuzz_target!(|data: &[u8]| discover::run(data));
