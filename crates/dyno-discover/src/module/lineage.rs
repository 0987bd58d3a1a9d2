//! A class with its ancestors, and what their marks and decorators say.

use super::classes::has_own;
use super::decorators::{classify_patch, may_be_mark};
use super::walk::Suite;
use crate::mark::{Mark, MarkList};
use crate::rules::Place;
use dyno_python::{ClassRef, Reason, Value};

/// A class and its ancestors, as far as they hold anything that a test could be.
#[derive(Debug)]
pub(crate) struct Lineage {
    /// The `__mro__` without classes from outside, the class itself first.
    pub(crate) classes: Vec<ClassRef>,
    /// Its marks with those of its ancestors, as `get_unpacked_marks` gives them.
    pub(crate) marks: MarkList,
    /// How many arguments `mock.patch` on the class fills in each of its own test methods.
    pub(crate) patched: usize,
    /// `@unittest.skip` on it or an ancestor.
    pub(crate) skipped: bool,
}
/// Marks, class decorators, and what they do, of the class and its ancestors.
pub(super) fn lineage(suite: &Suite<'_>, classes: Vec<ClassRef>) -> Result<Lineage, Reason> {
    let world = &suite.world;
    let mut marks = MarkList::default();
    let mut patched = 0;
    let mut skipped = false;
    for (index, class) in classes.iter().enumerate().rev() {
        marks.extend(own_marks(suite, class));
        let Some(written) = world.class(class) else {
            return Err(Reason::new(
                "is not written as a class",
                &class.module,
                class.offset,
            ));
        };
        for (name, value) in &written.keywords {
            let is_abc = matches!(value, Value::External(name) if &**name == "abc.ABCMeta");
            if &**name == "metaclass" && is_abc || &**name == "total" {
                continue;
            }
            return Err(Reason::new(
                format!("has the class keyword `{name}`"),
                &class.module,
                class.offset,
            ));
        }
        for decorator in written.decorators.iter().rev() {
            let place = place_of(class);
            match class_decorator(decorator, &place)? {
                ClassDecorator::Mark(mark) => marks.marks.push(*mark),
                ClassDecorator::Nothing | ClassDecorator::Init => {}
                ClassDecorator::Skip => skipped = true,
                ClassDecorator::Patch(filled) if index == 0 => patched += filled,
                ClassDecorator::Patch(_) => {
                    return Err(place.reason("derives from a class that is patched as a whole"));
                }
            }
        }
    }
    Ok(Lineage {
        classes,
        marks,
        patched,
        skipped,
    })
}

pub(super) fn place_of(class: &ClassRef) -> Place {
    Place {
        file: class.module.file.clone(),
        line: class.module.line(class.offset),
    }
}

/// `pytestmark` of one class body.
pub(super) fn own_marks(suite: &Suite<'_>, class: &ClassRef) -> MarkList {
    if !has_own(class, "pytestmark") {
        return MarkList::default();
    }
    match suite.world.class_attribute(class, "pytestmark") {
        Some(value) => MarkList::from_value(&value, &place_of(class)),
        None => MarkList::default(),
    }
}

/// What a decorator does to a class.
pub(super) enum ClassDecorator {
    Mark(Box<Mark>),
    /// Gives it an `__init__`.
    Init,
    Skip,
    Patch(usize),
    Nothing,
}

/// What a decorator does to a class.
pub(super) fn class_decorator(value: &Value, place: &Place) -> Result<ClassDecorator, Reason> {
    if may_be_mark(value)
        && let Some(mark) = Mark::from_value(value, place)?
    {
        return Ok(ClassDecorator::Mark(Box::new(mark)));
    }
    let name = match value {
        Value::External(name) => name,
        Value::Call(call) => match &call.function {
            Value::External(name) => name,
            other => return Err(unsettled(other, place)),
        },
        other => return Err(unsettled(other, place)),
    };
    Ok(match &**name {
        "dataclasses.dataclass"
        | "attr.s"
        | "attr.attrs"
        | "attr.define"
        | "attr.frozen"
        | "attr.mutable"
        | "attrs.define"
        | "attrs.frozen"
        | "attrs.mutable" => ClassDecorator::Init,
        "unittest.skip" | "unittest.skipIf" | "unittest.skipUnless" => ClassDecorator::Skip,
        "typing.final"
        | "typing.runtime_checkable"
        | "typing_extensions.final"
        | "functools.total_ordering" => ClassDecorator::Nothing,
        "unittest.mock.patch"
        | "unittest.mock.patch.object"
        | "mock.patch"
        | "mock.patch.object" => match classify_patch(value, place) {
            Ok(filled) => ClassDecorator::Patch(filled),
            Err(reason) => return Err(reason),
        },
        "unittest.mock.patch.dict" | "mock.patch.dict" => ClassDecorator::Patch(0),
        name => return Err(place.reason(format!("is decorated by `{name}`"))),
    })
}

fn unsettled(value: &Value, place: &Place) -> Reason {
    value
        .first_unknown()
        .cloned()
        .unwrap_or_else(|| place.reason("is decorated by something that the text does not settle"))
}
