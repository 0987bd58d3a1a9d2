//! Modules that change what others made: see [`dyno_python::Change`].
//!
//! What a file sees is changed by its conftests, by what these import and by what the file
//! imports. What another test file changes on import counts only if both are collected, in
//! that order: of functions and classes, which bear marks, it is told ([`crossings`]); of
//! other values it is not followed, as a suite that depends on it cannot run its files alone.

use crate::layout::LayoutFile;
use crate::mark::Mark;
use crate::module::{Suite, matches, unknown};
use crate::rules::Place;
use dyno_model::{Doubt, FileTests, Thing, Touch, Unknown};
use dyno_python::{Closure, Module, Touching, Value};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What a conftest or an imported module changes of a third one, if the file, or another
/// module that it sees, has to do with it; and what of functions and classes is changed,
/// by the file too.
pub(crate) fn changed_elsewhere(
    suite: &Suite<'_>,
    file: &Arc<Module>,
    closure: &Closure,
    tests: &mut FileTests,
) {
    let paths = closure.present.iter().filter(|path| **path != file.path);
    let others: Vec<_> = paths
        .filter_map(|path| suite.world.load(path).ok())
        .collect();
    tests.unknown.extend(changed_values(suite, file, &others));
    let mut touches = BTreeSet::new();
    for module in others.iter().chain([file]) {
        touches.extend(touches_of(suite, module));
    }
    let concerns = |touch: &&Touch| tests.are_made_of(&touch.thing, &file.file);
    let concern = touches.iter().find(concerns).map(doubt);
    tests.unknown.extend(concern);
    tests.shared.touches = touches.into_iter().collect();
    tests.leave_out_own(&file.file);
}

fn changed_values(
    suite: &Suite<'_>,
    file: &Arc<Module>,
    others: &[Arc<Module>],
) -> Option<Unknown> {
    for changer in others {
        for change in suite.world.changes(changer).iter() {
            let mut beside = others.iter().filter(|other| other.path != changer.path);
            if change.concerns(file) || beside.any(|other| change.concerns(other)) {
                let doubt = Doubt::Existence;
                return Some(unknown(suite.config, doubt, &change.reason));
            }
        }
    }
    None
}

/// What a module does to functions and classes.
fn touches_of(suite: &Suite<'_>, module: &Arc<Module>) -> Vec<Touch> {
    let config = suite.config;
    let touching = Touching {
        changes_argument: is_mark,
        matters: &|name| {
            matches(&config.python_functions, name)
                || matches(&config.python_classes, name)
                || name.starts_with("test")
                || name == "pytestmark"
        },
        attribute: "pytestmark",
    };
    let all = suite.world.touched(module, touching);
    let all = all.iter().map(|touched| {
        let Unknown { reason, at, .. } = unknown(config, Doubt::Markers, &touched.reason);
        Touch {
            thing: Thing {
                file: touched.path.to_string_lossy().into_owned(),
                name: touched.name.as_deref().unwrap_or_default().to_owned(),
            },
            reason,
            at,
        }
    });
    all.collect()
}

/// Whether calling it with a function or class may put a mark on that.
fn is_mark(callee: &Value) -> bool {
    let nowhere = Place {
        file: "".into(),
        line: 0,
    };
    match callee {
        Value::External(name) => name.starts_with("pytest.mark."),
        Value::Call(call) => {
            matches!(&call.function, Value::External(name) if &**name == "builtins.getattr")
                || !matches!(Mark::from_value(callee, &nowhere), Ok(None))
                    && is_mark(&call.function)
        }
        Value::Attribute(of) => is_mark(&of.0),
        _ => false,
    }
}

fn doubt(touch: &Touch) -> Unknown {
    Unknown {
        at: touch.at.clone(),
        ..Unknown::new(Doubt::Existence, &touch.reason)
    }
}

/// Of files that are collected together, what one changes of the functions and classes that
/// another's tests are made of, without the other knowing. Such files cannot be told of, nor
/// collected, one without the other.
pub fn crossings<'t>(
    files: impl IntoIterator<Item = (&'t LayoutFile, &'t FileTests)>,
) -> Vec<(usize, Unknown)> {
    let files: Vec<_> = files.into_iter().collect();
    let mut touches: HashMap<&Touch, usize> = HashMap::new();
    for (_, tests) in &files {
        for touch in &tests.shared.touches {
            *touches.entry(touch).or_default() += 1;
        }
    }
    // What all files see is known to all.
    touches.retain(|_, seen| *seen < files.len());
    let mut crossings = Vec::new();
    if touches.is_empty() {
        return crossings;
    }
    let mut by_file: HashMap<&str, Vec<&Touch>> = HashMap::new();
    for touch in touches.into_keys() {
        by_file.entry(&touch.thing.file).or_default().push(touch);
    }
    for (index, (file, tests)) in files.iter().enumerate() {
        let path = file.path.to_string_lossy();
        let uses = tests.shared.uses.iter().map(|thing| thing.file.as_str());
        let sources: BTreeSet<&str> = uses.chain([&*path]).collect();
        let mut touches = sources
            .iter()
            .flat_map(|source| by_file.get(source).into_iter().flatten());
        let unseen = touches.find(|touch| {
            !tests.shared.touches.contains(touch) && tests.are_made_of(&touch.thing, &path)
        });
        crossings.extend(unseen.map(|touch| (index, doubt(touch))));
    }
    crossings
}
