//! A module: parsed, and every name of it resolved. Further modules follow lines of
//! `#=== path`.

#[path = "files.rs"]
mod files;

use dyno_model::FilesInMemory;
use dyno_python::{
    Context, Interpreter, Module, SearchPath, Value, World, python_repr, python_str,
};
use std::path::Path;

/// Reads, resolves and evaluates: the same whatever was looked at before; what `repr` gives
/// is worth the same when it is read again; a text that is refused is refused at a line of it.
pub(crate) fn run(data: &[u8]) {
    let files = files::read(data, "test_a.py");
    let forwards = values(&files, false);
    let mut backwards = values(&files, true);
    backwards.reverse();
    assert_eq!(forwards, backwards);
}

fn interpreter() -> Interpreter {
    Interpreter {
        version: (3, 11),
        platform: "linux".into(),
        os_name: "posix".into(),
    }
}

/// Every name with what it is worth, looked up in order or from the end.
fn values(files: &FilesInMemory, backwards: bool) -> Vec<(String, String)> {
    let search = SearchPath {
        project: vec!["/p".into()],
        installed: Vec::new(),
    };
    let world = World::new(files, search, interpreter());
    let path = Path::new("/p/test_a.py");
    let module = match world.load(path) {
        Ok(module) => module,
        Err(problem) => {
            let lines = files::lines(files, path).unwrap_or_default();
            assert!((1..=lines).contains(&problem.line), "{problem}");
            assert!(!problem.message.is_empty());
            return Vec::new();
        }
    };
    let mut names = world.names(&module).entries;
    if backwards {
        names.reverse();
    } else {
        let _ = world.closure(&module);
    }
    let of_name = |name: &str| {
        let value = world.lookup(&Context::after(&module), name);
        if !backwards {
            reads_again(&value);
            look_into(&world, &value);
        }
        (name.to_owned(), shown(&value))
    };
    names.iter().map(|entry| of_name(&entry.name)).collect()
}

/// What tells two values apart. Where and why a value is not settled is told differently,
/// depending on who asked first.
fn shown(value: &Value) -> String {
    match value {
        Value::Unknown(_) => "unknown".to_owned(),
        other => format!("{:?} {:?}", python_repr(other), python_str(other)),
    }
}

/// The value that a `repr` is worth has that `repr` again.
fn reads_again(value: &Value) {
    let Some(text) = python_repr(value).filter(|text| text.len() < 2000) else {
        return;
    };
    // These two are no literals.
    if text.contains("nan") || text.contains("inf") {
        return;
    }
    let files = FilesInMemory::new().with("/p/m.py", format!("x = {text}\n"));
    let world = World::new(&files, SearchPath::default(), interpreter());
    let Ok(module) = world.load(Path::new("/p/m.py")) else {
        // Only what is nested more deeply than a text may be.
        let file = Module::parse(Path::new("/m.py"), None, text.as_bytes(), &interpreter());
        let problem = file.err().map(|problem| problem.to_string());
        assert!(problem.is_some_and(|why| why.contains("nested")), "{text}");
        return;
    };
    let again = world.resolve(&module, "x");
    assert!(
        again.is_unknown() || python_repr(&again) == Some(text),
        "{value:?}: {again:?}"
    );
}

fn look_into(world: &World<'_>, value: &Value) {
    if let Value::Class(class) = value {
        let _ = world.mro(class);
        let _ = world.class_names(class);
        let _ = world.class_attribute(class, "x");
    }
}
