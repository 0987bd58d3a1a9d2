//! From arguments to files: `Session.perform_collect`, `collect` and `genitems`.

use super::arguments::{self, Argument};
use super::conftests::is_in_confcutdir;
use super::existence;
use super::imports::Imports;
use super::tree::{Collected, Node, NodeIndex, Tree};
use super::types::{CollectIgnore, FileRole, Layout, LayoutFile, ModuleName, Problem, Wanted};
use dyno_model::{Files, PytestConfig, Unknown};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// One collection.
pub(super) struct Session<'a> {
    config: &'a PytestConfig,
    files: &'a dyn Files,
    tree: Tree<'a>,
    imports: Imports<'a>,
    tops: HashMap<PathBuf, Option<NodeIndex>>,
    /// Why a file cannot be imported, by path.
    refused: HashMap<PathBuf, Option<String>>,
    layout: Layout,
    /// The node of the last file in the layout.
    last: Option<NodeIndex>,
}

/// What an argument led to.
struct Match {
    node: NodeIndex,
    wanted: Option<Wanted>,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        config: &'a PytestConfig,
        files: &'a dyn Files,
        ignored: &'a dyn Fn(&Path) -> CollectIgnore,
    ) -> Self {
        Self {
            config,
            files,
            tree: Tree::new(config, files, ignored),
            imports: Imports::new(config, files),
            tops: HashMap::new(),
            refused: HashMap::new(),
            layout: Layout::default(),
            last: None,
        }
    }

    pub(super) fn collect(mut self) -> Layout {
        self.tree.conftests.load_initial();
        self.layout.initial_conftests = self.tree.conftests.loaded.len();
        let mut bound = 0;
        self.bind_conftests(&mut bound);
        let arguments = match arguments::resolve(self.config, self.files) {
            Ok(arguments) => arguments,
            Err(problem) => {
                self.layout.problems.push(problem);
                self.layout.conftests = self.tree.conftests.loaded;
                return self.layout;
            }
        };
        for argument in &arguments {
            self.tree.initial.insert(argument.path.clone());
            let above = argument.path.ancestors().map(Path::to_path_buf);
            self.tree.initial_with_parents.extend(above);
        }
        let mut matches = Vec::new();
        for argument in &arguments {
            self.find(argument, &mut matches);
        }
        self.bind_conftests(&mut bound);
        self.mark_collected_classes(&mut matches);
        if self.layout.problems.is_empty() {
            for found in matches {
                self.generate(found, &mut bound);
            }
        }
        self.doubt_conftest_modules();
        self.layout.conftests = self.tree.conftests.loaded;
        self.layout.unknown.append(&mut self.tree.unknown);
        self.layout
    }

    /// Walks down to what an argument names: one turn of the loop in `Session.collect`.
    fn find(&mut self, argument: &Argument, matches: &mut Vec<Match>) {
        let mut paths = vec![argument.path.clone()];
        for above in argument.path.ancestors().skip(1) {
            if !is_in_confcutdir(self.config, above) {
                break;
            }
            paths.push(above.to_path_buf());
        }
        paths.reverse();
        let mut nowhere = Vec::new();
        let before = matches.len();
        let mut work: Vec<(NodeIndex, usize)> = Vec::new();
        match paths.first().and_then(|top| self.top(top)) {
            Some(top) => work.push((top, 1)),
            None => nowhere.push(SESSION.to_owned()),
        }
        while let Some((node, depth)) = work.pop() {
            let Some(wanted) = paths.get(depth) else {
                matches.push(self.matched(node, argument));
                continue;
            };
            let is_last = depth + 1 == paths.len();
            let anew = is_last && argument.names.is_empty() && !argument.is_folder;
            let Collected::Children { children, .. } = self.tree.collect(node, anew) else {
                self.doubt_unreadable(node);
                continue;
            };
            let found: Vec<_> = children
                .into_iter()
                .filter(|child| self.path_of(*child) == Some(wanted.as_path()))
                .collect();
            if found.is_empty() {
                nowhere.push(self.representation(node));
            }
            work.extend(found.into_iter().rev().map(|child| (child, depth + 1)));
        }
        if matches.len() == before {
            let report = argument.report(self.config);
            self.layout.problems.push(Problem {
                message: if nowhere.is_empty() {
                    format!("found no collectors for {report}")
                } else {
                    let list = nowhere.join(", ");
                    format!("not found: {report}\n(no match in any of [{list}])")
                },
            });
        }
    }

    fn top(&mut self, path: &Path) -> Option<NodeIndex> {
        if let Some(known) = self.tops.get(path) {
            return *known;
        }
        let top = self.tree.top(path);
        self.tops.insert(path.to_path_buf(), top);
        top
    }

    fn matched(&mut self, node: NodeIndex, argument: &Argument) -> Match {
        let wanted = (!argument.names.is_empty()).then(|| Wanted {
            names: argument.names.clone(),
            parametrization: argument.parametrization.clone(),
            argument: argument.report(self.config),
            only_functions: false,
        });
        if wanted.is_some()
            && let Some(Node::File(file)) = self.tree.nodes.get_mut(node)
        {
            file.collected = true;
            let path = file.path.clone();
            self.import(&path);
        }
        Match { node, wanted }
    }

    /// Before 9.0 a class that was collected while another argument was looked for gives
    /// nothing a second time.
    fn mark_collected_classes(&self, matches: &mut [Match]) {
        if self.config.version.at_least(9, 0) || self.config.keep_duplicates {
            return;
        }
        let key = |wanted: &Wanted| (wanted.names.clone(), wanted.parametrization.clone());
        let mut passed = HashMap::new();
        let mut collected = std::collections::HashSet::new();
        for (place, found) in matches.iter().enumerate() {
            let Some(wanted) = &found.wanted else {
                continue;
            };
            for length in 1..wanted.names.len() {
                let above = wanted.names.get(..length).unwrap_or_default().to_vec();
                collected.insert((found.node, (above, None)));
            }
            passed.entry((found.node, key(wanted))).or_insert(place);
        }
        for (place, found) in matches.iter_mut().enumerate() {
            let node = found.node;
            let Some(wanted) = &mut found.wanted else {
                continue;
            };
            let key = (node, key(wanted));
            wanted.only_functions = collected.contains(&key) || passed.get(&key) != Some(&place);
        }
    }

    /// `Session.genitems`, without recursion.
    fn generate(&mut self, found: Match, bound: &mut usize) {
        if found.wanted.is_some() {
            self.emit(found.node, found.wanted);
            return;
        }
        let drops_duplicates = !self.config.version.at_least(9, 0) && !self.config.keep_duplicates;
        let mut stack = vec![vec![found.node].into_iter()];
        while let Some(level) = stack.last_mut() {
            let Some(node) = level.next() else {
                stack.pop();
                continue;
            };
            if let Some(Node::File(file)) = self.tree.nodes.get_mut(node) {
                let collected = std::mem::replace(&mut file.collected, true);
                if !(collected && drops_duplicates) {
                    self.emit(node, None);
                }
                continue;
            }
            if self.tree.is_cycle(node) {
                let place = self.representation(node);
                let reason = "a link leads to a folder above it, over and over";
                self.layout.unknown.push(existence(reason, &place));
                continue;
            }
            match self.tree.collect(node, false) {
                Collected::Unreadable => self.doubt_unreadable(node),
                Collected::Children { duplicate, .. } if duplicate && drops_duplicates => {}
                Collected::Children { children, .. } => {
                    self.bind_conftests(bound);
                    stack.push(children.into_iter());
                }
            }
        }
    }

    fn emit(&mut self, node: NodeIndex, wanted: Option<Wanted>) {
        if let (Some(wanted), true, Some(file)) = (
            wanted.as_ref(),
            self.last == Some(node),
            self.layout.files.last_mut(),
        ) && !file.wanted.is_empty()
        {
            file.wanted.push(wanted.clone());
            return;
        }
        let Some(Node::File(file)) = self.tree.nodes.get(node) else {
            return;
        };
        let (path, id, role) = (file.path.clone(), file.id.clone(), file.role);
        let mut unknown: Vec<Unknown> = file.doubts.to_vec();
        let above = file
            .parent
            .and_then(|index| match self.tree.nodes.get(index) {
                Some(Node::Folder(folder)) => Some(folder),
                _ => None,
            });
        let (conftests, folders) = match above {
            Some(folder) => (folder.conftests.clone(), folder.chain.clone()),
            None => (
                self.tree
                    .conftests
                    .above(path.parent().unwrap_or(&path))
                    .into(),
                std::sync::Arc::default(),
            ),
        };
        let module = if role == FileRole::DoctestText {
            ModuleName {
                root: path.parent().unwrap_or(&path).to_path_buf(),
                name: String::new(),
            }
        } else {
            let (module, refused) = self.import(&path);
            unknown.extend(refused.map(|reason| existence(&reason, &id)));
            module
        };
        self.last = Some(node);
        self.layout.files.push(LayoutFile {
            path,
            id,
            role,
            conftests,
            folders,
            module,
            wanted: wanted.into_iter().collect(),
            unknown,
        });
    }

    fn import(&mut self, path: &Path) -> (ModuleName, Option<String>) {
        let module = self.imports.name(path);
        if let Some(known) = self.refused.get(path) {
            return (module, known.clone());
        }
        let refused = self.imports.take(path, &module);
        self.refused.insert(path.to_path_buf(), refused.clone());
        (module, refused)
    }

    /// Takes the names of conftests that have been loaded since the last call.
    fn bind_conftests(&mut self, bound: &mut usize) {
        while let Some(conftest) = self.tree.conftests.loaded.get(*bound) {
            let module = self.imports.name(conftest);
            if let Some(reason) = self.imports.take(conftest, &module) {
                let place = conftest.to_string_lossy();
                self.layout.unknown.push(existence(&reason, &place));
            }
            *bound += 1;
        }
    }

    /// A conftest that is a module of tests too: which one `conftest` is by then depends
    /// on what was loaded last.
    fn doubt_conftest_modules(&mut self) {
        for file in &mut self.layout.files {
            if file.module.name == "conftest" && self.tree.conftests.loaded.len() != 1 {
                let reason = "of several conftests, one is the module `conftest`";
                file.unknown.push(existence(reason, &file.id));
            }
        }
    }

    fn doubt_unreadable(&mut self, node: NodeIndex) {
        let place = self.representation(node);
        self.layout
            .unknown
            .push(existence("a folder cannot be listed", &place));
    }

    fn path_of(&self, node: NodeIndex) -> Option<&Path> {
        match self.tree.nodes.get(node)? {
            Node::Folder(folder) => Some(&folder.node.path),
            Node::File(file) => Some(&file.path),
        }
    }

    /// `repr` of a node.
    fn representation(&self, node: NodeIndex) -> String {
        match self.tree.nodes.get(node) {
            Some(Node::Folder(folder)) if folder.node.is_package => {
                format!("<Package {}>", folder.node.name)
            }
            Some(Node::Folder(folder)) => format!("<Dir {}>", folder.node.name),
            _ => SESSION.to_owned(),
        }
    }
}

/// `repr` of the session while it collects.
const SESSION: &str = "<Session  exitstatus=<ExitCode.OK: 0> testsfailed=0 testscollected=0>";
