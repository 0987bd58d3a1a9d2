//! What discovery claims of a file against what pytest collected from it.

use super::oracle::{Failure, Recorded};
use dyno_model::{Doubt, FileTests, FoundTest};
use std::collections::BTreeMap;

/// How much of what pytest collected was claimed, and what of it wrongly.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// Tests that pytest collected.
    pub(crate) collected: usize,
    /// Of those, the ones of which nothing is left unknown.
    pub(crate) settled: usize,
    /// Files, and those of them that nothing is unknown of.
    pub(crate) files: usize,
    pub(crate) exact_files: usize,
    /// Why things are unknown, counted.
    pub(crate) reasons: BTreeMap<String, usize>,
    /// Claims that are wrong, by file.
    pub(crate) wrong: Vec<String>,
}

impl Comparison {
    /// Adds a file's.
    pub(crate) fn file(&mut self, found: &FileTests, recorded: &[Recorded]) {
        self.collected += recorded.len();
        self.files += 1;
        self.exact_files += usize::from(found.is_exact());
        let all = found
            .unknown
            .iter()
            .chain(found.tests.iter().flat_map(|test| &test.unknown));
        for unknown in all {
            let reason = unknown
                .reason
                .split('`')
                .step_by(2)
                .collect::<Vec<_>>()
                .join("`_`");
            *self
                .reasons
                .entry(format!("{:?}: {reason}", unknown.doubt))
                .or_default() += 1;
        }
        if found
            .unknown
            .iter()
            .any(|unknown| unknown.doubt == Doubt::Existence)
        {
            return;
        }
        let in_doubt = |doubt| {
            found.unknown.iter().any(|unknown| unknown.doubt == doubt)
                || found.tests.iter().any(|test| test.doubt(doubt).is_some())
        };
        let mut recorded: Vec<&Recorded> = recorded.iter().collect();
        let mut tests: Vec<&FoundTest> = found.tests.iter().collect();
        if in_doubt(Doubt::Order) {
            recorded.sort_by(|a, b| a.id.cmp(&b.id));
            tests.sort_by(|a, b| a.test.item.id.as_str().cmp(b.test.item.id.as_str()));
        }
        self.walk(&found.file, &tests, &recorded, &in_doubt);
    }

    /// Adds what nodes of the file failed to collect: nothing below them may be claimed.
    pub(crate) fn failures(&mut self, found: &FileTests, failed: &[Failure]) {
        if found
            .unknown
            .iter()
            .any(|unknown| unknown.doubt == Doubt::Existence)
        {
            return;
        }
        for Failure { node, why } in failed {
            let inside = node.strip_prefix(&found.file);
            if !inside.is_some_and(|rest| rest.is_empty() || rest.starts_with("::")) {
                continue;
            }
            let below = format!("{node}::");
            let claimed = found.tests.iter().find(|test| {
                let hedged = test.doubt(Doubt::Existence).or(test.doubt(Doubt::Ids));
                hedged.is_none() && test.test.item.id.as_str().starts_with(&below)
            });
            let nothing_unknown = found.is_exact();
            if claimed.is_some() || nothing_unknown {
                let claims =
                    claimed.map_or("that nothing is unknown", |test| test.test.item.id.as_str());
                let why = why.lines().next_back().unwrap_or_default();
                self.wrong.push(format!(
                    "{node}: pytest cannot collect it or skips it, text claims {claims}: {why}"
                ));
            }
        }
    }

    /// Adds another comparison's counts and findings.
    pub(crate) fn add(&mut self, other: Self) {
        self.collected += other.collected;
        self.settled += other.settled;
        self.files += other.files;
        self.exact_files += other.exact_files;
        for (reason, count) in other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
        self.wrong.extend(other.wrong);
    }

