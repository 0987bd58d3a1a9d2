//! Texts that are meant to harm: nothing panics, overflows or hangs.

#![allow(
    clippy::format_collect,
    reason = "texts are made where they are listed"
)]

mod small_world;

use dyno_model::FilesInMemory;
use dyno_python::Module;
use proptest::prelude::*;
use small_world::{interpreter, world};
use std::path::Path;

/// Reads and evaluates everything of a text, on a small stack as threads have it.
fn swallow(source: Vec<u8>) {
    let work = move || {
        let files = FilesInMemory::new().with("/p/m.py", source);
        let world = world(&files);
        let Ok(module) = world.load(Path::new("/p/m.py")) else {
            return;
        };
        for entry in world.names(&module).entries {
            let value = world.resolve(&module, &entry.name);
            if let dyno_python::Value::Class(class) = &value {
                let _ = world.mro(class);
                let _ = world.class_names(class);
                let _ = world.class_attribute(class, "x");
            }
            let _ = dyno_python::python_repr(&value);
        }
        let _ = world.closure(&module);
        let _ = module.text_calls();
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(work);
    thread.unwrap().join().unwrap();
}

#[test]
fn deep_texts_are_refused_or_followed() {
    let n = 10_000;
    let texts = [
        format!("x = {}{}", "(".repeat(n), ")".repeat(n)),
        format!("x = {}1{}", "(".repeat(150), ")".repeat(150)),
        format!("x = {}{}", "[".repeat(n), "]".repeat(n)),
        format!("x = {}1{}", "[".repeat(190), "]".repeat(190)),
        format!("x = 1{}", " + 1".repeat(n)),
        format!("x = 1{}", " + 1".repeat(390)),
        format!("x = 'a'{}", " 'a'".repeat(n)),
        format!("x = {}1", "not ".repeat(n)),
        format!("x = {}1", "-".repeat(n)),
        format!("x = {}1", "-".repeat(390)),
        format!("x = a{}", ".a".repeat(n)),
        format!("x = a{}", "()".repeat(n)),
        format!("x = a{}", "[0]".repeat(n)),
        format!("x = {}1", "lambda: ".repeat(n)),
        format!("x = {}1", "lambda: ".repeat(190)),
        format!("x = {}1", "1 if 1 else ".repeat(n)),
        format!("x = {}1{}", "f(".repeat(190), ")".repeat(190)),
        format!("x = f'{}1{}'", "{(".repeat(n), ")}".repeat(n)),
        format!("x = {}1", "x = ".repeat(n)),
        format!("x = 1{}", " < 1".repeat(n)),
        format!("x = 1{}", " and 1".repeat(n)),
        format!("x = 1{}", " ** 1".repeat(n)),
        format!("x = {}1{}", "[".repeat(190), " for a in b]".repeat(190)),
        format!("x = {}1{}", "{a: ".repeat(190), " for a in b}".repeat(190)),
        format!("x = f({})", (0..n).map(|one| format!("a{one}=1, ")).collect::<String>()),
        format!("def f({}): pass", (0..n).map(|one| format!("a{one}, ")).collect::<String>()),
        format!("def f():\n global {}a\n", (0..n).map(|one| format!("a{one}, ")).collect::<String>()),
        (0..n).map(|depth| format!("{}if x:\n", " ".repeat(depth))).collect(),
        (0..90).map(|depth| format!("{}if x:\n", " ".repeat(depth))).collect::<String>()
            + &" ".repeat(90) + "y = 1\n",
        (0..90).map(|depth| format!("{}class C{depth}:\n", " ".repeat(depth))).collect::<String>()
            + &" ".repeat(90) + "y = 1\n",
        (0..90).map(|depth| format!("{}def f{depth}():\n", " ".repeat(depth))).collect::<String>()
            + &" ".repeat(90) + "y = -" + &"-".repeat(380) + "1\n",
        "if x: pass\n".to_owned() + &"elif x: pass\n".repeat(n),
        "@a\n".repeat(n) + "def f(): pass\n",
        (0..n).map(|i| format!("x{} = x{i}\n", i + 1)).collect(),
        (0..n).rev().map(|i| format!("x{} = x{i}\n", i + 1)).collect(),
        "x0 = [1]\n".to_owned() + &(0..2000).map(|i| format!("x{} = x{i} + x{i}\n", i + 1)).collect::<String>(),
        "x = [1]\n".to_owned() + &"x = [x, x]\n".repeat(200),
        (0..500).map(|i| format!("class C{}(C{i}): x = 1\n", i + 1)).collect(),
        "class C0: pass\n".to_owned()
            + &(0..500).map(|i| format!("class C{}(C{i}): x = 1\n", i + 1)).collect::<String>(),
        "class A(B): pass\nclass B(A): pass\n".to_owned(),
        "x = [a for a in range(10**9)]\ny = 'a' * 10**9\nz = 9 ** 9 ** 9\nw = 1 << 10**9\n".to_owned(),
        "x = [(a, b, c) for a in range(9999) for b in range(9999) for c in range(9999)]\n".to_owned(),
        "def f(n): return f(n + 1)\nx = f(0)\n".to_owned(),
        "from m import *\nfrom m import x\nimport m\ny = m.y\n".to_owned(),
        "x = '\\ud800'\ny = '\\N{DIGIT ONE}'\nz = f'{x}'\n".to_owned(),
        "x = '{:999999999}'.format(1)\ny = f'{1:>999999999}'\nz = '%999999999d' % 1\n".to_owned(),
        "x = 'a'[::-9223372036854775808]\ny = [1][9223372036854775807:]\nz = range(-9223372036854775808, 9223372036854775807)\nw = list(z)\n".to_owned(),
        format!("x = {}", "9".repeat(100_000)),
        format!("x = 0x{}", "f".repeat(4_000)),
        "import itertools\nx = list(itertools.product(range(999), repeat=20))\ny = list(itertools.permutations(range(99)))\n".to_owned(),
        "x = float('nan')\ny = sorted([x, 1.0, x])\nz = {x: 1, x: 2}\nw = min(x, 1)\n".to_owned(),
    ];
    for text in texts {
        swallow(text.into_bytes());
    }
}

#[test]
fn a_large_file_is_read_in_a_moment() {
    let text = "def test_a(x):\n    '''words and words'''\n    assert x.y(1, 2) == [1, 2, 3]\n\n";
    swallow(text.repeat(10_000_000 / text.len()).into_bytes());
}

#[test]
fn bytes_are_decoded_as_python_does() {
    let parse = |bytes: &[u8]| Module::parse(Path::new("/m.py"), None, bytes, &interpreter());
    assert!(parse(b"x = 1\0\n").is_err());
    assert!(parse(b"x = '\xff'\n").is_err());
    assert!(
        parse(b"# coding: latin-1\nx = '\xff'\n")
            .unwrap()
            .source
            .contains('\u{ff}')
    );
    assert!(parse(b"\n# -*- coding: iso-8859-1 -*-\nx = '\xff'\n").is_ok());
    assert!(parse(b"x = 1\n# coding: latin-1\ny = '\xff'\n").is_err());
    assert!(parse(b"# coding: klingon\n").is_err());
    assert!(parse(b"\xef\xbb\xbfx = 1\n").is_ok());
    // Type parameters came with 3.12.
    assert!(parse(b"class A[T]: pass\n").is_err());
    let problem = parse(b"x = 1\ny = (\n").unwrap_err();
    assert!(problem.line >= 2, "{problem}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_panics(parts in prop::collection::vec(prop_oneof![
        Just("x"), Just(" = "), Just("[1, 2]"), Just("\n"), Just("(a, "), Just(")"), Just("'é'"),
        Just("f'{x:{y}}'"), Just("lambda: "), Just("class C(B):\n  "), Just("def f(x=1):\n  "),
        Just(" + "), Just("[-1:]"), Just("for y in "), Just(".append("), Just("import x\n"),
        Just("from . import *\n"), Just("\\"), Just("'''"), Just("#"), Just("del x\n"), Just("\t"),
        Just("%"), Just("{**"), Just("}"), Just("*"), Just("if x:\n  "), Just("yield "), Just("0x"),
    ], 0..40)) {
        swallow(parts.concat().into_bytes());
    }
}
