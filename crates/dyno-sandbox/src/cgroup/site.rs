//! Where a run may make groups, and what groups there can do.

use super::home::{Home, PASSED_ON, pass_on};
use super::trees::{self, Tree, Version};
use super::{Group, Maker};
use crate::SandboxError;
use rustix::fs::{Access, access};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// What a group is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To count memory and to limit it.
    Memory,
    /// To limit the number of processes.
    Processes,
    /// To count processor time.
    Time,
}

impl Need {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Processes, Self::Time];

    /// The kernel's name for it in version 1; in 2, [`Need::Time`] needs no controller.
    fn controller(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Processes => "pids",
            Self::Time => "cpuacct",
        }
    }

    /// A file by which a folder shows that it serves.
    fn sign(self, version: &Version) -> &'static str {
        match (self, version) {
            (Self::Memory, Version::Two) => "memory.max",
            (Self::Memory, Version::One(_)) => "memory.limit_in_bytes",
            (Self::Processes, _) => "pids.max",
            (Self::Time, Version::Two) => "cpu.stat",
            (Self::Time, Version::One(_)) => "cpuacct.usage_user",
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.controller())
    }
}

/// A need that no group can serve here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// Which.
    pub need: Need,
    /// What was tried, and what the kernel said.
    pub why: String,
}

/// The folders in which a run makes its groups.
#[derive(Debug)]
pub struct Site {
    maker: Maker,
    /// One in each tree that is needed, with what it is there for.
    folders: Vec<(PathBuf, Vec<Need>)>,
    lacks: Vec<Lack>,
    home: Option<Home>,
}

impl Site {
    /// Looks for folders that serve these needs, and removes what runs have left there that are
    /// dead.
    pub fn find(maker: Maker, needs: &[Need]) -> Self {
        let trees = trees();
        for tree in &trees {
            for folder in upwards(tree) {
                clear_in(folder, |_, maker| maker.is_dead());
            }
        }
        let mut site = Self {
            maker,
            folders: Vec::new(),
            lacks: Vec::new(),
            home: None,
        };
        let is_new = |tree: &&Tree| tree.version == Version::Two;
        let (new, old): (Vec<&Tree>, Vec<&Tree>) = trees.iter().partition(is_new);
        let said = new.first().and_then(|tree| site.take_new(tree, needs));
        for need in needs {
            if !site.serves(*need) {
                site.take_old(&old, *need, said.as_deref());
            }
        }
        site
    }

    /// Whether groups here serve a need.
    pub fn serves(&self, need: Need) -> bool {
        self.folders
            .iter()
            .any(|(_, served)| served.contains(&need))
    }

    /// What no group can be had for.
    pub fn lacks(&self) -> &[Lack] {
        &self.lacks
    }

    /// The folders, each with what it serves.
    pub fn folders(&self) -> impl Iterator<Item = (&Path, &[Need])> {
        (self.folders.iter()).map(|(folder, served)| (folder.as_path(), served.as_slice()))
    }

    /// A group of this run's, which is not made yet. `None` where there can be none.
    pub fn group(&self, name: &str) -> Option<Group> {
        let name = self.maker.name(name);
        let folders: Vec<PathBuf> = self
            .folders()
            .map(|(folder, _)| folder.join(&name))
            .collect();
        (!folders.is_empty()).then(|| Group::at(folders))
    }

    /// Removes all that is left of this run's groups.
    pub fn close(self) {
        let is_ours = |group: &Path, maker: &Maker| {
            let is_home = self.home.as_ref().is_some_and(|home| home.is(group));
            *maker == self.maker && !is_home
        };
        for (folder, _) in self.folders() {
            clear_in(folder, is_ours);
        }
    }

    /// Takes the nearest folder that serves all needs, or else most of them. Gives what the kernel
    /// said of the nearest that does not.
    fn take_new(&mut self, tree: &Tree, needs: &[Need]) -> Option<String> {
        let mut best: Option<(&Path, Vec<Need>)> = None;
        let passed_on = self.pass_on_in(&tree.own, needs);
        let mut said = passed_on.as_ref().err().cloned();
        self.home = passed_on.unwrap_or_default();
        for folder in upwards(tree) {
            let is_own = folder == tree.own;
            if !is_own && (self.home.is_some() || !may_be_left(&tree.own, folder)) {
                break;
            }
            match self.try_out(folder, &tree.version, needs) {
                Ok(serves) => {
                    let most = best.as_ref().map_or(0, |(_, serves)| serves.len());
                    let is_all = serves.len() == needs.len();
                    if serves.len() > most {
                        best = Some((folder, serves));
                    }
                    if is_all {
                        break;
                    }
                }
                Err(error) => drop(said.get_or_insert_with(|| error.to_string())),
            }
        }
        match best {
            Some((folder, serves)) => self.folders.push((folder.to_owned(), serves)),
            None => self.home = None,
        }
        said
    }

