//! What workers had of the machine's memory.

use crate::canvas::Canvas;
use dyno_model::Memory;

/// A line about several workers: `memory of 4 workers: 12 to 15 MiB of their own, 41 MiB shared`.
pub(crate) fn show(workers: &[Memory], canvas: &mut Canvas) {
    if workers.len() < 2 {
        return;
    }
    let own = range(workers.iter().map(|memory| memory.own_kib));
    let shared = range(workers.iter().map(|memory| memory.shared_kib));
    let count = workers.len();
    let line = format!("memory of {count} workers: {own} MiB of their own, {shared} MiB shared");
    canvas.line(&line, &[]);
}

/// The least and the most, in MiB.
fn range(kib: impl Iterator<Item = u64>) -> String {
    let mut mib: Vec<u64> = kib.map(|kib| kib.div_ceil(1024)).collect();
    mib.sort_unstable();
    match (mib.first(), mib.last()) {
        (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
        (Some(all), _) => all.to_string(),
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_and_the_most_are_told() {
        assert_eq!(range([1024, 1025, 4096].into_iter()), "1 to 4");
        assert_eq!(range([10, 20].into_iter()), "1");
    }
}
