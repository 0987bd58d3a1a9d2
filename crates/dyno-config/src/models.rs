//! What a run does about the models that its tests name.

use serde::Deserialize;
use std::str::FromStr;

/// What a run does about the models that its tests name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Models {
    /// Fetch what is not in the cache.
    #[default]
    Fetch,
    /// Ask no Hub: what is not in the cache cannot be had.
    Cached,
    /// Nothing: the markers are the suite's alone.
    Ignore,
}

impl FromStr for Models {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "fetch" => Ok(Self::Fetch),
            "cached" => Ok(Self::Cached),
            "ignore" => Ok(Self::Ignore),
            _ => Err("expected `fetch`, `cached` or `ignore`".to_owned()),
        }
    }
}
