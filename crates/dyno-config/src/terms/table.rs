//! `[tool.dyno]` as it is written.

use super::Timeouts;
use super::quantity::{Amount, Length, MemoryLimit, ProcessLimit};
use crate::Models;
use dyno_model::{Lane, LeakPolicy, Limits, MilliCpu, TokenName};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Default, Deserialize)]
pub(super) struct File {
    #[serde(default)]
    pub(super) tool: Tool,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Tool {
    #[serde(default)]
    pub(super) dyno: Dyno,
}

/// The table, without what other commands read of it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dyno {
    /// Read by `dyno markers`.
    #[serde(default)]
    #[expect(dead_code, reason = "known here so that any other name is an error")]
    markers: serde::de::IgnoredAny,
    #[serde(default)]
    pub(super) profiles: BTreeMap<String, Profile>,
    // What a profile can say too; `flatten` would take unknown names.
    pub(super) workers: Option<Workers>,
    pub(super) slow: Option<Length>,
    pub(super) deadline: Option<Length>,
    pub(super) timeout: Option<Limit>,
    pub(super) retries: Option<u32>,
    pub(super) leaks: Option<LeakPolicy>,
    pub(super) models: Option<Models>,
    #[serde(rename = "memory-limit")]
    pub(super) memory_limit: Option<MemoryLimit>,
    #[serde(rename = "process-limit")]
    pub(super) process_limit: Option<ProcessLimit>,
    #[serde(default)]
    pub(super) tokens: BTreeMap<TokenName, u32>,
    #[serde(default)]
    pub(super) rules: Vec<Rule>,
}

/// What holds where `--profile` names it.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    pub(super) workers: Option<Workers>,
    pub(super) slow: Option<Length>,
    pub(super) deadline: Option<Length>,
    pub(super) timeout: Option<Limit>,
    pub(super) retries: Option<u32>,
    pub(super) leaks: Option<LeakPolicy>,
    pub(super) models: Option<Models>,
    #[serde(rename = "memory-limit")]
    pub(super) memory_limit: Option<MemoryLimit>,
    #[serde(rename = "process-limit")]
    pub(super) process_limit: Option<ProcessLimit>,
    #[serde(default)]
    pub(super) tokens: BTreeMap<TokenName, u32>,
    #[serde(default)]
    pub(super) rules: Vec<Rule>,
}

impl Dyno {
    /// What it says of every run, in the form of a profile.
    pub(super) fn base(&mut self) -> Profile {
        Profile {
            workers: self.workers.take(),
            slow: self.slow,
            deadline: self.deadline,
            timeout: self.timeout,
            retries: self.retries,
            leaks: self.leaks,
            models: self.models,
            memory_limit: self.memory_limit,
            process_limit: self.process_limit,
            tokens: std::mem::take(&mut self.tokens),
            rules: std::mem::take(&mut self.rules),
        }
    }
}

impl Profile {
    /// What it says of every sealed unit.
    pub(super) fn limits(&self) -> Limits {
        limits(self.memory_limit, self.process_limit)
    }
}

/// `memory-limit = "8 GiB"` and `process-limit = 4096`.
pub(super) fn limits(memory: Option<MemoryLimit>, processes: Option<ProcessLimit>) -> Limits {
    Limits {
        memory: memory.map(|limit| limit.0),
        processes: processes.map(|limit| limit.0),
    }
}

/// `workers = 4` or `workers = "auto"`.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "expected a number of workers or \"auto\"")]
pub(super) enum Workers {
    Count(u32),
    Text(String),
}

/// `timeout = "5m"` or `timeout = { setup = "5m", call = "1m", teardown = "1m" }`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a length of time such as \"90s\" or \"5m\", or a table of them for \
                 setup, call and teardown"
)]
pub(super) enum Limit {
    Each(Length),
    Phases(Phases),
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Phases {
    setup: Option<Length>,
    call: Option<Length>,
    teardown: Option<Length>,
}

impl From<Limit> for Timeouts {
    fn from(limit: Limit) -> Self {
        let of = |length: Option<Length>| length.map(|length| length.0);
        match limit {
            Limit::Each(each) => Self::each(each.0),
            Limit::Phases(phases) => Self {
                setup: of(phases.setup),
                call: of(phases.call),
                teardown: of(phases.teardown),
            },
        }
    }
}

/// One of `[[tool.dyno.rules]]`: which tests, and what holds for them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    /// An expression over markers, as for `-m`.
    pub(super) filter: Option<String>,
    /// An expression over names, as for `-k`.
    pub(super) name: Option<String>,
    /// A pattern for the file, from the root directory.
    pub(super) path: Option<String>,
    pub(super) timeout: Option<Limit>,
    pub(super) retries: Option<u32>,
    pub(super) lane: Option<Lane>,
    pub(super) leaks: Option<LeakPolicy>,
    #[serde(rename = "memory-limit")]
    pub(super) memory_limit: Option<MemoryLimit>,
    #[serde(rename = "process-limit")]
    pub(super) process_limit: Option<ProcessLimit>,
    pub(super) slots: Option<u32>,
    pub(super) cpu: Option<Cpu>,
    pub(super) memory: Option<Amount>,
    pub(super) tokens: Option<Tokens>,
    pub(super) exclusive: Option<bool>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
}

/// Processors, in parts too.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
pub(super) struct Cpu(pub(super) MilliCpu);

impl TryFrom<f64> for Cpu {
    type Error = String;

    fn try_from(cpu: f64) -> Result<Self, String> {
        /// More than any machine has.
        const MOST: f64 = 1e6;
        if !(0.0..=MOST).contains(&cpu) {
            return Err(format!("{cpu} is no number of processors"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and a thousand times the most"
        )]
        let milli = (cpu * 1000.0).round() as u64;
        Ok(Self(MilliCpu(milli)))
    }
}

/// `tokens = ["etcd"]` or `tokens = { gpu = 2 }`.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    untagged,
    expecting = "expected names of tokens, or a table of names and numbers"
)]
pub(super) enum Tokens {
    Each(Vec<TokenName>),
    Counted(BTreeMap<TokenName, u32>),
}

impl Tokens {
    pub(super) fn counts(&self) -> BTreeMap<TokenName, u32> {
        match self {
            Self::Counted(counts) => counts.clone(),
            Self::Each(names) => {
                let mut counts = BTreeMap::new();
                for name in names {
                    *counts.entry(name.clone()).or_default() += 1;
                }
                counts
            }
        }
    }
}
