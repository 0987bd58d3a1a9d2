//! What a test's own markers say.
//!
//! `resources(slots=2, cpu=1.5, memory="8 GiB", tokens=["etcd"], exclusive=True)` claims, and
//! `timeout(30)` limits, in the form that pytest-timeout gave that marker. Their arguments are
//! known by what `repr` made of them.

use super::Timeouts;
use super::quantity::{amount, length};
use super::rule::Rule;
use dyno_model::{Bytes, Claim, Item, Marker, MilliCpu, TokenName};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is taken of the machine, as far as it is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Demands {
    pub(super) slots: Option<u32>,
    pub(super) cpu: Option<MilliCpu>,
    pub(super) memory: Option<Bytes>,
    pub(super) tokens: Option<BTreeMap<TokenName, u32>>,
    pub(super) exclusive: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Declared {
    demands: Demands,
    pub(super) timeouts: Option<Timeouts>,
    /// Only the body is limited (`func_only`).
    pub(super) func_only: bool,
}

/// What the markers of a test say.
pub(super) fn of(item: &Item) -> Declared {
    let nearest = |name: &str| item.markers.iter().find(|marker| marker.name == name);
    let mut declared = Declared::default();
    if let Some(marker) = nearest("resources") {
        declared.demands = demands(marker);
    }
    if let Some(marker) = nearest("timeout") {
        let given = |key: &str| keyword(marker, key);
        let seconds = marker.args.first().and_then(Option::as_deref);
        let seconds = seconds.or_else(|| given("timeout"));
        // 0 takes a limit of the ini file back.
        let limit = seconds.and_then(length).filter(|limit| !limit.is_zero());
        declared.func_only = given("func_only") == Some("True");
        declared.timeouts = limit.map(|limit| declared.limits(limit));
    }
    declared
}

impl Declared {
    fn limits(&self, limit: Duration) -> Timeouts {
        if self.func_only {
            let call = Some(limit);
            return Timeouts {
                call,
                ..Timeouts::default()
            };
        }
        Timeouts::each(limit)
    }

    /// The claim of a test for which these rules hold. `exclusive` is what holds where nothing is
    /// said of that.
    pub(super) fn claim(&self, rules: &[&Rule], exclusive: bool) -> Claim {
        let own = &self.demands;
        let first = |of: fn(&Demands) -> Option<u64>| {
            of(own).or_else(|| rules.iter().find_map(|rule| of(&rule.demands)))
        };
        let plain = Claim::default();
        let slots = first(|demands| demands.slots.map(u64::from));
        let tokens = own.tokens.as_ref();
        let tokens = tokens.or_else(|| rules.iter().find_map(|rule| rule.demands.tokens.as_ref()));
        Claim {
            slots: slots.map_or(plain.slots, |slots| {
                u32::try_from(slots).unwrap_or(u32::MAX)
            }),
            cpu: first(|demands| demands.cpu.map(|cpu| cpu.0)).map_or(plain.cpu, MilliCpu),
            memory: first(|demands| demands.memory.map(|memory| memory.0))
                .map_or(plain.memory, Bytes),
            tokens: tokens.cloned().unwrap_or_default(),
            exclusive: first(|demands| demands.exclusive.map(u64::from))
                .map_or(exclusive, |given| given == 1),
        }
    }
}

fn keyword<'m>(marker: &'m Marker, key: &str) -> Option<&'m str> {
    let (_, value) = marker.kwargs.iter().find(|(name, _)| name == key)?;
    value.as_deref()
}

fn demands(marker: &Marker) -> Demands {
    let given = |key: &str| keyword(marker, key);
    Demands {
        slots: given("slots").and_then(|text| text.parse().ok()),
        cpu: (given("cpu").and_then(|text| text.parse::<f64>().ok()))
            .and_then(|cpu| super::table::Cpu::try_from(cpu).ok())
            .map(|cpu| cpu.0),
        memory: given("memory").and_then(memory),
        tokens: given("tokens").map(tokens),
        exclusive: given("exclusive").map(|text| text == "True"),
    }
}

fn memory(text: &str) -> Option<Bytes> {
    let bytes = match strings(text).first() {
        Some((text, _)) => amount(text),
        None => text.parse().ok(),
    };
    bytes.map(Bytes)
}

/// Of `['etcd', 'gpu']`, `('etcd',)`, `{'gpu': 2}` or `'etcd'`.
fn tokens(text: &str) -> BTreeMap<TokenName, u32> {
    let mut counts = BTreeMap::new();
    for (name, after) in strings(text) {
        let count = after.trim_start().strip_prefix(':').map(str::trim);
        let digits = |text: &str| {
            text.chars()
                .take_while(char::is_ascii_digit)
                .collect::<String>()
        };
        let count = count
            .and_then(|text| digits(text).parse().ok())
            .unwrap_or(1);
        if let Ok(name) = TokenName::new(name) {
            *counts.entry(name).or_default() += count;
        }
    }
    counts
}

/// The strings in a `repr`, each with what follows it up to the next. Names of tokens and
/// amounts hold no quotes and no escapes.
fn strings(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(['\'', '"']) {
        let quote = &rest[start..=start];
        let inner = &rest[start + 1..];
        let Some(end) = inner.find(quote) else {
            break;
        };
        let after = &inner[end + 1..];
        let next = after.find(['\'', '"']).unwrap_or(after.len());
        found.push((&inner[..end], &after[..next]));
        rest = &after[next..];
    }
    found
}
