//! The signatures of functions and lambdas.

use crate::{Function, Module};
use ruff_python_ast::Parameters;
use ruff_text_size::{Ranged, TextRange};

/// What a function takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signature {
    /// Its parameters in order, `*args` and `**kwargs` included.
    pub parameters: Vec<Parameter>,
    /// `async def`.
    pub is_async: bool,
    /// It yields.
    pub is_generator: bool,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// How it is passed.
    pub kind: ParameterKind,
    /// Where its default stands in the text, where it has one.
    pub default: Option<TextRange>,
}

/// `inspect.Parameter.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "Python's own words")]
pub enum ParameterKind {
    PositionalOnly,
    PositionalOrKeyword,
    VarPositional,
    KeywordOnly,
    VarKeyword,
}

impl Function {
    /// What it takes; absent where there is no such function in its module.
    pub fn signature(&self) -> Option<Signature> {
        signature_at(&self.module, self.offset)
    }
}

fn signature_at(module: &Module, offset: u32) -> Option<Signature> {
    if let Some(function) = module.function_at(offset) {
        return Some(Signature {
            parameters: parameters(&function.parameters),
            is_async: function.is_async,
            is_generator: module.facts().generators.contains(&offset),
        });
    }
    let lambda = module.lambda_at(offset)?;
    Some(Signature {
        parameters: lambda
            .parameters
            .as_deref()
            .map(parameters)
            .unwrap_or_default(),
        is_async: false,
        is_generator: module.facts().generators.contains(&offset),
    })
}

/// The parameters in the order of `inspect.signature`.
pub fn parameters(written: &Parameters) -> Vec<Parameter> {
    use ParameterKind as Kind;
    let plain = |kind| {
        move |one: &ruff_python_ast::ParameterWithDefault| Parameter {
            name: one.parameter.name.as_str().to_owned(),
            kind,
            default: one.default.as_deref().map(Ranged::range),
        }
    };
    let starred = |kind| {
        move |one: &ruff_python_ast::Parameter| Parameter {
            name: one.name.as_str().to_owned(),
            kind,
            default: None,
        }
    };
    let mut all: Vec<_> = written
        .posonlyargs
        .iter()
        .map(plain(Kind::PositionalOnly))
        .collect();
    all.extend(written.args.iter().map(plain(Kind::PositionalOrKeyword)));
    all.extend(written.vararg.as_deref().map(starred(Kind::VarPositional)));
    all.extend(written.kwonlyargs.iter().map(plain(Kind::KeywordOnly)));
    all.extend(written.kwarg.as_deref().map(starred(Kind::VarKeyword)));
    all
}
