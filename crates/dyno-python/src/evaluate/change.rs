//! Whether the object of a name may be changed in place while modules are imported.

use super::Evaluator;
use super::number::is_mutable;
use crate::facts::{Facts, Flow, Variable};
use crate::scope::BindingKind;
use crate::world::Found;
use crate::{Module, Value};
use std::collections::HashSet;
use std::sync::Arc;

/// What `builtins` holds, as far as tests use it.
pub(super) const BUILTINS: &[&str] = &[
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "BaseException",
    "BlockingIOError",
    "BrokenPipeError",
    "BufferError",
    "ChildProcessError",
    "ConnectionAbortedError",
    "ConnectionError",
    "ConnectionRefusedError",
    "ConnectionResetError",
    "DeprecationWarning",
    "EOFError",
    "EnvironmentError",
    "Exception",
    "FileExistsError",
    "FileNotFoundError",
    "FloatingPointError",
    "FutureWarning",
    "GeneratorExit",
    "IOError",
    "ImportError",
    "ImportWarning",
    "IndentationError",
    "IndexError",
    "InterruptedError",
    "IsADirectoryError",
    "KeyError",
    "KeyboardInterrupt",
    "LookupError",
    "MemoryError",
    "ModuleNotFoundError",
    "NameError",
    "NotADirectoryError",
    "NotImplemented",
    "NotImplementedError",
    "OSError",
    "OverflowError",
    "PendingDeprecationWarning",
    "PermissionError",
    "ProcessLookupError",
    "RecursionError",
    "ReferenceError",
    "ResourceWarning",
    "RuntimeError",
    "RuntimeWarning",
    "StopAsyncIteration",
    "StopIteration",
    "SyntaxError",
    "SyntaxWarning",
    "SystemError",
    "SystemExit",
    "TabError",
    "TimeoutError",
    "TypeError",
    "UnboundLocalError",
    "UnicodeDecodeError",
    "UnicodeEncodeError",
    "UnicodeError",
    "UnicodeTranslateError",
    "UnicodeWarning",
    "UserWarning",
    "ValueError",
    "Warning",
    "ZeroDivisionError",
    "abs",
    "aiter",
    "all",
    "anext",
    "any",
    "ascii",
    "bin",
    "bool",
    "breakpoint",
    "bytearray",
    "bytes",
    "callable",
    "chr",
    "classmethod",
    "compile",
    "complex",
    "delattr",
    "dict",
    "dir",
    "divmod",
    "enumerate",
    "eval",
    "exec",
    "filter",
    "float",
    "format",
    "frozenset",
    "getattr",
    "globals",
    "hasattr",
    "hash",
    "help",
    "hex",
    "id",
    "input",
    "int",
    "isinstance",
    "issubclass",
    "iter",
    "len",
    "list",
    "locals",
    "map",
    "max",
    "memoryview",
    "min",
    "next",
    "object",
    "oct",
    "open",
    "ord",
    "pow",
    "print",
    "property",
    "range",
    "repr",
    "reversed",
    "round",
    "set",
    "setattr",
    "slice",
    "sorted",
    "staticmethod",
    "str",
    "sum",
    "super",
    "tuple",
    "type",
    "vars",
    "zip",
];

/// Last names of outside functions that change what they are handed.
const CHANGERS: &[&str] = &[
    "append",
    "delattr",
    "delitem",
    "extend",
    "heapify",
    "heappop",
    "heappush",
    "heappushpop",
    "heapreplace",
    "iadd",
    "iconcat",
    "insert",
    "insort",
    "insort_left",
    "insort_right",
    "reduce",
    "setattr",
    "setitem",
    "shuffle",
    "sort",
    "update",
];

impl Evaluator<'_, '_> {
    /// The value, or unknown if a module may change it in place.
    pub(super) fn steady(
        &mut self,
        module: &Arc<Module>,
        variable: Variable<'_>,
        value: Value,
    ) -> Value {
        if !is_mutable(&value) {
            return value;
        }
        match self.changed(module, variable) {
            Some(at) => Value::unknown(
                format!("`{}` may be changed in place", variable.1),
                module,
                at,
            ),
            None => value,
        }
    }

    /// Where the object of a variable may be changed in place.
    pub(crate) fn changed<'v>(
        &mut self,
        module: &'v Arc<Module>,
        variable: Variable<'v>,
    ) -> Option<u32> {
        let facts = module.facts();
        if let Some(&at) = facts.mutated_attributes.get(variable.1) {
            return Some(at);
        }
        let reached = reached(facts, variable);
        for (variable, deep_only) in &reached {
            let of_class = (variable.0 != 0).then(|| facts.mutated_attributes.get(variable.1));
            if let Some(Some(&at)) = of_class {
                return Some(at);
            }
            for (at, deep) in facts.mutated.get(variable).into_iter().flatten() {
                if *deep || !deep_only {
                    return Some(*at);
                }
            }
        }
        for (variable, _) in &reached {
            for escape in facts.escapes.get(variable).into_iter().flatten() {
                let harmless = escape.root.is_some_and(|root| {
                    !CHANGERS.contains(&escape.last) && self.is_harmless(module, root)
                });
                if !harmless {
                    return Some(escape.offset);
                }
            }
        }
        None
    }

    /// Whether a callee that begins with this global is none of the project's code.
    pub(crate) fn is_harmless(&mut self, module: &Arc<Module>, root: &str) -> bool {
        let mut bindings = module.scope().of(root).peekable();
        if bindings.peek().is_none() {
            return BUILTINS.contains(&root);
        }
        bindings.all(|binding| match &binding.kind {
            BindingKind::Import { module: dotted, .. } => {
                matches!(self.world.find(module, 0, dotted), Found::External)
            }
            BindingKind::FromImport {
                module: dotted,
                level,
                ..
            } => matches!(self.world.find(module, *level, dotted), Found::External),
            BindingKind::Value(_) => {
                // Methods of the built-in types that change their arguments are few, and
                // those that change their object are known by name.
                let value = self.bound(module, &[], binding);
                !matches!(
                    value,
                    Value::Unknown(_)
                        | Value::Function(_)
                        | Value::Class(_)
                        | Value::Instance(_)
                        | Value::Module(_)
                        | Value::EnumMember(_)
                )
            }
            _ => false,
        })
    }
}

/// The variables that the object of one may end up in; for each, whether only a change
/// deeper inside is one of the object.
fn reached<'v>(facts: &'v Facts<'v>, variable: Variable<'v>) -> HashSet<(Variable<'v>, bool)> {
    let mut reached = HashSet::new();
    let mut waiting = vec![(variable, false)];
    while let Some((variable, deep_only)) = waiting.pop() {
        if !reached.insert((variable, deep_only)) || reached.len() > 5_000 {
            continue;
        }
        for (next, flow) in facts.flows.get(&variable).into_iter().flatten() {
            let deep_only = match flow {
                Flow::Same => deep_only,
                Flow::Element => false,
                Flow::Copy => true,
            };
            waiting.push((*next, deep_only));
        }
    }
    reached
}
