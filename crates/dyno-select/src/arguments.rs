//! Node ids as arguments, and the prefixes of `--deselect`.

use crate::doubts::Doubts;
use crate::path::NodePath;
use crate::verdict::Verdict;
use dyno_model::{Doubt, Test};

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
    if chains.is_empty() {
        return Verdict::Keep;
    }
    let asks = |verdict: Verdict, chain: &NameChain| verdict.or(chain.wants(test, doubts, file));
    chains.iter().fold(Verdict::Drop, asks)
}

/// The prefixes of `--deselect` that concern one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deselected<'a> {
    prefixes: Vec<&'a str>,
    file: &'a str,
}

impl<'a> Deselected<'a> {
    /// Those of all prefixes that can concern tests of the file.
    pub fn in_file(prefixes: &'a [String], file: &'a str) -> Self {
        let concerns = |prefix: &&str| prefix.starts_with(file) || file.starts_with(*prefix);
        Self {
            prefixes: prefixes
                .iter()
                .map(String::as_str)
                .filter(concerns)
                .collect(),
            file,
        }
    }

    /// Whether the test stays: its id begins with none of the prefixes.
    pub fn verdict(&self, test: &Test, doubts: Doubts<'_>) -> Verdict {
        let id = test.item.id.as_str();
        let ids_unknown = doubts.any(&[Doubt::Ids]);
        let mut stays = Verdict::Keep;
        for prefix in &self.prefixes {
            if id.starts_with(prefix) {
                return Verdict::Drop;
            }
            // The id goes on with brackets, if the test has any.
            let beyond = prefix.strip_prefix(id);
            if ids_unknown && beyond.is_some_and(|beyond| beyond.starts_with('[')) {
                stays = Verdict::Ask;
            }
        }
        stays
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
