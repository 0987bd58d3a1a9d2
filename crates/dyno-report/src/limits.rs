//! Limits of sealed tests: those that they ran into, and those that could not be held.

use crate::canvas::{Canvas, Ink};
use dyno_model::{Limits, MissingLimit, TestId, Usage};

/// The tests of one unit are named up to here.
const MOST_NAMED: usize = 3;

/// What sealed units had of what they could have.
#[derive(Debug, Default)]
pub(crate) struct LimitNews {
    missing: Vec<MissingLimit>,
    /// Which tests ran into which.
    reached: Vec<(Vec<TestId>, String)>,
}

impl LimitNews {
    /// These cannot be held.
    pub(crate) fn miss(&mut self, limits: &[MissingLimit]) {
        self.missing.extend(limits.iter().cloned());
    }

    /// A unit of these tests has ended.
    pub(crate) fn used(&mut self, tests: &[TestId], limits: Limits, usage: &Usage) {
        let news = [limits.killed(usage), limits.refused(usage)];
        let reached = news.into_iter().flatten();
        self.reached
            .extend(reached.map(|what| (tests.to_vec(), what)));
    }

    /// The sections about them.
    pub(crate) fn show(&self, canvas: &mut Canvas) {
        if !self.missing.is_empty() {
            canvas.sep('=', "MISSING LIMITS", &[Ink::Yellow]);
            let intro = "sealed tests ran without these limits, which cannot be held here:";
            canvas.line(intro, &[]);
        }
        for MissingLimit { limit, why } in &self.missing {
            canvas.line(&format!("  {limit}: {why}"), &[]);
        }
        if !self.reached.is_empty() {
            canvas.sep('=', "LIMITS REACHED", &[Ink::Yellow]);
        }
        for (tests, what) in &self.reached {
            canvas.line(&format!("{}:", named(tests)), &[]);
            canvas.line(&format!("  {what}"), &[]);
        }
    }
}

/// The tests of a unit. Which of several it was, no count of the kernel's tells.
fn named(tests: &[TestId]) -> String {
    let shown: Vec<&str> = tests.iter().take(MOST_NAMED).map(TestId::as_str).collect();
    match (shown.is_empty(), tests.len() - shown.len()) {
        (true, _) => "between tests".to_owned(),
        (false, 0) => shown.join(", "),
        (false, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::style::Style;
    use dyno_model::{Bytes, LimitKind};

    fn shown(news: &LimitNews) -> String {
        let mut canvas = Canvas::new(Style::new(80, false));
        news.show(&mut canvas);
        canvas.take()
    }

    #[test]
    fn units_that_ran_into_a_limit_are_named_and_others_are_not() {
        let id = |name: &str| TestId::new(format!("t.py::{name}")).unwrap();
        let limits = Limits {
            memory: Some(Bytes(1 << 30)),
            processes: Some(8),
        };
        let mut news = LimitNews::default();
        news.used(&[id("a")], limits, &Usage::default());
        assert_eq!(shown(&news), "");
        let usage = Usage {
            oom_kills: 1,
            shortages: 1,
            refused_forks: 1,
            ..Usage::default()
        };
        news.used(&[id("b")], limits, &usage);
        news.used(&["c", "d", "e", "f"].map(id), limits, &usage);
        let text = shown(&news);
        let (title, lines) = text.split_once('\n').unwrap();
        assert!(title.contains("LIMITS REACHED"), "{text}");
        let killed = "  killed by the kernel: memory limit of 1 GiB exceeded, 1 process killed\n";
        let refused = "  process limit of 8 reached: a fork failed once (EAGAIN)\n";
        let four = "t.py::c, t.py::d, t.py::e and 1 more:\n";
        assert_eq!(
            lines,
            format!("t.py::b:\n{killed}t.py::b:\n{refused}{four}{killed}{four}{refused}")
        );
    }

    #[test]
    fn limits_that_cannot_be_held_are_told_with_the_reason() {
        let mut news = LimitNews::default();
        news.miss(&[MissingLimit {
            limit: LimitKind::Memory,
            why: "cannot make x: Permission denied".to_owned(),
        }]);
        let text = shown(&news);
        assert!(text.contains("MISSING LIMITS"), "{text}");
        assert!(
            text.ends_with("\n  memory-limit: cannot make x: Permission denied\n"),
            "{text}"
        );
    }
}