    /// Lets our own group pass on what is needed, if that may be.
    fn pass_on_in(&self, own: &Path, needs: &[Need]) -> Result<Option<Home>, String> {
        let text = |file: &str| fs::read_to_string(own.join(file)).unwrap_or_default();
        let (there, passed) = (text("cgroup.controllers"), text(PASSED_ON));
        let names = |text: &str, name: &str| text.split_whitespace().any(|one| one == name);
        let wanted: Vec<&'static str> = needs
            .iter()
            .filter(|need| **need != Need::Time)
            .map(|need| need.controller())
            .filter(|name| names(&there, name) && !names(&passed, name))
            .collect();
        if wanted.is_empty() {
            return Ok(None);
        }
        // Only the root of all may have both processes and controllers below it.
        if own.join("cgroup.type").exists() {
            Home::make(own, own.join(self.maker.name("home")), &wanted).map(Some)
        } else {
            let done = pass_on(own, '+', &wanted);
            done.map(|()| None).map_err(|error| error.to_string())
        }
    }

    /// Takes our own folder in the tree of version 1 that serves a need, or else notes why there is
    /// none: `said` is what was said of version 2.
    fn take_old(&mut self, trees: &[&Tree], need: Need, said: Option<&str>) {
        let tree = trees.iter().find(|tree| tree.has(need.controller()));
        let tried = tree.map(|tree| self.try_out(&tree.own, &tree.version, &[need]));
        let why = match (tree, tried) {
            (Some(tree), Some(Ok(found))) if !found.is_empty() => {
                return self.add(tree.own.clone(), found);
            }
            (_, Some(Err(error))) => error.to_string(),
            _ => said.map_or_else(
                || format!("no group here has the controller {need}"),
                str::to_owned,
            ),
        };
        self.lacks.push(Lack { need, why });
    }

    /// Two controllers may be in one tree.
    fn add(&mut self, folder: PathBuf, needs: Vec<Need>) {
        let known = self.folders.iter_mut().find(|(known, _)| *known == folder);
        match known {
            Some((_, found)) => found.extend(needs),
            None => self.folders.push((folder, needs)),
        }
    }

    /// Which of these needs a group in this folder serves: by making one.
    fn try_out(
        &self,
        folder: &Path,
        version: &Version,
        needs: &[Need],
    ) -> Result<Vec<Need>, SandboxError> {
        let trial = Group::at(vec![folder.join(self.maker.name("trial"))]);
        trial.create()?;
        let has = |file: &str| trial.folders().iter().any(|own| own.join(file).exists());
        let is_there = |need: &&Need| has(need.sign(version));
        let served = needs.iter().filter(is_there).copied().collect();
        trial.clear();
        if *version == Version::Two {
            // Whoever moves a process within a part of the tree must be allowed to do so there.
            let door = folder.join("cgroup.procs");
            let may = access(&door, Access::WRITE_OK);
            may.map_err(|error| SandboxError::at("write to", &door)(error.into()))?;
        }
        Ok(served)
    }
}

/// Our trees; none where they cannot be read.
fn trees() -> Vec<Tree> {
    let text = |file: &str| fs::read_to_string(file).unwrap_or_default();
    trees::parse(&text("/proc/self/mountinfo"), &text("/proc/self/cgroup"))
}

/// Our own group and those above it, as far as can be seen. What is in a sandbox's group stays
/// there: whoever ends that ends it too.
fn upwards(tree: &Tree) -> impl Iterator<Item = &Path> {
    let is_a_sandboxs = |folder: &Path| {
        let name = folder.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| Maker::parse(name).is_some())
    };
    let mut folders = tree.own.ancestors();
    let top = tree.top.as_path();
    let mut is_over = false;
    std::iter::from_fn(move || {
        let folder = folders.next().filter(|_| !is_over)?;
        is_over = folder == top || is_a_sandboxs(folder);
        Some(folder)
    })
}

/// Whether a process that goes from its group to one above takes leave of no limit.
fn may_be_left(own: &Path, above: &Path) -> bool {
    let is_free = |folder: &Path| {
        ["memory.max", "memory.high", "pids.max", "cpu.max"]
            .iter()
            .all(|file| {
                let text = fs::read_to_string(folder.join(file));
                text.map_or(true, |text| text.starts_with("max"))
            })
    };
    own.ancestors()
        .take_while(|folder| *folder != above)
        .all(is_free)
}

/// Ends and removes the groups in a folder that are meant.
fn clear_in(folder: &Path, is_meant: impl Fn(&Path, &Maker) -> bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let maker = name.to_str().and_then(Maker::parse);
        if maker.is_some_and(|maker| is_meant(&path, &maker)) {
            Group::at(vec![path]).clear();
        }
    }
}
