//! The fixtures that a module, a conftest or a class defines.

use super::function::{Definition, argnames, read};
use super::object::{Object, of_class, of_module};
use super::walk::Suite;
use crate::fixture::{FixtureParams, FixtureSignature, Layer, LayerBuilder, XunitNames};
use crate::rules::Place;
use dyno_python::{ClassRef, Module, Parameter, Reason, World};
use std::collections::HashSet;
use std::sync::Arc;

const XUNIT_MODULE: [&str; 4] = [
    "setUpModule",
    "setup_module",
    "tearDownModule",
    "teardown_module",
];
const XUNIT_FUNCTION: [&str; 2] = ["setup_function", "teardown_function"];
const XUNIT_CLASS: [&str; 2] = ["setup_class", "teardown_class"];
const XUNIT_METHOD: [&str; 2] = ["setup_method", "teardown_method"];

/// The layer of a test module.
pub(crate) fn module_fixtures(suite: &Suite<'_>, module: &Arc<Module>, name: &str) -> Layer {
    let mut builder = LayerBuilder::new();
    let xunit = XunitNames {
        whole: defines_any(&suite.world, module, &XUNIT_MODULE),
        each: defines_any(&suite.world, module, &XUNIT_FUNCTION),
        skipped: false,
    };
    add_module(suite, module, &mut builder);
    builder.module(name, xunit, &suite.rules)
}

/// The layer of a conftest, or of a module that is loaded as a plugin.
pub(crate) fn plugin_module_fixtures(suite: &Suite<'_>, module: &Arc<Module>) -> Layer {
    let mut builder = LayerBuilder::new();
    add_module(suite, module, &mut builder);
    builder.conftest()
}

/// The layer of a class, by its lineage.
pub(crate) fn class_fixtures(
    suite: &Suite<'_>,
    classes: &[ClassRef],
    qualname: &str,
    is_test_case: bool,
    skipped: bool,
) -> Layer {
    let mut builder = LayerBuilder::new();
    let mut seen: HashSet<Arc<str>> = HashSet::new();
    let mut xunit = XunitNames {
        skipped,
        ..XunitNames::default()
    };
    for class in classes {
        let names = suite.world.class_names(class);
        for reason in names.doubts {
            builder.more(reason);
        }
        for entry in names.entries {
            if !seen.insert(entry.name.clone()) {
                continue;
            }
            let whole = XUNIT_CLASS.contains(&&*entry.name);
            let each = XUNIT_METHOD.contains(&&*entry.name);
            if !(whole || each || may_be_fixture(class, &entry.name)) {
                continue;
            }
            let object = of_class(&suite.world, class, &entry.name);
            match add(suite, &mut builder, &entry.name, object, true) {
                Added::Function => {
                    xunit.whole |= whole;
                    xunit.each |= each;
                }
                Added::Fixture => {
                    if let Some(reason) = entry.maybe {
                        builder.more(reason);
                    }
                }
                Added::Nothing => {}
            }
        }
    }
    if is_test_case {
        builder.test_case(qualname, xunit, &suite.rules)
    } else {
        builder.class(qualname, xunit, &suite.rules)
    }
}

fn add_module(suite: &Suite<'_>, module: &Arc<Module>, builder: &mut LayerBuilder) {
    let names = suite.world.names(module);
    for reason in names.doubts {
        builder.more(reason);
    }
    for entry in names.entries {
        if !module_may_hold_fixture(module, &entry.name) && entry.star.is_none() {
            continue;
        }
        let object = of_module(&suite.world, module, &entry.name);
        let added = add(suite, builder, &entry.name, object, false);
        if let (Added::Fixture, Some(reason)) = (added, entry.maybe) {
            builder.more(reason);
        }
    }
}

enum Added {
    Fixture,
    Function,
    Nothing,
}

fn add(
    suite: &Suite<'_>,
    builder: &mut LayerBuilder,
    name: &Arc<str>,
    object: Object,
    in_class: bool,
) -> Added {
    match object {
        Object::Function(function, context) => match read(&function, &context, &suite.world) {
            Some(Definition::Fixture(signature, parameters, is_static)) => {
                let bound = in_class && !is_static;
                builder.fixture(name, *signature, asked(parameters, bound));
                Added::Fixture
            }
            Some(Definition::Unknown(_, reason)) => {
                in_doubt(builder, name, reason);
                Added::Function
            }
            _ => Added::Function,
        },
        Object::Unknown(reason) => {
            in_doubt(builder, name, reason);
            Added::Nothing
        }
        Object::ExternalClass(full) => {
            let text = format!("`{full}` may be a fixture");
            let reason = Reason {
                text: text.into(),
                file: "".into(),
                line: 0,
            };
            in_doubt(builder, name, reason);
            Added::Nothing
        }
        _ => Added::Nothing,
    }
}

/// Something that may be a fixture: a test that asks for it by this name is in doubt, and
/// no other. (That it may be an autouse fixture with parameters is not considered.)
fn in_doubt(builder: &mut LayerBuilder, name: &Arc<str>, reason: Reason) {
    let signature = FixtureSignature {
        name: Ok(None),
        scope: Err(reason.clone()),
        params: Some(FixtureParams::Unknown(reason.clone())),
        autouse: Ok(false),
        fails: None,
        models: Vec::new(),
        place: Place {
            file: reason.file.clone(),
            line: reason.line,
        },
    };
    builder.fixture(name, signature, Err(reason));
}

fn asked(
    parameters: Result<Vec<Parameter>, Reason>,
    bound: bool,
) -> Result<Arc<[Arc<str>]>, Reason> {
    parameters.map(|parameters| argnames(&parameters, bound, 0).0.into())
}

/// Whether a name of a module can be a fixture at all: a decorated function, something
/// imported, or what a call made. Constants and classes are not looked at.
fn module_may_hold_fixture(module: &Module, name: &str) -> bool {
    module.scope().of(name).any(may_hold_fixture)
}

fn may_be_fixture(class: &ClassRef, name: &str) -> bool {
    let scope = class.module.class_scope(class.offset);
    scope.is_some_and(|scope| scope.of(name).any(may_hold_fixture))
}

fn may_hold_fixture(binding: &dyno_python::Binding<'_>) -> bool {
    use dyno_python::{BindingKind, ast::Expr};
    match &binding.kind {
        BindingKind::Function(def) => !def.decorator_list.is_empty(),
        BindingKind::FromImport { .. } => true,
        BindingKind::Value(value) => {
            matches!(value, Expr::Call(_) | Expr::Name(_) | Expr::Attribute(_))
        }
        _ => false,
    }
}

fn defines_any(world: &World<'_>, module: &Arc<Module>, names: &[&str]) -> bool {
    names.iter().any(|name| {
        module.scope().of(name).next().is_some()
            && match of_module(world, module, name) {
                Object::Function(function, context) => !matches!(
                    read(&function, &context, world),
                    Some(Definition::Fixture(..))
                ),
                _ => false,
            }
    })
}
