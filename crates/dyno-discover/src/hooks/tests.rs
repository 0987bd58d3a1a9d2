//! What is read out of hooks, by examples of the kinds that real conftests hold.

use super::effect::{Hooks, Kind};
use super::read::conftest_hooks;
use dyno_model::FilesInMemory;
use dyno_python::{Interpreter, SearchPath, World};
use std::path::Path;

fn read(source: &str) -> Vec<String> {
    let files = FilesInMemory::new().with("/p/conftest.py", source);
    let interpreter = Interpreter {
        version: (3, 11),
        platform: "linux".into(),
        os_name: "posix".into(),
    };
    let world = World::new(&files, SearchPath::default(), interpreter);
    let module = world.load(Path::new("/p/conftest.py")).unwrap();
    let mut hooks = Hooks::default();
    conftest_hooks(&world, &module, None, &mut hooks);
    let told = hooks.effects.iter().map(|effect| match &effect.kind {
        Kind::Markers(names) => format!("markers {names:?}"),
        Kind::Ids(names) => format!("ids {names:?}"),
        Kind::Existence => "existence".to_owned(),
        Kind::Ignore(_) => "ignore".to_owned(),
        Kind::List => "list".to_owned(),
        Kind::ParamIds => "param ids".to_owned(),
    });
    told.collect()
}

#[test]
fn a_hook_that_only_adds_markers_says_which() {
    for (body, expected) in [
        ("pass", vec![]),
        (
            "for item in items:\n        item.add_marker('slow')",
            vec!["markers [\"slow\"]"],
        ),
        (
            "skip = pytest.mark.skip(reason='x')\n    for item in items:\n        if 'slow' in item.keywords:\n            item.add_marker(skip)",
            vec!["markers [\"skip\"]"],
        ),
        (
            "if config.getoption('--runslow'):\n        return\n    for i, item in enumerate(items):\n        if item.get_closest_marker('slow') and 'x' in str(item.fspath):\n            item.add_marker(pytest.mark.timeout(10))",
            vec!["markers [\"timeout\"]"],
        ),
        (
            "for item in items:\n        item.add_marker(getattr(pytest.mark, item.name))",
            vec!["markers []"],
        ),
        ("n = len(items)\n    print(n)", vec![]),
        ("if not items:\n        return", vec![]),
        ("names = [item.name for item in items]", vec![]),
    ] {
        let source = format!(
            "import pytest\ndef pytest_collection_modifyitems(config, items):\n    {body}\n"
        );
        assert_eq!(read(&source), expected, "{body}");
    }
}

#[test]
fn any_other_use_of_the_list_needs_the_whole_list() {
    for body in [
        "items.sort(key=lambda item: item.name)",
        "items[:] = [item for item in items if keep(item)]",
        "items.reverse()",
        "random.shuffle(items)",
        "del items[0]",
        "config.hook.pytest_deselected(items=[])",
        "for item in items:\n        item._nodeid = 'x'",
        "for item in items:\n        item.own_markers.append(pytest.mark.x)",
        "for item in items:\n        keep.append(item)",
        "for item in items:\n        item.keywords['x'] = 1",
        "other = items\n    other.clear()",
        "items += more()",
        "def inner():\n        items.clear()\n    inner()",
        "for item in items:\n        mark(item)",
        "for item in items:\n        item.user_properties.append(('a', 1))",
    ] {
        let source = format!(
            "import pytest, random\nkeep = []\ndef pytest_collection_modifyitems(config, items):\n    {body}\n"
        );
        assert!(
            read(&source).contains(&"list".to_owned()),
            "{body}: {:?}",
            read(&source)
        );
    }
}

#[test]
fn parameters_are_made_for_the_fixtures_that_are_asked_for() {
    for (body, expected) in [
        (
            "if 'db' in metafunc.fixturenames:\n        metafunc.parametrize('db', [1])",
            "ids [\"db\"]",
        ),
        (
            "if 'a' in metafunc.fixturenames and x:\n        pass\n    elif 'b' in metafunc.fixturenames:\n        pass",
            "ids [\"a\", \"b\"]",
        ),
        ("metafunc.parametrize('x', [1])", "ids []"),
        (
            "if 'a' in metafunc.fixturenames:\n        pass\n    else:\n        pass",
            "ids []",
        ),
        ("for name in metafunc.fixturenames:\n        pass", "ids []"),
    ] {
        let source = format!("def pytest_generate_tests(metafunc):\n    {body}\n");
        assert_eq!(read(&source), [expected], "{body}");
    }
}

#[test]
fn what_reaches_for_the_configuration_is_not_trusted() {
    for (source, expected) in [
        (
            "def pytest_configure(config):\n    config.addinivalue_line('markers', 'x')\n",
            &[][..],
        ),
        (
            "def pytest_configure(config):\n    if config.option.verbose: print(1)\n",
            &[],
        ),
        (
            "def pytest_configure(config):\n    config.option.markexpr = 'x'\n",
            &["list"],
        ),
        (
            "def pytest_configure(config):\n    config.pluginmanager.register(P())\n",
            &["list"],
        ),
        (
            "def pytest_configure(config):\n    config.pluginmanager.has_plugin('x')\n",
            &[],
        ),
        (
            "def pytest_sessionstart(session):\n    session.config.args.append('x')\n",
            &["list"],
        ),
        (
            "def pytest_addoption(parser):\n    parser.addoption('--runslow')\n",
            &[],
        ),
        (
            "def pytest_runtest_setup(item):\n    item.add_marker('x')\n",
            &[],
        ),
        (
            "def pytest_collect_file(file_path, parent):\n    return None\n",
            &["list"],
        ),
        (
            "def pytest_make_parametrize_id(config, val):\n    return str(val)\n",
            &["param ids"],
        ),
        (
            "from elsewhere import pytest_collection_modifyitems\n",
            &["list"],
        ),
    ] {
        assert_eq!(read(source), expected, "{source}");
    }
}
