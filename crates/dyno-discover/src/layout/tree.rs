//! The nodes above and for files, and the collecting of folders.
//!
//! A folder's result is kept as pytest keeps it (`Session._collection_cache`): which nodes
//! are the same decides, before 9.0, what is dropped as a duplicate.

use super::conftests::{Conftests, Ignored};
use super::existence;
use super::rules::Rules;
use super::types::{CollectIgnore, FileRole, FolderNode};
use dyno_model::{FileKind, Files, FolderEntry, PytestConfig, Unknown, python_text};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A place in [`Tree::nodes`].
pub(super) type NodeIndex = usize;

pub(super) enum Node {
    Folder(Folder),
    File(File),
}

pub(super) struct Folder {
    pub(super) node: FolderNode,
    /// Those above and itself, outermost first.
    pub(super) chain: Arc<[FolderNode]>,
    pub(super) conftests: Arc<[PathBuf]>,
    ignored: Ignored,
    doubts: Arc<[Unknown]>,
    /// Where it leads to, links resolved, and the same of those above.
    real: Arc<[PathBuf]>,
    children: Option<Vec<NodeIndex>>,
}

pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) id: String,
    pub(super) role: FileRole,
    pub(super) parent: Option<NodeIndex>,
    pub(super) doubts: Arc<[Unknown]>,
    /// pytest has looked into it, for an argument or to take all of it.
    pub(super) collected: bool,
}

/// Where a node is to stand.
struct Place {
    path: PathBuf,
    parent: Option<NodeIndex>,
    is_link: bool,
    doubts: Arc<[Unknown]>,
}

impl Place {
    fn top(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            parent: None,
            is_link: false,
            doubts: Arc::default(),
        }
    }
}

/// What became of a folder.
pub(super) enum Collected {
    /// It was listed, now or (`duplicate`) before.
    Children {
        children: Vec<NodeIndex>,
        duplicate: bool,
    },
    /// It cannot be listed: pytest reports an error.
    Unreadable,
}

