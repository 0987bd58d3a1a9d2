"""pytest asked: what its environment brings, what it collects."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from asking import ask, collect
from running import run_pytest, write_suite

SUITE = {
    "tests/conftest.py": (
        "import pytest\n"
        "def pytest_itemcollected(item): item.add_marker('from_conftest')\n"
        "@pytest.fixture(scope='session', params=[1, 2.0, None])\n"
        "def thing(request): return request.param\n"
        "@pytest.fixture(scope='module')\n"
        "def other(): pass\n"
    ),
    "tests/test_a.py": (
        "import pytest\n"
        "def test_thing(thing): pass\n"
        "@pytest.mark.slow(3)\n"
        "@pytest.mark.parametrize('x', [1, [2]], scope='class')\n"
        "def test_x(x, other): pass\n"
        "test_x.special = True\n"
    ),
    "tests/b/test_b.py": (
        "import unittest\n"
        "class TestB(unittest.TestCase):\n"
        "    def test_m(self): pass\n"
        "def test_thing(thing, absent): pass\n"
    ),
    "tests/test_empty.py": "",
}


def collect_only(folder: Path, *args: str) -> list[str]:
    lines = run_pytest(folder, "--collect-only", "-q", *args).stdout.splitlines()
    return [line for line in lines if "::" in line and not line.startswith(("ERROR", " "))]


def test_a_collection_is_pytests(tmp_path: Path) -> None:
    write_suite(tmp_path, SUITE)
    told = collect(tmp_path)
    assert not (tmp_path / ".pytest_cache").exists()
    assert told.ids() == collect_only(tmp_path)
    assert len(told.ids()) == 9
    assert told["done"]["code"] == 0
    files = [file["file"] for file in told.collection["files"]]
    assert files == ["tests/b/test_b.py", "tests/test_a.py", "tests/test_empty.py"]
    assert told.collection["conftests"] == [str(tmp_path / "tests/conftest.py")]


def test_a_test_bears_what_selection_and_order_look_at(tmp_path: Path) -> None:
    write_suite(tmp_path, SUITE)
    told = collect(tmp_path)
    test = told.test("tests/test_a.py::test_x[1]")
    assert [marker["name"] for marker in test["markers"]] == ["slow", "from_conftest"]
    assert "special" in test["keywords"]
    scopes = {fixture["name"]: fixture.get("scope") for fixture in test["fixtures"]}
    assert (scopes["other"], scopes["x"]) == ("module", "class")
    (param,) = test["params"]
    assert (param["name"], param["scope"], param["index"]) == ("x", "class", 0)
    thing = told.test("tests/b/test_b.py::test_thing[None]")
    assert {"name": "absent"} in thing["fixtures"]
    # Equal values of one scope have equal keys wherever they stand, and others have not.
    keys = {
        id: param["key"]
        for id in told.ids()
        if "test_thing" in id
        for param in told.test(id)["params"]
    }
    by_value: dict[str, set[str]] = {}
    for id, key in keys.items():
        by_value.setdefault(id.partition("[")[2], set()).add(key)
    assert [len(found) for found in by_value.values()] == [1, 1, 1]
    assert len(set.union(*by_value.values())) == 3


@pytest.mark.parametrize("names", [["special"], ["b"], ["tests"], ["TestB", "slow"], ["thing"]])
def test_keywords_with_id_and_markers_are_what_k_sees(tmp_path: Path, names: list[str]) -> None:
    write_suite(tmp_path, SUITE)
    told = collect(tmp_path)
    expected = collect_only(tmp_path, "-k", " or ".join(names))

    def matches(id: str) -> bool:
        test = told.test(id)
        seen = [*re.split("::|/", id), *test["keywords"]]
        seen += [marker["name"] for marker in test["markers"]]
        return any(name.lower() in word.lower() for name in names for word in seen)

    assert [id for id in told.ids() if matches(id)] == expected


def test_only_named_files_are_imported(tmp_path: Path) -> None:
    write_suite(tmp_path, {**SUITE, "tests/test_broken.py": "raise RuntimeError('imported')\n"})
    question = {"type": "collect", "import": [str(tmp_path / "tests/test_a.py")]}
    told = ask(tmp_path, question)
    assert told.ids() == [id for id in collect_only(tmp_path) if id.startswith("tests/test_a.py")]
    assert told.collection["failures"] == []
    assert [file["file"] for file in told.collection["files"]] == ["tests/test_a.py"]
    named = ask(tmp_path, question, "tests/b/test_b.py::test_thing")
    assert len(named.ids()) == 3


def test_failures_and_skips_are_told(tmp_path: Path) -> None:
    skips = "import pytest\npytest.skip('not here', allow_module_level=True)\n"
    write_suite(tmp_path, {"test_a.py": "import nowhere\n", "test_b.py": skips})
    told = collect(tmp_path)
    (failure,) = told.collection["failures"]
    assert failure["node"] == "test_a.py"
    assert "No module named 'nowhere'" in failure["longrepr"]
    (skip,) = told.collection["skips"]
    assert (skip["node"], skip["skip"]["reason"]) == ("test_b.py", "not here")
    assert told["done"]["code"] == 2


@pytest.mark.parametrize(
    ("files", "args", "text"),
    [
        ({}, ["absent.py"], "file or directory not found"),
        ({"test_a.py": ""}, ["test_a.py::test_x"], "not found"),
        ({"conftest.py": "1/0\n"}, [], "ZeroDivisionError"),
        ({}, ["--absent-option"], "unrecognized arguments"),
    ],
)
def test_where_pytest_refuses_there_is_its_text(
    tmp_path: Path, files: dict[str, str], args: list[str], text: str
) -> None:
    write_suite(tmp_path, files)
    told = collect(tmp_path, *args)
    assert told.get("collected") is None
    assert text in told.text
    assert told["done"]["code"] == run_pytest(tmp_path, *args).code


def test_markers_are_those_that_m_sees(tmp_path: Path) -> None:
    """Hooks before pytest's own can still add one; those after it come too late."""
    hook = (
        "import pytest\n"
        "def pytest_collection_modifyitems(items):\n"
        "    items.reverse()\n"
        "    for item in items: item.add_marker('early')\n"
    )
    late = "import pytest\n@pytest.hookimpl(trylast=True)\n" + hook.partition("\n")[2].replace(
        "early", "late"
    )
    tests = "def test_1(): pass\ndef test_2(): pass\n"
    write_suite(tmp_path, {"conftest.py": hook, "test_a.py": tests, "sub/conftest.py": late})
    (tmp_path / "sub/test_b.py").write_text("def test_3(): pass\n")
    told = collect(tmp_path)
    assert told.ids() == collect_only(tmp_path)
    names = {m["name"] for id in told.ids() for m in told.test(id)["markers"]}
    for name in ("early", "late"):
        assert bool(collect_only(tmp_path, "-m", name)) == (name in names)


