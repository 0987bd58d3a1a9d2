//! One piece of work for each of many things, on a few threads.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What `work` makes of each of `0..count`, in that order.
pub(super) fn side_by_side<T: Send>(
    threads: NonZeroUsize,
    count: usize,
    work: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    // A thread costs some 50 µs; a handful of files costs less.
    if threads.get() == 1 || count < 8 {
        return (0..count).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return done;
            }
            done.push((index, work(index)));
        }
    };
    let mut done: Vec<(usize, T)> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads.get()).map(|_| scope.spawn(run)).collect();
        let mut done = run();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, made)| made).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_done_once_and_in_order() {
        for threads in 1..4 {
            let threads = NonZeroUsize::new(threads).unwrap();
            for count in [0, 1, 7, 8, 1000] {
                let made = side_by_side(threads, count, |index| index * 2);
                assert!(
                    made.iter()
                        .enumerate()
                        .all(|(index, made)| *made == index * 2)
                );
                assert_eq!(made.len(), count);
            }
        }
    }
}
