//! Which classes pytest makes tests of.

use super::lineage::{ClassDecorator, Lineage, class_decorator, lineage, place_of};
use super::names::matches;
use super::object::{Object, of_class};
use super::walk::Suite;
use dyno_python::{Ancestor, ClassRef, ParameterKind, Reason, Value, World, ast};
use std::sync::Arc;

/// What pytest makes of a class.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A class of test methods.
    Plain(Lineage),
    /// A `unittest.TestCase`.
    TestCase(Lineage),
    /// Not collected, whatever it holds.
    No,
    /// Not settled.
    Unknown(Reason),
}

/// Bases from outside that change nothing about collection.
const PLAIN_BASES: &[&str] = &[
    "builtins.object",
    "typing.Generic",
    "abc.ABC",
    "unittest.case._AssertRaisesContext",
];

/// `unittest.TestCase` and its kin, by the names under which they are imported.
const TEST_CASES: &[&str] = &[
    "unittest.TestCase",
    "unittest.case.TestCase",
    "unittest.IsolatedAsyncioTestCase",
    "unittest.async_case.IsolatedAsyncioTestCase",
];

/// What a class is to pytest under a name. `None`: neither the name nor the class asks for
/// it to be looked at.
pub(crate) fn classify(suite: &Suite<'_>, class: &ClassRef, name: &str) -> Kind {
    let world = &suite.world;
    let named = matches(&suite.config.python_classes, name);
    let written = world.class(class);
    let has_bases = written
        .as_ref()
        .is_none_or(|class| !class.bases.is_empty() || !class.keywords.is_empty());
    if !named && !has_bases && !has_own(class, "__test__") && !is_written_to(class, "__test__") {
        return Kind::No;
    }
    let mro = match world.mro(class) {
        Ok(mro) => mro,
        Err(reason) if named => return Kind::Unknown(reason),
        // Its name does not ask for it, and nothing says that a test case is among its
        // ancestors.
        Err(reason) => {
            return if mentions_test_case(class) || holds_tests(class) {
                Kind::Unknown(reason)
            } else {
                Kind::No
            };
        }
    };
    let mut is_test_case = false;
    let mut outside = Vec::new();
    let mut classes = Vec::new();
    for ancestor in mro {
        match ancestor {
            Ancestor::Class(class) if is_unittests(&class) => is_test_case = true,
            Ancestor::Class(class) => classes.push(class),
            Ancestor::External(name) if TEST_CASES.contains(&&*name) => is_test_case = true,
            Ancestor::External(name) if PLAIN_BASES.contains(&&*name) => {}
            Ancestor::External(name) => outside.push(name),
        }
    }
    if !is_test_case && !named && outside.is_empty() && !asks_to_be_one(world, &classes) {
        return Kind::No;
    }
    if let Some(first) = outside.first() {
        let can_be_one = |name: &Arc<str>| {
            !is_made_by_arguments_outside(name)
                && (named || is_called_a_test(name) || classes.iter().any(holds_tests))
        };
        // Whatever else a `TestCase` derives from, pytest collects it, inherited tests too.
        let base = if is_test_case {
            Some(first)
        } else {
            outside.iter().find(|name| can_be_one(name))
        };
        return base.map_or(Kind::No, |base| {
            Kind::Unknown(Reason::new(
                format!("derives from `{base}`, whose text is not the project's"),
                &class.module,
                class.offset,
            ))
        });
    }
    let lineage = match lineage(suite, classes) {
        Ok(lineage) => lineage,
        Err(reason) => return Kind::Unknown(reason),
    };
    if let Some(reason) = written_from_outside(suite, &lineage) {
        return Kind::Unknown(reason);
    }
    match truth(inherited(world, &lineage.classes, "__test__").as_ref()) {
        Ok(Some(false)) => return Kind::No,
        Ok(_) => {}
        Err(reason) => return Kind::Unknown(reason),
    }
    if is_abstract(world, &lineage) {
        // 8.3 began to leave abstract classes out. 8.0 and 8.1 collect an abstract `TestCase`;
        // else an instance is made, which fails.
        return if suite.config.version.at_least(8, 3) {
            Kind::No
        } else {
            Kind::Unknown(Reason::new("is abstract", &class.module, class.offset))
        };
    }
    if is_test_case {
        if let Some(reason) = makes_itself(world, &lineage) {
            return Kind::Unknown(reason);
        }
        return Kind::TestCase(lineage);
    }
    match is_made_by_arguments(world, &lineage) {
        Ok(true) => Kind::No,
        Ok(false) => Kind::Plain(lineage),
        Err(reason) => Kind::Unknown(reason),
    }
}