def test_an_environment_tells_of_its_plugins(tmp_path: Path) -> None:
    plugin = (
        "import pytest\n"
        "@pytest.fixture(scope='module', params=['a', pytest.param(2, id='two')], autouse=True)\n"
        "def brought(request, tmp_path_factory): pass\n"
        "@pytest.hookimpl(tryfirst=True)\n"
        "def pytest_itemcollected(item): pass\n"
        "def pytest_addoption(parser):\n"
        "    parser.addoption('--figure', nargs='?')\n"
        "    parser.addini('figures', 'some', type='linelist', default=['a', 'b'])\n"
        "def pytest_configure(config): config.addinivalue_line('markers', 'brought: x')\n"
    )
    write_suite(tmp_path, {"own_plugin.py": plugin, "conftest.py": "1/0\n"})
    args = ("-p", "own_plugin", "-o", "pythonpath=.")
    told = ask(tmp_path, {"type": "probe"}, *args, PYTHONPATH=pythonpath(tmp_path))
    found = told["probed"]["environment"]
    assert found["pytest"] == pytest.__version__
    file = str(tmp_path / "own_plugin.py")
    assert file in [plugin["file"] for plugin in found["plugins"]]
    hooks = [hook for hook in found["hooks"] if hook["file"] == file]
    assert [(hook["hook"], hook["line"], hook["tryfirst"]) for hook in hooks] == [
        ("pytest_configure", 9, False),
        ("pytest_itemcollected", 4, True),
    ]
    (fixture,) = [fixture for fixture in found["fixtures"] if fixture["name"] == "brought"]
    assert fixture["arguments"] == ["request", "tmp_path_factory"]
    assert (fixture["scope"], fixture["autouse"]) == ("module", True)
    assert [(p["id"], p["value"]) for p in fixture["params"]] == [("a", "'a'"), ("two", "2")]
    options = {name: option for option in found["options"] for name in option["names"]}
    taken = [options[name]["takes"] for name in ("--figure", "-m", "--lf", "--ignore")]
    assert taken == ["optional", "one", "nothing", "one"]
    ini = {option["name"]: option for option in found["ini"]}
    assert ini["figures"]["default"] == "a\nb"
    assert "brought: x" in found["markers"]
    assert "brought: x" not in ini["markers"]["default"]
    builtin = {fixture["name"]: fixture["scope"] for fixture in found["fixtures"]}
    assert builtin["tmp_path_factory"] == "session"


def test_an_environment_is_told_the_same_each_time(tmp_path: Path) -> None:
    first, second = (ask(tmp_path, {"type": "probe"})["probed"] for _ in range(2))
    assert first == second


def pythonpath(folder: Path) -> str:
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
