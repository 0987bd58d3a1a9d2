//! Lengths of time and amounts of memory, as people write them.

use dyno_model::Bytes;
use jiff::SignedDuration;
use serde::Deserialize;
use std::time::Duration;

/// A length of time: a number of seconds, or text such as `90s`, `1m 30s`, `500ms`, `2 hours`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(super) struct Length(pub(super) Duration);

/// An amount of memory: a number of bytes, or text such as `512 MiB` or `8GB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(super) struct Amount(pub(super) Bytes);

/// An amount of memory that something fits into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Amount")]
pub(super) struct MemoryLimit(pub(super) Bytes);

/// A number of processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub(super) struct ProcessLimit(pub(super) u64);

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number or text such as \"90s\" or \"8 GiB\""
)]
pub(super) enum Written {
    Whole(i64),
    Part(f64),
    Text(String),
}

impl TryFrom<Written> for Length {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let refuse = |what: &str| format!("{what} is no length of time, such as \"90s\" or \"5m\"");
        let length = match written {
            Written::Whole(seconds) => u64::try_from(seconds)
                .map(Duration::from_secs)
                .map_err(|_| refuse(&seconds.to_string()))?,
            Written::Part(seconds) => {
                Duration::try_from_secs_f64(seconds).map_err(|_| refuse(&seconds.to_string()))?
            }
            Written::Text(text) => length(&text).ok_or_else(|| refuse(&format!("{text:?}")))?,
        };
        if length.is_zero() {
            return Err("a length of time must be above 0".to_owned());
        }
        Ok(Self(length))
    }
}

/// Reads a length of time as the command line takes it; nothing where it is none.
pub(crate) fn length(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let signed: SignedDuration = text.trim().parse().ok()?;
    signed.try_into().ok()
}

impl TryFrom<Written> for Amount {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let refuse = |what: &str| format!("{what} is no amount of memory, such as \"512 MiB\"");
        match written {
            Written::Whole(bytes) => u64::try_from(bytes).map_err(|_| refuse(&bytes.to_string())),
            Written::Part(part) => Err(refuse(&part.to_string())),
            Written::Text(text) => amount(&text).ok_or_else(|| refuse(&format!("{text:?}"))),
        }
        .map(|bytes| Self(Bytes(bytes)))
    }
}

impl TryFrom<Amount> for MemoryLimit {
    type Error = &'static str;

    fn try_from(Amount(bytes): Amount) -> Result<Self, &'static str> {
        if bytes == Bytes(0) {
            return Err("a limit of memory must be above 0");
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<i64> for ProcessLimit {
    type Error = String;

    fn try_from(count: i64) -> Result<Self, String> {
        let above_zero = u64::try_from(count).ok().filter(|count| *count > 0);
        above_zero
            .map(Self)
            .ok_or_else(|| format!("{count} is no limit of processes: it must be a number above 0"))
    }
}

/// The units of IEC 80000-13 and of the SI, and the letters that are taken for the former.
const UNITS: [(&str, u64); 13] = [
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("kib", 1 << 10),
    ("kb", 1_000),
    ("m", 1 << 20),
    ("mib", 1 << 20),
    ("mb", 1_000_000),
    ("g", 1 << 30),
    ("gib", 1 << 30),
    ("gb", 1_000_000_000),
    ("t", 1 << 40),
    ("tib", 1 << 40),
];

pub(super) fn amount(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(*scale);
    }
    let part: f64 = number.parse().ok()?;
    // Memory is counted in less than 2^53 bytes.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction of a unit, rounded to the byte"
    )]
    let bytes = (part * *scale as f64).round() as u64;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_people_write_them() {
        let cases = [
            ("90s", Some(90_000)),
            ("1m 30s", Some(90_000)),
            ("500ms", Some(500)),
            ("2 hours", Some(7_200_000)),
            ("2.5", Some(2_500)),
            ("", None),
            ("soon", None),
            ("-3s", None),
            ("5 parsecs", None),
        ];
        for (text, millis) in cases {
            assert_eq!(length(text), millis.map(Duration::from_millis), "{text:?}");
        }
        assert!(Length::try_from(Written::Whole(0)).is_err());
        assert!(Length::try_from(Written::Part(-1.0)).is_err());
    }

    #[test]
    fn amounts_are_read_in_both_kinds_of_units() {
        let cases = [
            ("512 MiB", Some(512 << 20)),
            ("8GB", Some(8_000_000_000)),
            ("1.5g", Some(3 << 29)),
            ("10b", Some(10)),
            ("many", None),
            ("5 parsecs", None),
            ("99999999999999999999 GiB", Some(u64::MAX)),
        ];
        for (text, bytes) in cases {
            assert_eq!(amount(text), bytes, "{text:?}");
        }
    }
}