/// Bases from outside with an `__init__` or a `__new__` of their own, and that are no
/// `TestCase`: pytest does not collect a plain class that derives from them.
fn is_made_by_arguments_outside(name: &str) -> bool {
    const MADE_BY_ARGUMENTS: &[&str] = &[
        "enum.Enum",
        "enum.IntEnum",
        "enum.StrEnum",
        "enum.Flag",
        "enum.IntFlag",
        "typing.NamedTuple",
        "typing.TypedDict",
        "typing.Protocol",
        "builtins.dict",
        "builtins.list",
        "builtins.set",
        "builtins.tuple",
        "builtins.str",
        "builtins.int",
        "builtins.float",
        "builtins.type",
        "threading.Thread",
    ];
    let is_exception = name.strip_prefix("builtins.").is_some_and(|name| {
        name.ends_with("Exception") || name.ends_with("Error") || name.ends_with("Warning")
    });
    is_exception || MADE_BY_ARGUMENTS.contains(&name)
}

/// Whether a base from outside says that it has to do with tests, by the name of a module
/// or its own: it may be a `TestCase` then, whatever a class that derives from it is called.
fn is_called_a_test(name: &str) -> bool {
    if name.starts_with("unittest.mock.") {
        return false;
    }
    let own = name
        .strip_prefix("pytest.")
        .or_else(|| name.strip_prefix("_pytest."))
        .unwrap_or(name)
        .to_ascii_lowercase();
    own.contains("test") || own.ends_with("case")
}

/// Whether the class has a name that `unittest` takes for a test's.
fn holds_tests(class: &ClassRef) -> bool {
    let scope = class.module.class_scope(class.offset);
    scope.is_none_or(|scope| {
        scope
            .bindings()
            .iter()
            .any(|binding| binding.name.starts_with("test"))
    })
}

fn is_unittests(class: &ClassRef) -> bool {
    class
        .module
        .name
        .as_deref()
        .is_some_and(|module| module == "unittest.case" || module == "unittest.async_case")
}

pub(super) fn has_own(class: &ClassRef, name: &str) -> bool {
    class
        .module
        .class_scope(class.offset)
        .is_some_and(|scope| scope.of(name).next().is_some())
}

/// `__test__` is `True` itself, which asks for a class whatever its name.
fn asks_to_be_one(world: &World<'_>, classes: &[ClassRef]) -> bool {
    !matches!(
        inherited(world, classes, "__test__"),
        None | Some(Value::Bool(false) | Value::None)
    )
}

/// An attribute of a class through those of its ancestors whose text is there.
fn inherited(world: &World<'_>, classes: &[ClassRef], name: &str) -> Option<Value> {
    let class = classes.iter().find(|class| has_own(class, name))?;
    world.class_attribute(class, name)
}

/// Whether one of its bases is called a test.
fn mentions_test_case(class: &ClassRef) -> bool {
    let Some(definition) = class.module.class_at(class.offset) else {
        return true;
    };
    definition.bases().iter().any(|base| match base {
        ast::Expr::Name(name) => is_called_a_test(&name.id),
        ast::Expr::Attribute(attribute) => is_called_a_test(&attribute.attr),
        _ => true,
    })
}

/// Whether a value is true; absent where there is none.
pub(crate) fn truth(value: Option<&Value>) -> Result<Option<bool>, Reason> {
    Ok(Some(match value {
        None => return Ok(None),
        Some(Value::Bool(value)) => *value,
        Some(Value::None) => false,
        Some(Value::Int(text)) => &**text != "0",
        Some(Value::Str(text)) => !text.is_empty(),
        Some(Value::Unknown(reason)) => return Err(reason.clone()),
        Some(other) => match other.first_unknown() {
            Some(reason) => return Err(reason.clone()),
            None => {
                return Err(Reason {
                    text: "is neither surely true nor surely false".into(),
                    file: "".into(),
                    line: 0,
                });
            }
        },
    }))
}

