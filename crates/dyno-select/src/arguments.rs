//! Node ids as arguments, and the prefixes of `--deselect`.

use crate::doubts::Doubts;
use crate::path::NodePath;
use crate::verdict::Verdict;
use dyno_model::{Doubt, Test};
use std::collections::{HashMap, HashSet};

/// The names that an argument asks for within a file, as `TestA::test_b[1]` of
/// `test_x.py::TestA::test_b[1]`.
///
/// Without brackets the last name stands for all parameters, or for a whole class.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NameChain {
    /// `TestA`, `test_b`: at least one.
    names: Vec<String>,
    /// `[1]`
    brackets: Option<String>,
}

impl NameChain {
    /// Splits an argument into its path and the names it asks for there, as
    /// `resolve_collection_argument` does: the first `[` begins the brackets, wherever it
    /// is, and `::` splits what is before it. An argument that is a path alone asks for
    /// everything, so for no chain.
    pub fn split(argument: &str) -> (&str, Option<Self>) {
        let base = argument.split('[').next().unwrap_or(argument);
        let brackets = argument.get(base.len()..).filter(|rest| !rest.is_empty());
        let mut parts = base.split("::");
        let path = parts.next().unwrap_or(base);
        let names: Vec<String> = parts.map(str::to_owned).collect();
        let chain = (!names.is_empty()).then(|| Self {
            names,
            brackets: brackets.map(str::to_owned),
        });
        (path, chain)
    }

    /// The names, and the brackets with them, as `::` joins them.
    pub fn text(&self) -> String {
        self.names.join("::") + self.brackets.as_deref().unwrap_or_default()
    }

    /// Whether these names, each with `::` before it, begin with what is asked for.
    pub(crate) fn covers(&self, names: &str) -> bool {
        let mut given = names.split("::").skip(1);
        self.brackets.is_none() && self.names.iter().all(|name| given.next() == Some(name))
    }

    /// Whether the argument asks for the test, given the id of the test's file.
    pub fn wants(&self, test: &Test, doubts: Doubts<'_>, file: &str) -> Verdict {
        let path = NodePath::of(test.item.id.as_str(), file);
        let mut asked = self.names.iter();
        for class in path.classes() {
            match asked.next() {
                Some(name) if name == class => {}
                Some(_) => return Verdict::Drop,
                // The chain ended with the class before, which has no brackets.
                None => return Verdict::certain(self.brackets.is_none()),
            }
        }
        let (Some(last), Some(name)) = (path.last(), asked.next()) else {
            let whole_class = asked.next().is_none() && self.brackets.is_none();
            return Verdict::certain(whole_class && path.last().is_some());
        };
        let base = last.split('[').next().unwrap_or(last);
        let is_last = asked.next().is_none();
        match &self.brackets {
            _ if base != name || !is_last => Verdict::Drop,
            None => Verdict::Keep,
            Some(_) if doubts.any(&[Doubt::Ids]) => Verdict::Ask,
            Some(brackets) => Verdict::certain(last.get(base.len()..) == Some(brackets)),
        }
    }
}

/// Whether any of the arguments for a file asks for the test. No chain asks for all.
pub fn wanted(chains: &[NameChain], test: &Test, doubts: Doubts<'_>, file: &str) -> Verdict {
    Wanted::of(chains).verdict(test, doubts, file)
}

/// All that arguments ask for within one file, found by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// By the names, joined by `::`: the brackets that are asked for.
    by_names: HashMap<String, Asked<'a>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Asked<'a> {
    /// It is asked for as a whole.
    whole: bool,
    brackets: HashSet<&'a str>,
}

impl<'a> Wanted<'a> {
    /// What these ask for; none asks for everything.
    pub fn of(chains: &'a [NameChain]) -> Self {
        let mut by_names: HashMap<String, Asked<'a>> = HashMap::new();
        for chain in chains {
            let asked = by_names.entry(chain.names.join("::")).or_default();
            match &chain.brackets {
                None => asked.whole = true,
                Some(brackets) => {
                    asked.brackets.insert(brackets);
                }
            }
        }
        Self { by_names }
    }

