#![no_main]

#[path = "../inputs/select.rs"]
mod select;

libfuzzer_sys::fuzz_target!(|data: &[u8]| select::run(data));
