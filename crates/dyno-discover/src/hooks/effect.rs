//! What a hook can do to a collection, and what of it concerns one file.

use super::ignore::{Verdict, ignores};
use dyno_model::{Doubt, FoundTest, Unknown};
use dyno_python::Function;
use std::path::{Path, PathBuf};

/// What one implementation of a hook does.
#[derive(Debug, Clone)]
pub struct Effect {
    /// The folder below which it is heard; absent: everywhere.
    pub below: Option<PathBuf>,
    /// What it does.
    pub kind: Kind,
    /// Why, and where it is defined.
    pub reason: String,
    /// `file:line`.
    pub at: String,
}

/// What a hook does, as far as its text tells.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Adds markers of these names to any test; empty: of any name.
    Markers(Vec<String>),
    /// Parametrizes tests that use one of these fixtures; empty: any test.
    Ids(Vec<String>),
    /// May change which tests a file holds.
    Existence,
    /// May leave files out, as its function says of a path.
    Ignore(Function),
    /// May reorder, drop or add tests: it has to see the whole list.
    List,
    /// Makes ids of values.
    ParamIds,
}

/// The hooks of a project.
#[derive(Debug, Default)]
pub struct Hooks {
    /// What they do.
    pub effects: Vec<Effect>,
    /// pytest-asyncio marks every coroutine (`asyncio_mode = auto`).
    pub asyncio_auto: bool,
    /// Hypothesis' plugin is there, which marks its tests.
    pub hypothesis: bool,
    /// Why somebody waits for, or looks at, the list of all tests without changing it.
    pub reads_list: Option<String>,
    /// anyio's plugin is there; in auto mode it takes every coroutine.
    pub anyio: Option<AnyioMode>,
}

/// Which coroutines anyio's plugin takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnyioMode {
    /// Those with its mark.
    Strict,
    /// All.
    Auto,
}

impl Hooks {
    /// What needs the whole list of tests as pytest makes it, each with its reason.
    pub fn whole_list(&self) -> impl Iterator<Item = Unknown> {
        let lists = self
            .effects
            .iter()
            .filter(|effect| matches!(effect.kind, Kind::List));
        lists.map(|effect| effect.unknown(Doubt::Order))
    }

    /// What makes ids of values other than pytest does.
    pub fn param_ids(&self) -> Option<&Effect> {
        self.effects
            .iter()
            .find(|effect| matches!(effect.kind, Kind::ParamIds))
    }

    /// Tells the places of hooks from the root directory.
    pub(crate) fn tell_from_root(&mut self, root: &Path) {
        let root = format!("{}/", root.display());
        for effect in &mut self.effects {
            if let Some(below) = effect.at.strip_prefix(&root) {
                effect.at = below.to_owned();
            }
        }
    }

    /// What concerns a file.
    pub(crate) fn of(&self, file: &Path) -> FileHooks<'_> {
        let heard = |effect: &&Effect| {
            effect
                .below
                .as_ref()
                .is_none_or(|folder| file.starts_with(folder))
        };
        FileHooks {
            hooks: self,
            path: file.to_path_buf(),
            effects: self.effects.iter().filter(heard).collect(),
            generators: Vec::new(),
        }
    }
}

impl Effect {
    fn unknown(&self, doubt: Doubt) -> Unknown {
        Unknown {
            doubt,
            reason: self.reason.clone(),
            names: match &self.kind {
                Kind::Markers(names) => names.clone(),
                _ => Vec::new(),
            },
            at: self.at.clone(),
        }
    }
}

/// The hooks that a file's tests are subject to.
#[derive(Debug)]
pub struct FileHooks<'h> {
    hooks: &'h Hooks,
    path: PathBuf,
    effects: Vec<&'h Effect>,
    generators: Vec<Unknown>,
}

impl FileHooks<'_> {
    /// The module has a `pytest_generate_tests` of its own.
    pub(crate) fn generates(&mut self, unknown: Unknown) {
        self.generators.push(unknown);
    }

    /// Why a function that uses these fixtures may be parametrized in ways that its text
    /// does not show.
    pub(crate) fn ids<'f>(
        &self,
        fixtures: &(impl Iterator<Item = &'f str> + Clone),
    ) -> Option<Unknown> {
        if let Some(unknown) = self.generators.first() {
            return Some(unknown.clone());
        }
        self.effects.iter().find_map(|effect| match &effect.kind {
            Kind::Ids(names) if names.is_empty() => Some(effect.unknown(Doubt::Ids)),
            Kind::Ids(names) => {
                let uses = |name: &String| fixtures.clone().any(|fixture| fixture == name);
                names.iter().any(uses).then(|| effect.unknown(Doubt::Ids))
            }
            _ => None,
        })
    }

    /// Whether coroutines get the marker `asyncio`.
    pub(crate) fn asyncio_auto(&self) -> bool {
        self.hooks.asyncio_auto
    }

    /// Whether Hypothesis' tests get the marker `hypothesis`.
    pub(crate) fn hypothesis(&self) -> bool {
        self.hooks.hypothesis
    }

    /// Which coroutines anyio takes.
    pub(crate) fn anyio(&self) -> Option<AnyioMode> {
        self.hooks.anyio
    }

    /// Puts what the hooks leave open on the file and its tests. `root` is the root
    /// directory: no folder above it is asked about.
    pub(crate) fn apply(&self, root: &Path, tests: &mut Vec<FoundTest>, file: &mut Vec<Unknown>) {
        for effect in &self.effects {
            match &effect.kind {
                Kind::Existence => file.push(effect.unknown(Doubt::Existence)),
                Kind::Ignore(function) => match self.is_left_out(root, function) {
                    Verdict::No => {}
                    Verdict::Yes => {
                        tests.clear();
                        file.clear();
                        return;
                    }
                    Verdict::Unknown => file.push(effect.unknown(Doubt::Existence)),
                },
                Kind::Markers(_) => {
                    for test in tests.iter_mut() {
                        test.unknown.push(effect.unknown(Doubt::Markers));
                    }
                }
                Kind::Ids(_) | Kind::List | Kind::ParamIds => {}
            }
        }
    }

    /// A file is left out with any folder above it.
    fn is_left_out(&self, root: &Path, function: &Function) -> Verdict {
        let below_root = |path: &&Path| path.starts_with(root);
        let verdicts = self
            .path
            .ancestors()
            .take_while(below_root)
            .map(|path| ignores(function, path));
        verdicts.fold(Verdict::No, |all, one| match (all, one) {
            (Verdict::Yes, _) | (_, Verdict::Yes) => Verdict::Yes,
            (Verdict::No, Verdict::No) => Verdict::No,
            _ => Verdict::Unknown,
        })
    }
}
