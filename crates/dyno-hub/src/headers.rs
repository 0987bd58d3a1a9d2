//! What the headers of a Hub's answer say.

use jiff::Timestamp;
use std::time::Duration;

/// The headers of an answer that anything is decided by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Headers {
    /// `Retry-After` or `RateLimit`: when to ask again.
    pub(crate) wait: Option<Duration>,
    /// `Content-Range`.
    pub(crate) range: Option<ContentRange>,
    /// `Content-Length`.
    pub(crate) length: Option<u64>,
}

/// `bytes 10-19/200`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentRange {
    /// The first byte that comes.
    pub(crate) from: u64,
    /// How many bytes the whole has, where it is said.
    pub(crate) size: Option<u64>,
}

/// A `Content-Range` of bytes that come (RFC 9110, 14.4).
pub(crate) fn content_range(text: &str) -> Option<ContentRange> {
    let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (from, to) = range.split_once('-')?;
    let (from, to): (u64, u64) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    let size = match size.trim() {
        "*" => None,
        size => Some(size.parse().ok()?),
    };
    (from <= to).then_some(ContentRange { from, size })
}

/// How long to wait, by `RateLimit` where its window is used up, else by `Retry-After`.
pub(crate) fn wait(
    retry_after: Option<&str>,
    rate_limit: Option<&str>,
    now: Timestamp,
) -> Option<Duration> {
    let used_up = rate_limit.and_then(reset);
    used_up.or_else(|| retry_after.and_then(|text| delay(text, now)))
}

/// `Retry-After`: seconds, or a date (RFC 9110, 10.2.3).
fn delay(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

/// `RateLimit: "api";r=0;t=55` (draft-ietf-httpapi-ratelimit-headers-09): the seconds until a
/// used up window begins anew. The Hub sends it with every answer.
fn reset(text: &str) -> Option<Duration> {
    let parameter = |name: &str| -> Option<u64> {
        let mut parameters = text.split(';').skip(1);
        parameters.find_map(|parameter| {
            let (key, value) = parameter.split_once('=')?;
            (key.trim() == name).then(|| value.trim().parse().ok())?
        })
    };
    let left = parameter("r")?;
    (left == 0).then(|| parameter("t").map(Duration::from_secs))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_tells_where_it_begins() {
        let range = |from, size| Some(ContentRange { from, size });
        for (text, expected) in [
            ("bytes 10-19/200", range(10, Some(200))),
            ("bytes 0-0/*", range(0, None)),
            ("bytes */200", None),
            ("bytes 9-3/10", None),
            ("items 1-2/3", None),
            ("bytes 1-2", None),
            ("", None),
        ] {
            assert_eq!(content_range(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_wait_is_told_in_three_ways() {
        let now: Timestamp = "2026-11-23T14:00:00Z".parse().unwrap();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (retry_after, rate_limit, expected) in [
            (Some("120"), None, seconds(120)),
            (Some("Mon, 23 Nov 2026 14:00:30 GMT"), None, seconds(30)),
            (Some("Mon, 23 Nov 2026 13:00:00 GMT"), None, seconds(0)),
            (None, Some("\"api\";r=0;t=55"), seconds(55)),
            (Some("3"), Some("\"api\";r=7;t=55"), seconds(3)),
            (Some("3"), Some("\"api\"; r=0; t=55"), seconds(55)),
            (Some("soon"), Some("api"), None),
            (Some("-1"), None, None),
            (None, None, None),
        ] {
            assert_eq!(
                wait(retry_after, rate_limit, now),
                expected,
                "{retry_after:?} {rate_limit:?}"
            );
        }
    }
}
