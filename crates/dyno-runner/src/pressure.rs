//! What the kernel says of how short the machine is of processors and memory.

use crate::machine::Pressure;
use dyno_model::Bytes;
use std::fs;
use std::time::Duration;

/// How often it is looked at: the kernel's own average changes every two seconds.
pub(crate) const PERIOD: Duration = Duration::from_secs(2);

/// Reads `/proc/pressure`, which kernels without it do not have.
pub(crate) fn read() -> Option<Pressure> {
    let some = |resource: &str| {
        let text = fs::read_to_string(format!("/proc/pressure/{resource}")).ok()?;
        some_avg10(&text)
    };
    Some(Pressure {
        cpu: some("cpu")?,
        memory: some("memory").unwrap_or(0.0),
    })
}

/// `some avg10=1.50 avg60=0.29 avg300=0.06 total=12345`
fn some_avg10(text: &str) -> Option<f32> {
    let line = text.lines().find(|line| line.starts_with("some "))?;
    let value = line
        .split_whitespace()
        .find_map(|word| word.strip_prefix("avg10="))?;
    value.parse().ok()
}

/// Memory that processes can have without swapping (`MemAvailable` in proc(5)).
pub(crate) fn available_memory() -> Option<Bytes> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Bytes(kib * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_line_is_read() {
        let text = "some avg10=1.50 avg60=0.29 avg300=0.06 total=12345\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(some_avg10(text), Some(1.5));
        assert_eq!(some_avg10("full avg10=2.0"), None);
        assert!(available_memory().is_some_and(|bytes| bytes.0 > 0));
    }
}
