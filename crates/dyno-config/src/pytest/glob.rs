//! `glob.iglob(pattern, recursive=True)` of Python, for `testpaths`.

use dyno_model::{FileKind, Files, Fnmatch, FolderEntry, absolute_path};
use std::path::Path;

/// No folder is looked into below this many of `**`: a link that leads up ends there.
const DEPTH: usize = 64;

/// What a pattern finds below `folder`, sorted, each as Python would spell it.
pub(super) fn glob(pattern: &str, folder: &Path, files: &dyn Files) -> Vec<String> {
    let search = Search { folder, files };
    let mut found = search.paths(pattern, false, 0);
    // What `**` finds first is the empty path, which Python leaves out.
    found.retain(|path| !path.is_empty());
    found.sort();
    found
}

struct Search<'a> {
    folder: &'a Path,
    files: &'a dyn Files,
}

impl Search<'_> {
    fn paths(&self, pattern: &str, only_folders: bool, depth: usize) -> Vec<String> {
        let (above, name) = split(pattern);
        if !has_magic(pattern) {
            let is_there = if name.is_empty() {
                self.is_folder(above)
            } else {
                self.is_there(pattern)
            };
            return is_there.then(|| pattern.to_owned()).into_iter().collect();
        }
        if above.is_empty() {
            return self.names(above, name, only_folders);
        }
        let folders = if above != pattern && has_magic(above) && depth < DEPTH {
            self.paths(above, true, depth + 1)
        } else {
            vec![above.to_owned()]
        };
        let mut found = Vec::new();
        for folder in folders {
            let names = self.names(&folder, name, only_folders);
            found.extend(names.into_iter().map(|name| join(&folder, &name)));
        }
        found
    }

    /// Names in one folder: `_glob0`, `_glob1` and `_glob2`.
    fn names(&self, folder: &str, pattern: &str, only_folders: bool) -> Vec<String> {
        if pattern == "**" {
            let mut found = Vec::new();
            if folder.is_empty() || self.is_folder(folder) {
                found.push(String::new());
                self.below(folder, "", only_folders, 0, &mut found);
            }
            return found;
        }
        if !has_magic(pattern) {
            let is_there = if pattern.is_empty() {
                self.is_folder(folder)
            } else {
                self.is_there(&join(folder, pattern))
            };
            return is_there.then(|| pattern.to_owned()).into_iter().collect();
        }
        let compiled = Fnmatch::new(pattern);
        let mut names = self.list(folder, only_folders);
        names.retain(|name| {
            (pattern.starts_with('.') || !name.starts_with('.')) && compiled.matches(name)
        });
        names
    }

    /// Everything below a folder but what is hidden: `_rlistdir`.
    fn below(
        &self,
        folder: &str,
        prefix: &str,
        only_folders: bool,
        depth: usize,
        found: &mut Vec<String>,
    ) {
        if depth >= DEPTH {
            return;
        }
        for name in self.list(folder, only_folders) {
            if !name.starts_with('.') {
                let relative = join(prefix, &name);
                found.push(relative.clone());
                self.below(
                    &join(folder, &name),
                    &relative,
                    only_folders,
                    depth + 1,
                    found,
                );
            }
        }
    }

    fn list(&self, folder: &str, only_folders: bool) -> Vec<String> {
        let listed = self.files.list(&absolute_path(self.folder, folder));
        listed
            .iter()
            .flat_map(|entries| entries.iter())
            .filter(|entry| !only_folders || entry.kind == Some(FileKind::Folder))
            .map(|entry| entry.name.to_string_lossy().into_owned())
            .collect()
    }

    fn is_folder(&self, path: &str) -> bool {
        self.files.kind(&absolute_path(self.folder, path)) == Some(FileKind::Folder)
    }

    /// `lexists`: a link to nowhere is there too.
    fn is_there(&self, path: &str) -> bool {
        let path = absolute_path(self.folder, path);
        if self.files.kind(&path).is_some() {
            return true;
        }
        let listed = path.parent().and_then(|above| self.files.list(above));
        let is_it = |entry: &FolderEntry| Some(entry.name.as_os_str()) == path.file_name();
        listed.is_some_and(|entries| entries.iter().any(is_it))
    }
}

fn has_magic(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// `os.path.split`.
fn split(path: &str) -> (&str, &str) {
    let at = path.rfind('/').map_or(0, |at| at + 1);
    let (above, name) = path.split_at(at);
    let trimmed = above.trim_end_matches('/');
    (if trimmed.is_empty() { above } else { trimmed }, name)
}

/// `os.path.join`.
fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() || folder.ends_with('/') {
        format!("{folder}{name}")
    } else {
        format!("{folder}/{name}")
    }
}
