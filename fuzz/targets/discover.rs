#![no_main]

#[path = "../inputs/discover.rs"]
mod discover;
mod lines;

libfuzzer_sys::fuzz_target!(|data: &[u8]| discover::run(data));
libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    lines::mutate(data, size, max_size, seed)
});