/// All nodes, and what they are made by.
pub(super) struct Tree<'a> {
    pub(super) config: &'a PytestConfig,
    files: &'a dyn Files,
    ignored: &'a dyn Fn(&Path) -> CollectIgnore,
    asked: HashMap<PathBuf, CollectIgnore>,
    pub(super) conftests: Conftests<'a>,
    pub(super) nodes: Vec<Node>,
    pub(super) initial: HashSet<PathBuf>,
    pub(super) initial_with_parents: HashSet<PathBuf>,
    pub(super) unknown: Vec<Unknown>,
    rules: Rules<'a>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(
        config: &'a PytestConfig,
        files: &'a dyn Files,
        ignored: &'a dyn Fn(&Path) -> CollectIgnore,
    ) -> Self {
        Self {
            config,
            files,
            ignored,
            asked: HashMap::new(),
            conftests: Conftests::new(config, files),
            nodes: Vec::new(),
            initial: HashSet::new(),
            initial_with_parents: HashSet::new(),
            unknown: Vec::new(),
            rules: Rules::new(config, files),
        }
    }

    /// `Session._collect_path`: the node at the top of an argument's path.
    pub(super) fn top(&mut self, path: &Path) -> Option<NodeIndex> {
        let text = path.to_string_lossy().into_owned();
        let name = path.file_name().unwrap_or_default().to_os_string();
        match self.files.kind(path)? {
            FileKind::Folder => {
                let listed = self.files.list(path);
                Some(self.add_folder(Place::top(path), listed.as_deref()))
            }
            FileKind::File => {
                let is_initial = self.initial.contains(path);
                let name = name.to_string_lossy();
                let role = self.rules.role(path, &text, &name, is_initial)?;
                Some(self.add_file(Place::top(path), role))
            }
            FileKind::Other => None,
        }
    }

    /// `Dir.collect` and `Package.collect`. With `anew` an earlier result is not used: its
    /// files become new nodes (`handle_dupes=False`).
    pub(super) fn collect(&mut self, index: NodeIndex, anew: bool) -> Collected {
        let Some(Node::Folder(folder)) = self.nodes.get(index) else {
            return Collected::Unreadable;
        };
        let known = folder.children.clone();
        if let (Some(children), false) = (&known, anew) {
            return Collected::Children {
                children: children.clone(),
                duplicate: true,
            };
        }
        let path = folder.node.path.clone();
        for conftest in Arc::clone(&folder.conftests).iter() {
            self.conftests.load(conftest);
        }
        let Some(listed) = self.files.list(&path) else {
            return Collected::Unreadable;
        };
        let mut children = self.collect_entries(index, &path, &listed);
        if let (Some(before), true) = (known, self.config.version.at_least(9, 2)) {
            self.keep_folders(&before, &mut children);
        }
        if let Some(Node::Folder(folder)) = self.nodes.get_mut(index) {
            folder.children = Some(children.clone());
        }
        Collected::Children {
            children,
            duplicate: false,
        }
    }

    /// 9.2 keeps the folders among the nodes of an earlier result.
    fn keep_folders(&self, before: &[NodeIndex], children: &mut [NodeIndex]) {
        let folder_path = |index: &NodeIndex| match self.nodes.get(*index) {
            Some(Node::Folder(folder)) => Some(&folder.node.path),
            _ => None,
        };
        let known: HashMap<&PathBuf, NodeIndex> = before
            .iter()
            .filter_map(|index| Some((folder_path(index)?, *index)))
            .collect();
        for child in children {
            if let Some(index) = folder_path(child).and_then(|path| known.get(path)) {
                *child = *index;
            }
        }
    }

    fn collect_entries(
        &mut self,
        index: NodeIndex,
        path: &Path,
        listed: &[FolderEntry],
    ) -> Vec<NodeIndex> {
        let Some(Node::Folder(folder)) = self.nodes.get(index) else {
            return Vec::new();
        };
        let ignored = folder.ignored.clone();
        let inherited = Arc::clone(&folder.doubts);
        let mut doubts: Vec<Unknown> = inherited.to_vec();
        doubts.extend(
            ignored
                .doubts()
                .map(|reason| existence(reason, &folder.node.id)),
        );
        let here: Arc<[Unknown]> = doubts.into();
        let is_init = |entry: &&FolderEntry| entry.name == "__init__.py";
        let (first, rest): (Vec<_>, Vec<_>) = if folder.node.is_package {
            listed.iter().partition(is_init)
        } else {
            (Vec::new(), listed.iter().collect())
        };
        let mut children = Vec::new();
        for entry in first.into_iter().chain(rest) {
            let path = path.join(&entry.name);
            let (is_folder, initial) = match entry.kind {
                Some(FileKind::Folder) => (true, &self.initial_with_parents),
                Some(FileKind::File) => (false, &self.initial),
                Some(FileKind::Other) | None => continue,
            };
            // 8.1 began to let an argument name such a folder.
            if is_folder && entry.name == "__pycache__" && !self.config.version.at_least(8, 1) {
                continue;
            }
            let is_initial = initial.contains(&path);
            let place = Place {
                path,
                parent: Some(index),
                is_link: entry.is_link,
                doubts: Arc::clone(if is_initial { &inherited } else { &here }),
            };
            children.extend(if is_folder {
                self.take_folder(place, is_initial, &ignored)
            } else {
                self.take_file(place, is_initial, &ignored)
            });
        }
        children
    }

    fn take_file(
        &mut self,
        place: Place,
        is_initial: bool,
        ignored: &Ignored,
    ) -> Option<NodeIndex> {
        let text = place.path.to_string_lossy();
        let name = place.path.file_name().unwrap_or_default().to_string_lossy();
        let role = self.rules.role(&place.path, &text, &name, is_initial)?;
        let is_ignored = !is_initial
            && (name == "__pycache__" || self.rules.is_ignored(&place.path, &text, ignored));
        if is_ignored {
            return None;
        }
        let doubt = ignored.doubt(&place.path, &text).filter(|_| !is_initial);
        drop((text, name));
        Some(self.add_file(self.doubted(place, doubt), role))
    }

    /// The place, with one more doubt about what is there.
    fn doubted(&self, place: Place, reason: Option<&str>) -> Place {
        let Some(reason) = reason else {
            return place;
        };
        let below = place.path.strip_prefix(&self.config.rootdir);
        let shown = below.unwrap_or(&place.path).to_string_lossy();
        let doubt = existence(reason, &shown);
        Place {
            doubts: place.doubts.iter().cloned().chain([doubt]).collect(),
            ..place
        }
    }

    fn take_folder(
        &mut self,
        mut place: Place,
        is_initial: bool,
        ignored: &Ignored,
    ) -> Option<NodeIndex> {
        if !is_initial {
            let text = place.path.to_string_lossy();
            let name = place.path.file_name().unwrap_or_default().to_string_lossy();
            if name == "__pycache__"
                || self.rules.is_skipped_folder(&text, &name)
                || self.rules.is_ignored(&place.path, &text, ignored)
            {
                return None;
            }
            let doubt = ignored.doubt(&place.path, &text);
            drop((text, name));
            place = self.doubted(place, doubt);
        }
        let listed = self.files.list(&place.path);
        if !is_initial
            && !self.config.collect_in_virtualenv
            && let Some(entries) = listed.as_deref()
            && self.rules.is_virtualenv(&place.path, entries)
        {
            return None;
        }
        Some(self.add_folder(place, listed.as_deref()))
    }

    fn add_file(&mut self, place: Place, role: FileRole) -> NodeIndex {
        let Place {
            path,
            parent,
            doubts,
            ..
        } = place;
        let name = path.file_name().unwrap_or_default();
        let id = self.node_id(&path, parent, &python_text(name));
        let doubts = if name.to_str().is_some() {
            doubts
        } else {
            let why = existence("its name is not UTF-8", &id);
            doubts.iter().cloned().chain([why]).collect()
        };
        self.nodes.push(Node::File(File {
            path,
            id,
            role,
            parent,
            doubts,
            collected: false,
        }));
        self.nodes.len() - 1
    }

    fn add_folder(&mut self, place: Place, listed: Option<&[FolderEntry]>) -> NodeIndex {
        let Place {
            path,
            parent,
            is_link,
            doubts,
        } = place;
        let has = |name: &str| {
            let is_it =
                |entry: &FolderEntry| entry.name == name && entry.kind == Some(FileKind::File);
            listed.is_some_and(|entries| entries.iter().any(is_it))
        };
        let name = self.folder_name(&path, parent);
        let node = FolderNode {
            id: self.node_id(&path, parent, &name),
            name,
            is_package: has("__init__.py"),
            path: path.clone(),
        };
        let above = match parent.and_then(|index| self.nodes.get(index)) {
            Some(Node::Folder(folder)) => Some(folder),
            _ => None,
        };
        let mut ignored = above
            .map(|folder| folder.ignored.clone())
            .unwrap_or_default();
        let mut chain: Vec<_> = above
            .map(|folder| folder.chain.to_vec())
            .unwrap_or_default();
        let mut real: Vec<_> = above.map(|folder| folder.real.to_vec()).unwrap_or_default();
        chain.push(node.clone());
        // Only a link leads elsewhere than to below the folder that it is in.
        let own_real = match real.last() {
            Some(last) if !is_link => last.join(path.file_name().unwrap_or_default()),
            _ => self.files.canonical(&path),
        };
        real.push(own_real);
        let own = has("conftest.py") && self.conftests.applies_to(&path);
        let conftests = match above {
            Some(folder) if !own => Arc::clone(&folder.conftests),
            Some(folder) => folder
                .conftests
                .iter()
                .cloned()
                .chain([path.join("conftest.py")])
                .collect(),
            None => self.conftests.above(&path).into(),
        };
        let new = match above {
            Some(_) => usize::from(own),
            None => conftests.len(),
        };
        for conftest in conftests.iter().skip(conftests.len() - new) {
            let said = self
                .asked
                .entry(conftest.clone())
                .or_insert_with(|| (self.ignored)(conftest));
            ignored = ignored.with(conftest, said);
        }
        self.nodes.push(Node::Folder(Folder {
            node,
            chain: chain.into(),
            conftests,
            ignored,
            doubts,
            real: real.into(),
            children: None,
        }));
        self.nodes.len() - 1
    }

    /// Whether a folder leads, by a link, to one that it lies in.
    pub(super) fn is_cycle(&self, index: NodeIndex) -> bool {
        match self.nodes.get(index) {
            Some(Node::Folder(folder)) => folder
                .real
                .split_last()
                .is_some_and(|(own, above)| above.contains(own)),
            _ => false,
        }
    }
}
