use super::*;
use dyno_model::FilesInMemory;
use dyno_python::{Interpreter, SearchPath, World};
use std::sync::Arc;

fn verdict(body: &str, path: &str) -> Verdict {
    let source = format!("def pytest_ignore_collect(collection_path, config):\n    {body}\n");
    let files = FilesInMemory::new().with("/c.py", source);
    let interpreter = Interpreter {
        version: (3, 11),
        platform: "linux".into(),
        os_name: "posix".into(),
    };
    let world = World::new(&files, SearchPath::default(), interpreter);
    let module = world.load(Path::new("/c.py")).unwrap();
    let function = Function {
        module: Arc::clone(&module),
        name: "pytest_ignore_collect".into(),
        offset: 0,
    };
    ignores(&function, Path::new(path))
}

#[test]
fn a_path_is_followed_through_the_function() {
    let by_name = "filename = collection_path.name\n    if filename.startswith('test_vllm_'):\n        if not installed():\n            return True\n    parts = collection_path.parts\n    if 'omni' in parts and filename.startswith('test_'):\n        if not other():\n            return True\n    return None";
    for (body, path, expected) in [
        (by_name, "/p/tests/test_a.py", Verdict::No),
        (by_name, "/p/tests/test_vllm_a.py", Verdict::Unknown),
        (by_name, "/p/omni/test_a.py", Verdict::Unknown),
        (by_name, "/p/omni", Verdict::No),
        ("return True", "/p", Verdict::Yes),
        ("return None", "/p", Verdict::No),
        ("pass", "/p", Verdict::No),
        (
            "return collection_path.suffix == '.txt'",
            "/p/a.txt",
            Verdict::Yes,
        ),
        (
            "return collection_path.suffix == '.txt'",
            "/p/a.py",
            Verdict::No,
        ),
        (
            "return str(collection_path).endswith(('a.py', 'b.py'))",
            "/p/b.py",
            Verdict::Yes,
        ),
        ("return 'x' in str(collection_path)", "/p/y", Verdict::No),
        (
            "if config.getoption('x'):\n        return True",
            "/p/y",
            Verdict::Unknown,
        ),
        (
            "if config.getoption('x'):\n        return False\n    return None",
            "/p/y",
            Verdict::No,
        ),
        (
            "if config.getoption('x'):\n        return True\n    return True",
            "/p/y",
            Verdict::Yes,
        ),
        (
            "try:\n        f()\n    except E:\n        return True",
            "/p/y",
            Verdict::Unknown,
        ),
        ("while True:\n        return True", "/p/y", Verdict::Unknown),
        (
            "return collection_path.stem not in {'a', 'b'}",
            "/p/a.py",
            Verdict::No,
        ),
    ] {
        assert_eq!(verdict(body, path), expected, "{body} of {path}");
    }
}
