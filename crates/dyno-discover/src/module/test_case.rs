//! The test methods of a `unittest.TestCase`, as `TestLoader.getTestCaseNames` finds them.

use super::function::{Decorated, Definition, read};
use super::lineage::Lineage;
use super::object::{Object, of_class};
use super::walk::Suite;
use dyno_python::{Function, Reason};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A test method.
#[derive(Debug)]
pub(crate) struct Method {
    pub(crate) name: Arc<str>,
    pub(crate) function: Function,
    pub(crate) decorated: Box<Decorated>,
    /// Why it may not be there, or be something else.
    pub(crate) maybe: Option<Reason>,
}

/// What a test case holds.
#[derive(Debug, Default)]
pub(crate) struct Methods {
    /// Sorted by name.
    pub(crate) found: Vec<Method>,
    /// Why there may be others.
    pub(crate) doubts: Vec<Reason>,
}

/// The methods whose names begin with `test`; where there are none, `runTest`.
pub(crate) fn methods(suite: &Suite<'_>, lineage: &Lineage) -> Methods {
    let mut methods = named(suite, lineage, |name| name.starts_with("test"));
    if methods.found.is_empty() && methods.doubts.is_empty() {
        methods = named(suite, lineage, |name| name == "runTest");
    }
    methods
}

fn named(suite: &Suite<'_>, lineage: &Lineage, wanted: impl Fn(&str) -> bool) -> Methods {
    let mut by_name: BTreeMap<Arc<str>, Option<Method>> = BTreeMap::new();
    let mut doubts = Vec::new();
    for class in &lineage.classes {
        let names = suite.world.class_names(class);
        doubts.extend(names.doubts);
        for entry in names.entries {
            if !wanted(&entry.name) || by_name.contains_key(&entry.name) {
                continue;
            }
            let mut maybe = entry.maybe;
            let method = match of_class(&suite.world, class, &entry.name) {
                Object::Function(function, context) => {
                    match read(&function, &context, &suite.world) {
                        Some(Definition::Function(decorated)) => Some((function, decorated)),
                        Some(Definition::Unknown(decorated, reason)) => {
                            maybe.get_or_insert(reason);
                            Some((function, decorated))
                        }
                        _ => None,
                    }
                }
                Object::Unknown(reason) => {
                    doubts.push(reason);
                    None
                }
                Object::Class(_) | Object::ExternalClass(_) => {
                    // Callable, so the loader takes it for a test.
                    doubts.push(Reason::new(
                        format!("`{}` is a class under a test's name", entry.name),
                        &class.module,
                        class.offset,
                    ));
                    None
                }
                Object::Nothing => None,
            };
            let method = method.map(|(function, decorated)| Method {
                name: entry.name.clone(),
                function,
                decorated,
                maybe,
            });
            by_name.insert(entry.name, method);
        }
    }
    Methods {
        found: by_name.into_values().flatten().collect(),
        doubts,
    }
}
