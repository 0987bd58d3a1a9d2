//! What `make fuzz` starts from and what it has found, read by the compiler that everybody
//! has; and each seed a little damaged, from a fixed random seed.

#![allow(
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "seeds are files, and a time limit needs a clock; the fuzzers share this code"
)]

#[path = "../../../fuzz/inputs/discover.rs"]
mod discover;
#[path = "../../../fuzz/inputs/replay.rs"]
mod replay;

#[test]
fn seeds_are_read() {
    replay::replay("discover", discover::run);
}
