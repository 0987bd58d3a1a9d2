//! One rule: which tests it is for, and what it says of them.

use super::Timeouts;
use super::declared::Demands;
use super::table;
use dyno_model::{Fnmatch, Lane, LeakPolicy, Limits, PytestVersion, Test};
use dyno_select::{Doubts, KeywordExpression, MarkExpression, Verdict};
use std::collections::BTreeMap;

/// The grammars of `-m` and `-k` as the newest pytest has them: a rule is dyno's own.
const GRAMMAR: PytestVersion = PytestVersion::new(9, 2);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    filter: Option<MarkExpression>,
    name: Option<KeywordExpression>,
    path: Option<Fnmatch>,
    pub(super) demands: Demands,
    pub(super) timeouts: Timeouts,
    pub(super) retries: Option<u32>,
    pub(super) lane: Option<Lane>,
    pub(super) leaks: Option<LeakPolicy>,
    pub(super) limits: Limits,
    pub(super) env: BTreeMap<String, String>,
}

impl Rule {
    /// A rule, or everything that is wrong with it.
    pub(super) fn of(written: table::Rule) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let filter = written.filter.as_deref().map(|text| {
            MarkExpression::parse(text, GRAMMAR).map_err(|error| error.render("filter"))
        });
        let name = written.name.as_deref().map(|text| {
            KeywordExpression::parse(text, GRAMMAR).map_err(|error| error.render("name"))
        });
        let filter = accept(filter, "filter", &mut problems);
        let name = accept(name, "name", &mut problems);
        let limits = table::limits(written.memory_limit, written.process_limit);
        let says_nothing = written.timeout.is_none()
            && written.retries.is_none()
            && written.lane.is_none()
            && written.leaks.is_none()
            && limits.is_empty()
            && written.env.is_empty();
        let demands = Demands {
            slots: written.slots,
            cpu: written.cpu.map(|cpu| cpu.0),
            memory: written.memory.map(|memory| memory.0),
            tokens: written.tokens.as_ref().map(table::Tokens::counts),
            exclusive: written.exclusive,
        };
        if says_nothing && demands == Demands::default() {
            problems.push("it changes nothing: give it a timeout, retries, slots...".to_owned());
        }
        if written.slots == Some(0) {
            problems.push("slots must be above 0".to_owned());
        }
        for name in written.env.keys() {
            if name.is_empty() || name.contains(['=', '\0']) {
                problems.push(format!("env: {name:?} is no name of a variable"));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            filter,
            name,
            path: written.path.as_deref().map(Fnmatch::new),
            demands,
            timeouts: written.timeout.map(Timeouts::from).unwrap_or_default(),
            retries: written.retries,
            lane: written.lane,
            leaks: written.leaks,
            limits,
            env: written.env,
        })
    }

    /// Whether it is for this test. A rule without a condition is for all.
    pub(super) fn holds(&self, test: &Test) -> bool {
        let path = |pattern: &Fnmatch| pattern.matches(&test.item.location.file);
        let known = Doubts::of(&[]);
        let filter = |filter: &MarkExpression| filter.verdict(test, known) == Verdict::Keep;
        let name = |name: &KeywordExpression| {
            let file = test.item.id.file();
            name.in_file(file, None).verdict(test, known) == Ok(Verdict::Keep)
        };
        self.path.as_ref().is_none_or(path)
            && self.filter.as_ref().is_none_or(filter)
            && self.name.as_ref().is_none_or(name)
    }
}

fn accept<T>(
    parsed: Option<Result<Option<T>, String>>,
    key: &str,
    problems: &mut Vec<String>,
) -> Option<T> {
    match parsed? {
        Ok(Some(expression)) => Some(expression),
        Ok(None) => {
            problems.push(format!("{key} is empty"));
            None
        }
        Err(error) => {
            problems.push(error);
            None
        }
    }
}