/// What may refuse to make a `TestCase` for a method's name, as pytest does since 8.2 when
/// it collects: a `__new__`, or an `__init__` that takes nothing by position.
fn makes_itself(world: &World<'_>, lineage: &Lineage) -> Option<Reason> {
    lineage.classes.iter().find_map(|class| {
        let takes_a_name = match of_class(world, class, "__init__") {
            Object::Nothing => true,
            Object::Function(function, _) => function.signature().is_some_and(|signature| {
                let by_position = signature.parameters.iter().filter(|parameter| {
                    matches!(
                        parameter.kind,
                        ParameterKind::PositionalOnly | ParameterKind::PositionalOrKeyword
                    )
                });
                let any = (signature.parameters.iter())
                    .any(|parameter| parameter.kind == ParameterKind::VarPositional);
                any || by_position.count() > 1
            }),
            _ => false,
        };
        let refuses = !takes_a_name || has_own(class, "__new__");
        refuses.then(|| Reason::new("makes its instances itself", &class.module, class.offset))
    })
}

/// Whether it or an ancestor has an `__init__` or `__new__` other than `object`'s.
fn is_made_by_arguments(world: &World<'_>, lineage: &Lineage) -> Result<bool, Reason> {
    for class in &lineage.classes {
        if has_own(class, "__init__") || has_own(class, "__new__") {
            return Ok(true);
        }
        let decorators = world
            .class(class)
            .map(|class| class.decorators)
            .unwrap_or_default();
        for decorator in &decorators {
            if matches!(
                class_decorator(decorator, &place_of(class))?,
                ClassDecorator::Init
            ) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// `inspect.isabstract`: an abstract method that nothing overrides.
fn is_abstract(world: &World<'_>, lineage: &Lineage) -> bool {
    let mut done: Vec<Arc<str>> = Vec::new();
    for class in &lineage.classes {
        for entry in world.class_names(class).entries {
            if done.contains(&entry.name) {
                continue;
            }
            let abstract_one = match of_class(world, class, &entry.name) {
                Object::Function(function, context) => {
                    is_abstract_method(world, &function, &context)
                }
                _ => false,
            };
            if abstract_one {
                return has_abstract_metaclass(world, lineage);
            }
            done.push(entry.name);
        }
    }
    false
}

fn is_abstract_method(
    world: &World<'_>,
    function: &dyno_python::Function,
    context: &dyno_python::Context,
) -> bool {
    let Some(definition) = function.module.function_at(function.offset) else {
        return false;
    };
    definition.decorator_list.iter().any(|decorator| {
        let value = world.evaluate(context, &decorator.expression);
        matches!(value, Value::External(name) if name.starts_with("abc.abstract"))
    })
}

fn has_abstract_metaclass(world: &World<'_>, lineage: &Lineage) -> bool {
    lineage.classes.iter().any(|class| {
        world.class(class).is_some_and(|class| {
            let is_abc = |value: &Value| {
                matches!(value, Value::External(name) if matches!(&**name, "abc.ABC" | "abc.ABCMeta"))
            };
            class.bases.iter().any(is_abc) || class.keywords.iter().any(|(_, value)| is_abc(value))
        })
    })
}

fn is_written_to(class: &ClassRef, attribute: &str) -> bool {
    let writes = class.module.attribute_writes();
    writes
        .iter()
        .any(|write| write.root == &*class.name && write.attribute == attribute)
}

/// `TestFoo.test_x = ...`, `TestFoo.__test__ = False`, `del TestFoo.test_x`.
fn written_from_outside(suite: &Suite<'_>, lineage: &Lineage) -> Option<Reason> {
    lineage.classes.iter().find_map(|class| {
        let matters = |attribute: &str| {
            matches!(attribute, "__test__" | "pytestmark")
                || matches(&suite.config.python_functions, attribute)
                || matches(&suite.config.python_classes, attribute)
                || attribute.starts_with("test")
        };
        let writes = class.module.attribute_writes();
        let write = writes
            .iter()
            .find(|write| write.root == &*class.name && matters(write.attribute))?;
        Some(Reason::new(
            format!("sets `{}.{}`", write.root, write.attribute),
            &class.module,
            write.offset,
        ))
    })
}
