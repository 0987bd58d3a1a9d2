//! Which text is a module's, and for how long it is kept.

mod small_world;

use dyno_model::FilesInMemory;
use small_world::world;
use std::path::Path;

#[test]
fn a_module_that_was_read_and_dropped_leaves_nothing_behind() {
    let text = |number: u32| format!("CASES = [{number}]\nclass A: pass\nclass B(A): x = CASES\n");
    let mut files = FilesInMemory::new();
    for number in 0..50 {
        files = files.with(format!("/p/m{number}.py"), text(number));
    }
    let world = world(&files);
    for number in 0..50 {
        let path = format!("/p/m{number}.py");
        let weak = {
            let module = world.read(Path::new(&path)).unwrap();
            let value = world.resolve(&module, "CASES");
            let shown = dyno_python::python_repr(&value);
            assert_eq!(shown, Some(format!("[{number}]")));
            let dyno_python::Value::Class(class) = world.resolve(&module, "B") else {
                panic!("B is a class");
            };
            assert_eq!(world.mro(&class).unwrap().len(), 3);
            std::sync::Arc::downgrade(&module)
        };
        assert!(weak.upgrade().is_none(), "{path} is kept");
    }
    // One that is imported stays.
    let kept = world.load(Path::new("/p/m0.py")).unwrap();
    let read = world.read(Path::new("/p/m0.py")).unwrap();
    assert!(std::sync::Arc::ptr_eq(&kept, &read));
}

#[test]
fn an_extension_module_comes_before_the_text_beside_it() {
    for (built, settled) in [
        ("k.cpython-311-x86_64-linux-gnu.so", false),
        ("k.abi3.so", false),
        ("k.so", false),
        ("k.txt", true),
        ("kk.so", true),
        ("k2.so", true),
    ] {
        let files = FilesInMemory::new()
            .with("/p/m.py", "from k import A\nfrom q import B\n")
            .with("/p/k.py", "A = 1\n")
            .with("/p/q/__init__.py", "B = 1\n")
            .with(format!("/p/{built}"), "")
            .with(format!("/p/q/{}", built.replace('k', "__init__")), "");
        let world = world(&files);
        let module = world.load(Path::new("/p/m.py")).unwrap();
        for name in ["A", "B"] {
            let value = world.resolve(&module, name);
            assert_eq!(!value.is_unknown(), settled, "{built} {name}: {value:?}");
        }
    }
}