    fn walk(
        &mut self,
        file: &str,
        tests: &[&FoundTest],
        recorded: &[&Recorded],
        in_doubt: &dyn Fn(Doubt) -> bool,
    ) {
        let mut rest = recorded;
        for found in tests {
            let id = found.test.item.id.as_str();
            if found.doubt(Doubt::Ids).is_some() {
                let family = rest.iter().take_while(|test| base(&test.id) == id).count();
                rest = &rest[family..];
                continue;
            }
            match rest.first() {
                Some(test) if test.id == id => {
                    rest = &rest[1..];
                    let wrong = self.wrong.len();
                    self.test(found, test);
                    let sure = found.unknown.is_empty() && !in_doubt(Doubt::Order);
                    self.settled += usize::from(sure && wrong == self.wrong.len());
                }
                _ if found.doubt(Doubt::Existence).is_some() => {}
                other => {
                    let other = other.map_or("nothing more", |test| test.id.as_str());
                    self.wrong
                        .push(format!("{file}: text has {id:?}, pytest has {other:?}"));
                    return;
                }
            }
        }
        if let Some(test) = rest.first() {
            self.wrong
                .push(format!("{file}: text ends, pytest has {:?}", test.id));
        }
    }

    fn test(&mut self, found: &FoundTest, recorded: &Recorded) {
        let item = &found.test.item;
        let mut differ = |what: &str, text: String, pytest: String| {
            if text != pytest {
                self.wrong.push(format!(
                    "{}: {what}\n  text:   {text}\n  pytest: {pytest}",
                    recorded.id
                ));
            }
        };
        if found.doubt(Doubt::Markers).is_none() {
            let shown = item
                .markers
                .iter()
                .zip(&recorded.markers)
                .map(|(marker, theirs)| {
                    // Arguments that are not known are taken from pytest's.
                    let known = |mine: &Option<String>, theirs: Option<&String>| {
                        mine.as_ref().or(theirs).cloned().unwrap_or_default()
                    };
                    let args: Vec<_> = marker
                        .args
                        .iter()
                        .enumerate()
                        .map(|(at, arg)| known(arg, theirs.args.get(at)))
                        .collect();
                    let kwargs: Vec<_> = marker
                        .kwargs
                        .iter()
                        .enumerate()
                        .map(|(at, (name, value))| {
                            (
                                name.clone(),
                                known(value, theirs.kwargs.get(at).map(|keyword| &keyword.value)),
                            )
                        })
                        .collect();
                    (marker.name.clone(), args, kwargs)
                });
            let more = item
                .markers
                .iter()
                .skip(recorded.markers.len())
                .map(|marker| (marker.name.clone(), Vec::new(), Vec::new()));
            let mine: Vec<_> = shown.chain(more).collect();
            let theirs: Vec<_> = recorded
                .markers
                .iter()
                .map(|marker| {
                    (
                        marker.name.clone(),
                        marker.args.clone(),
                        marker
                            .kwargs
                            .iter()
                            .map(|keyword| (keyword.name.clone(), keyword.value.clone()))
                            .collect::<Vec<_>>(),
                    )
                })
                .collect();
            differ("markers", format!("{mine:?}"), format!("{theirs:?}"));
        } else {
            for marker in &item.markers {
                if recorded
                    .markers
                    .iter()
                    .all(|theirs| theirs.name != marker.name)
                {
                    differ(
                        "a marker listed beside a doubt",
                        marker.name.clone(),
                        format!("{:?}", recorded.markers),
                    );
                }
            }
        }
        if found.doubt(Doubt::Fixtures).is_none() {
            let mine: Vec<_> = found
                .test
                .fixtures
                .iter()
                .map(|used| {
                    (
                        used.name.clone(),
                        used.scope.map(|scope| scope.name().to_owned()),
                    )
                })
                .collect();
            let theirs: Vec<_> = recorded
                .fixtures
                .iter()
                .map(|used| (used.name.clone(), used.scope.clone()))
                .collect();
            differ("fixtures", format!("{mine:?}"), format!("{theirs:?}"));
        }
        if found.doubt(Doubt::Location).is_none() {
            differ(
                "line",
                format!("{:?}", item.location.line.map(i64::from)),
                format!("{:?}", recorded.line),
            );
        }
    }
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            collected,
            settled,
            files,
            exact_files,
            ..
        } = self;
        write!(
            f,
            "{files} files, {exact_files} of them exact; {collected} tests, {settled} settled"
        )?;
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (reason, count) in reasons.into_iter().take(40) {
            write!(f, "\n{count:6} {reason}")?;
        }
        Ok(())
    }
}

/// A node id without its brackets.
fn base(id: &str) -> &str {
    // Brackets may hold anything, names none.
    id.split_once('[').map_or(id, |(base, _)| base)
}
