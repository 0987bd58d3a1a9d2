//! A node of the tree of a module: the module itself, or a class in it.

use crate::fixture::Layer;
use crate::mark::MarkList;
use crate::module::lineage::Lineage;
use dyno_python::ClassRef;

/// How deep classes in classes are followed.
pub(super) const DEPTH: usize = 64;

/// A node whose children are collected: a module or a class in it.
pub(super) struct Node<'n> {
    /// `tests/test_a.py::TestA`.
    pub(super) id: String,
    /// `TestA`; empty for a module.
    pub(super) domain: String,
    /// The fixtures that are seen here, outermost first.
    pub(super) layers: Vec<&'n Layer>,
    /// The marks of this node and those above, innermost first.
    pub(super) marks: Vec<&'n MarkList>,
    /// How many arguments a patched class fills, and whether this is a class.
    pub(super) patched: usize,
    pub(super) in_class: bool,
    /// Where the class is written, if it is one.
    pub(super) class: Option<&'n dyno_python::ClassRef>,
    pub(super) depth: usize,
}

impl<'n> Node<'n> {
    /// The node of a class in this one.
    pub(super) fn inner<'m>(
        &'m self,
        name: &str,
        layer: &'m Layer,
        lineage: &'m Lineage,
        class: &'m ClassRef,
        patched: usize,
    ) -> Node<'m>
    where
        'n: 'm,
    {
        let mut layers = self.layers.clone();
        layers.push(layer);
        let mut all = vec![&lineage.marks];
        all.extend(&self.marks);
        Node {
            id: format!("{}::{name}", self.id),
            domain: match self.domain.as_str() {
                "" => name.to_owned(),
                outer => format!("{outer}.{name}"),
            },
            layers,
            marks: all,
            patched,
            in_class: true,
            class: Some(class),
            depth: self.depth + 1,
        }
    }
}

/// `__qualname__` of a class.
pub(super) fn qualname(class: &ClassRef) -> String {
    let names = class.module.classes_around(class.offset);
    let names: Vec<_> = names
        .iter()
        .filter_map(|&offset| class.module.class_at(offset))
        .map(|definition| definition.name.as_str())
        .collect();
    names.join(".")
}
