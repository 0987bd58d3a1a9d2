//! The seeds of a target, replayed without a fuzzer.

#![expect(clippy::disallowed_methods, reason = "the seeds are files")]

use std::fs;
use std::path::Path;

/// So many damaged copies are made of each seed.
const DAMAGED: u64 = 12;

/// Runs the target on each of its seeds, and on damaged ones.
pub(crate) fn replay(target: &str, run: fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/seeds")
        .join(target);
    let mut paths: Vec<_> = fs::read_dir(&seeds)
        .expect("the target has seeds")
        .map(|entry| entry.expect("seeds can be listed").path())
        .collect();
    paths.sort();
    assert!(paths.len() > 5, "{} holds too few seeds", seeds.display());
    // As the command's own threads have.
    let thread = std::thread::Builder::new().stack_size(8 << 20);
    let replay = move || {
        for path in paths {
            let seed = fs::read(&path).expect("a seed can be read");
            told(run, &seed, &path);
            for number in 0..DAMAGED {
                told(run, &damaged(&seed, number), &path);
            }
        }
    };
    thread
        .spawn(replay)
        .expect("a thread starts")
        .join()
        .expect("no seed panics");
}

fn told(run: fn(&[u8]), input: &[u8], path: &Path) {
    // Kept by the test's captured output, for whoever looks for the input of a panic.
    println!(
        "{}: {:?}",
        path.display(),
        String::from_utf8_lossy(&input[..input.len().min(300)])
    );
    run(input);
}

/// The seed with a few bytes removed, doubled or changed.
fn damaged(seed: &[u8], number: u64) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for _ in 0..3 {
        // Xorshift: any sequence that is the same each time will do.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        let at = usize::try_from(state >> 8).unwrap_or(0) % length;
        let end = (at + 1 + usize::try_from(state >> 40).unwrap_or(0) % 20).min(length);
        match state % 3 {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.extend_from_within(at..end),
            _ => {
                const ODD: &[u8] = b"()[]{}:,=#\n\"'\\ \t@*0\xff";
                bytes[at] = ODD[usize::try_from(state >> 20).unwrap_or(0) % ODD.len()];
            }
        }
    }
    bytes
}
