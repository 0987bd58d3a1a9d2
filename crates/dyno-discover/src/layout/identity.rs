//! Names and node ids of files and folders.

use super::existence;
use super::tree::{Node, NodeIndex, Tree};
use dyno_model::python_text;
use std::path::Path;

impl Tree<'_> {
    /// `FSCollector.__init__`: the path from the parent, which is the session for the
    /// topmost.
    pub(super) fn folder_name(&self, path: &Path, parent: Option<NodeIndex>) -> String {
        let own = path.file_name().unwrap_or_default();
        let above = match parent.and_then(|index| self.nodes.get(index)) {
            Some(Node::Folder(folder)) => folder.node.path.as_path(),
            _ => self.config.rootdir.as_path(),
        };
        let name = match path.strip_prefix(above) {
            Ok(relative) if path != above => relative.as_os_str(),
            _ => own,
        };
        python_text(name).into_owned()
    }

    /// The node id of a path: from the root directory, else from the argument that holds
    /// it, else below the parent's.
    pub(super) fn node_id(&mut self, path: &Path, parent: Option<NodeIndex>, name: &str) -> String {
        if let Ok(relative) = path.strip_prefix(&self.config.rootdir) {
            if relative.as_os_str().is_empty() {
                return ".".to_owned();
            }
            return python_text(relative.as_os_str()).into_owned();
        }
        let mut holders = path
            .ancestors()
            .filter(|above| self.initial.contains(*above));
        if let Some(nearest) = holders.next() {
            let relative = path.strip_prefix(nearest).unwrap_or(path);
            let id = python_text(relative.as_os_str()).into_owned();
            // Before 8.4 any argument that holds it was taken, in the order of a set.
            if holders.next().is_some() && !self.config.version.at_least(8, 4) {
                let reason = "lies in two arguments outside of the root directory";
                self.unknown
                    .push(existence(reason, &python_text(path.as_os_str())));
            }
            return id;
        }
        let above = match parent.and_then(|index| self.nodes.get(index)) {
            Some(Node::Folder(folder)) => folder.node.id.as_str(),
            _ => "",
        };
        format!("{above}::{name}")
    }
}
