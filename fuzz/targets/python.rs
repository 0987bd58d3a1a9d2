#![no_main]

mod lines;
#[path = "../inputs/python.rs"]
mod python;

libfuzzer_sys::fuzz_target!(|data: &[u8]| python::run(data));
libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    lines::mutate(data, size, max_size, seed)
});