    /// Whether the test is asked for, given the id of its file: that any of the chains
    /// [wants](NameChain::wants) it.
    pub fn verdict(&self, test: &Test, doubts: Doubts<'_>, file: &str) -> Verdict {
        if self.by_names.is_empty() {
            return Verdict::Keep;
        }
        let path = NodePath::of(test.item.id.as_str(), file);
        let Some(last) = path.last() else {
            return Verdict::Drop;
        };
        let mut names = String::new();
        for class in path.classes() {
            names.push_str(class);
            if self.by_names.get(&names).is_some_and(|asked| asked.whole) {
                return Verdict::Keep;
            }
            names.push_str("::");
        }
        let base = last.split('[').next().unwrap_or(last);
        names.push_str(base);
        match self.by_names.get(&names) {
            None => Verdict::Drop,
            Some(asked) if asked.whole => Verdict::Keep,
            Some(_) if doubts.any(&[Doubt::Ids]) => Verdict::Ask,
            Some(asked) => {
                let brackets = last.get(base.len()..).unwrap_or_default();
                Verdict::certain(asked.brackets.contains(brackets))
            }
        }
    }
}

/// The prefixes of `--deselect`, sorted, without those that begin with another: what one
/// of these drops, that one drops.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deselection {
    prefixes: Vec<String>,
}

impl Deselection {
    /// What was given.
    pub fn of(mut prefixes: Vec<String>) -> Self {
        prefixes.sort_unstable();
        // What begins with a prefix follows it at once.
        prefixes.dedup_by(|later, kept| later.starts_with(kept.as_str()));
        Self { prefixes }
    }

    /// The prefixes that can concern tests of a file.
    pub fn in_file<'a>(&'a self, file: &'a str) -> Deselected<'a> {
        let before = self.prefixes.partition_point(|prefix| **prefix < *file);
        let below = self.prefixes.get(before..).unwrap_or_default();
        let until = below.partition_point(|prefix| prefix.starts_with(file));
        let above = before.checked_sub(1);
        let is_above = |at: &usize| {
            let above = self.prefixes.get(*at);
            above.is_some_and(|prefix| file.starts_with(prefix.as_str()))
        };
        let first = above.filter(is_above).unwrap_or(before);
        Deselected {
            prefixes: (self.prefixes.get(first..before + until)).unwrap_or_default(),
            file,
        }
    }
}

/// The prefixes of `--deselect` that concern one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deselected<'a> {
    /// Sorted, none the beginning of another.
    prefixes: &'a [String],
    file: &'a str,
}

impl Deselected<'_> {
    /// Whether the test stays: its id begins with none of the prefixes.
    pub fn verdict(&self, test: &Test, doubts: Doubts<'_>) -> Verdict {
        if self.prefixes.is_empty() {
            return Verdict::Keep;
        }
        let id = test.item.id.as_str();
        // Whatever stands between a prefix of the id and the id begins with that prefix.
        let after = self
            .prefixes
            .partition_point(|prefix| prefix.as_str() <= id);
        let nearest = after.checked_sub(1).and_then(|at| self.prefixes.get(at));
        if nearest.is_some_and(|prefix| id.starts_with(prefix.as_str())) {
            return Verdict::Drop;
        }
        if !doubts.any(&[Doubt::Ids]) {
            return Verdict::Keep;
        }
        // The id goes on with brackets, if the test has any.
        let goes_on = format!("{id}[");
        let at = self.prefixes.partition_point(|prefix| *prefix < goes_on);
        let beyond = self.prefixes.get(at);
        Verdict::seen(
            false,
            beyond.is_some_and(|prefix| prefix.starts_with(&goes_on)),
        )
        .negated()
    }

    /// Whether a test of the file of which nothing is known stays.
    pub fn verdict_on_unknown(&self) -> Verdict {
        let all = format!("{}::", self.file);
        if self.prefixes.iter().any(|prefix| all.starts_with(prefix)) {
            Verdict::Drop
        } else {
            Verdict::seen(self.prefixes.is_empty(), true)
        }
    }
}
