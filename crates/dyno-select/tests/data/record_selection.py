"""Writes selection-VERSION.json: which tests of a suite pytest leaves under -k, -m and
--deselect, and which it collects for node ids.

    python record_selection.py > selection-9.2.json

Run it with a Python that has the pytest to be asked and no other plugin. Nothing in the
table is typed by hand but the suite and the questions.
"""

import json
import os
import reprlib
import subprocess
import sys
import tempfile
from pathlib import Path

SUITE = {
    "pytest.ini": "[pytest]\naddopts = -p no:cacheprovider\n",
    "conftest.py": """
import pytest
def pytest_itemcollected(item):
    if "keyworded" in item.name:
        item.extra_keyword_matches.add("Extra Words")
    if "dynamic" in item.name:
        item.add_marker("added")
        item.add_marker(pytest.mark.device(serial="dynamic"))
""",
    "test_top.py": """
import functools, pytest
def test_plain(): pass
@pytest.mark.slow
def test_marked(): pass
def test_attribute(): pass
test_attribute.Nightly = True
test_attribute._hidden = 1
test_attribute.cache_parameters = 1
def wrap(f):
    @functools.wraps(f)
    def inner(): pass
    return inner
@wrap
def test_wrapped(): pass
@pytest.mark.parametrize("x", [1, "a::b", "x]y[z", "A-B"])
def test_params(x): pass
@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.slow), pytest.param(2, id="Two")])
@pytest.mark.gpu(count=2)
def test_rows(x): pass
def test_keyworded(): pass
def test_dynamic(): pass
def test_größe(): pass
def test_ΟΔΟΣ(): pass
class TestUpper:
    pytestmark = [pytest.mark.group(name="upper"), pytest.mark.slow]
    def test_in(self): pass
    class TestInner:
        @pytest.mark.fast
        def test_deep(self): pass
        @pytest.mark.parametrize("y", [0, 1])
        def test_deep_params(self, y): pass
""",
    "test_kwargs.py": """
import enum, fractions, decimal, pytest
class Color(enum.IntEnum):
    RED = 1
class Any:
    def __eq__(self, other): return True
    def __hash__(self): return 1
    def __repr__(self): return "<any>"
m = pytest.mark.m
@m(a=1)
def test_int(): pass
@m(a=True)
def test_true(): pass
@m(a=False)
def test_false(): pass
@m(a=None)
def test_none(): pass
@m(a="x")
def test_text(): pass
@m(a="it's")
def test_quote(): pass
@m(a='sa"y')
def test_double(): pass
@m(a='both \\' "')
def test_both(): pass
@m(a="tab\\tnew\\nline\\x00\\u200b\\U0001f600\\ud800")
def test_escapes(): pass
@m(a="tab\\t\\u200b\\U0001f600ß")
def test_escapes_2(): pass
@m(a=b"x")
def test_bytes(): pass
@m(a=1.0)
def test_float(): pass
@m(a=-0.0)
def test_zero(): pass
@m(a=1e16)
def test_big_float(): pass
@m(a=1.5)
def test_half(): pass
@m(a=float("inf"))
def test_inf(): pass
@m(a=float("nan"))
def test_nan(): pass
@m(a=10**16)
def test_big(): pass
@m(a=10**60)
def test_huge(): pass
@m(a=complex(1, 0))
def test_complex(): pass
@m(a=[1])
def test_list(): pass
@m(a=(1,))
def test_tuple(): pass
@m(a={})
def test_dict(): pass
@m(a=Color.RED)
def test_enum(): pass
@m(a=fractions.Fraction(1))
def test_fraction(): pass
@m(a=decimal.Decimal(1))
def test_decimal(): pass
@m(a=Any())
def test_any(): pass
@m(a="y" * 400)
def test_long(): pass
@m(1)
def test_positional(): pass
@m(a=1, b="x")
def test_two(): pass
@m(a=1)
@m(b="x")
def test_stacked(): pass
@m
def test_bare(): pass
""",
    "pkg/__init__.py": "",
    "pkg/test_in_package.py": """
import unittest, pytest
pytestmark = pytest.mark.packaged
class Case(unittest.TestCase):
    def test_case(self): pass
    @pytest.mark.slow
    def test_slow(self): pass
def test_function(): pass
""",
    "pkg/deep/test_deep.py": "def test_a(): pass\nasync def test_b(): pass\n",
    "Sub Dir/test_spaced.py": "class TestX:\n    def test_y(self): pass\ndef test_y(): pass\n",
    "Größe/test_\u212aelvin.py": "def test_k(): pass\n",
}

KEYWORDS = [
    "",
    " ",
    " test_plain",
    "\x1cplain",
    "plain",
    "PLAIN",
    "test",
    "not test",
    "mark",
    "pytestmark",
    "slow",
    "not slow",
    "slow and not upper",
    "fast or gpu",
    "upper",
    "TestUpper",
    "testupper and deep",
    "test_top",
    "test_top.py",
    "test_top.py::test_plain",
    "TestUpper::test_in",
    "params[",
    "params[1]",
    "a::b",
    "::b",
    "b]",
    "x]y[z",
    "]y[",
    "a-b",
    "Two",
    "two",
    "not two",
    "parametrize",
    "nightly",
    "_hidden",
    "__wrapped__",
    "wrapped",
    "cache_parameters",
    "cache",
    "extra",
    "words",
    "added",
    "device",
    "größe",
    "GRÖSSE",
    "GRÖẞE",
    "οδος",
    "ΟΔΟΣ",
    "οδοσ",
    "k",
    "kelvin",
    "\u212aELVIN",
    "sub",
    "dir",
    "pkg",
    "deep",
    "pkg and not deep",
    "packaged",
    "Case",
    "case",
    "py",
    ".py",
    "tests",
    "init",
    "group",
    "name",
    "True",
    "False",
    "None",
    "1",
    "0",
    "m",
    "x",
    "not (a or b)",
    "slow or (fast and deep)",
    "plain(x=1)",
    "plain or nothing(x=1)",
    "nothing and plain(x=1)",
    "test or plain(x=1)",
    "not nothing and a(b=1)",
    "(plain or nothing) or slow(x=1)",
    "plain or",
    "(",
    "a b",
    "a = 1",
    "'a'",
    "a\\b",
    "a\\b or 'x'",
    "m(a='x') or a\\b",
]

MARKS = [
    "",
    " ",
    "slow",
    "not slow",
    "Slow",
    "slow and fast",
    "slow or fast",
    "not (slow or packaged)",
    "parametrize",
    "not parametrize",
    "slow and parametrize",
    "packaged",
    "added",
    "device(serial='dynamic')",
    "gpu",
    "gpu(count=2)",
    "gpu(count=3)",
    "gpu(count=2.0)",
    "gpu(count=2, x=1)",
    "group(name='upper')",
    'group(name="upper") and fast',
    "group(name='Upper')",
    "skip",
    "m",
    "not m",
    *(
        f"m(a={value})"
        for value in [
            "1",
            "0",
            "-1",
            "True",
            "False",
            "None",
            "'x'",
            "''",
            "'1'",
            '"it\'s"',
            "'sa\"y'",
            "'tab\t\u200b\U0001f600ß'",
            "10000000000000000",
            "1" + "0" * 60,
            f"'{'y' * 400}'",
            f"'{'y' * 399}'",
            "'[1]'",
            "'None'",
            "007",
        ]
    ),
    "m(b='x')",
    "m(a=1, b='x')",
    "m(a=1) and m(b='x')",
    "m(c=None)",
    "not m(a=1)",
    "m(a=1) or m(b='x')",
    "m(a=1",
    "m(a=b)",
    "m(",
    "m()",
    "a and",
    "m(class=1)",
    "m(a='\\n')",
    "x\\y and m(a='b')",
    "m(1)",
    "m(a=1.5)",
]

DESELECT = [
    ["test_top.py"],
    ["test_top.py::"],
    ["test_top.py::test_p"],
    ["test_top.py::test_params["],
    ["test_top.py::test_params[a::b]"],
    ["test_top.py::TestUpper"],
    ["test_top.py::TestUpper::TestInner::test_deep"],
    ["pkg"],
    ["pkg/"],
    ["p"],
    ["nothing"],
    [""],
    ["Sub Dir/test_spaced.py::TestX", "test_kwargs.py"],
    ["pkg/test_in_package.py::Case::test_slow"],
    ["Größe"],
    ["test_kwargs.py::test_int", "test_kwargs.py::test_in"],
]

ARGUMENTS = [
    "test_top.py",
    "test_top.py::test_plain",
    "test_top.py::test_params",
    "test_top.py::test_params[1]",
    "test_top.py::test_params[a::b]",
    "test_top.py::test_params[x]y[z]",
    "test_top.py::test_params[2]",
    "test_top.py::test_params[",
    "test_top.py::TestUpper",
    "test_top.py::TestUpper::test_in",
    "test_top.py::TestUpper::TestInner",
    "test_top.py::TestUpper::TestInner::test_deep",
    "test_top.py::TestUpper::TestInner::test_deep_params",
    "test_top.py::TestUpper::TestInner::test_deep_params[0]",
    "test_top.py::TestInner",
    "test_top.py::TestUpper[0]",
    "test_top.py::test_plain::x",
    "test_top.py::test_para",
    "test_top.py::test_größe",
    "pkg/test_in_package.py::Case::test_case",
    "test_top.py::",
    "test_top.py::test_plain[",
    "test_top.py::test_plain[]",
    "test_top.py::test_rows[Two]",
]

SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = 300
SHORT.maxlist = SHORT.maxtuple = SHORT.maxdict = SHORT.maxset = 50


def test(item):
    import pytest
    from _pytest.mark import KeywordMatcher

    chain = item.listchain()
    here = next(i for i, node in enumerate(chain) if isinstance(node, pytest.File)) + 1
    above = [
        node.name
        for node in chain[1:here]
        if not (isinstance(node, pytest.Directory) and isinstance(node.parent, pytest.Session))
    ]
    markers = [mark for mark in item.iter_markers() if mark.name != "parametrize"]
    seen = {*above, *(node.name for node in chain[here:]), *(mark.name for mark in markers)}
    params = getattr(item, "callspec", None)
    return above, {
        "id": item.nodeid,
        "location": {
            "file": item.location[0],
            "line": item.location[1],
            "domain": item.location[2],
        },
        "markers": [
            {
                "name": mark.name,
                "args": [SHORT.repr(arg) for arg in mark.args],
                "kwargs": [(key, SHORT.repr(value)) for key, value in mark.kwargs.items()],
            }
            for mark in markers
        ],
        "keywords": sorted(KeywordMatcher.from_item(item)._names - seen),
        "params": [
            {"name": name, "scope": "function", "index": index}
            for name, index in (params.indices.items() if params else ())
        ],
    }


class Asker:
    """Asks within one collection, by the functions that pytest's hook calls."""

    def __init__(self):
        self.said = {}

    def pytest_collection_modifyitems(self, session, config, items):
        import _pytest.main
        import _pytest.mark

        def left(function, name, value):
            tests = list(items)
            setattr(config.option, name, value)
            try:
                function(tests, config)
            except Exception as error:  # noqa: BLE001 - pytest's own, of any kind
                return {"error": str(error)}
            finally:
                setattr(config.option, name, "")
            return {"left": [place for place, item in enumerate(items) if item in tests]}

        files = {}
        for item in items:
            above, found = test(item)
            file = item.nodeid.partition("::")[0]
            files.setdefault(file, {"file": file, "above": above, "tests": []})["tests"].append(
                found
            )
        mark = _pytest.mark
        self.said = {
            "files": list(files.values()),
            "keyword": [
                {"asked": k, **left(mark.deselect_by_keyword, "keyword", k)} for k in KEYWORDS
            ],
            "mark": [{"asked": m, **left(mark.deselect_by_mark, "markexpr", m)} for m in MARKS],
            "deselect": [
                {"asked": d, **left(_pytest.main.pytest_collection_modifyitems, "deselect", d)}
                for d in DESELECT
            ],
        }
        config.option.deselect = None


class Ids:
    def pytest_collection_finish(self, session):
        self.ids = [item.nodeid for item in session.items]


def collect(argument):
    """The ids that pytest collects for an argument, in a process of its own."""
    code = (
        "import json, sys, pytest; sys.path.insert(0, sys.argv[1]); from record_selection import Ids; ids = Ids()\n"
        "pytest.main(['--co', '-q', sys.argv[2]], plugins=[ids])\n"
        "print('IDS' + json.dumps(getattr(ids, 'ids', [])))"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), argument]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {"asked": argument, "collected": json.loads(said.rpartition("IDS")[2])}


def main():
    import pytest

    with tempfile.TemporaryDirectory() as folder:
        for path, text in SUITE.items():
            Path(folder, path).parent.mkdir(parents=True, exist_ok=True)
            Path(folder, path).write_text(text, encoding="utf-8", errors="surrogatepass")
        os.chdir(folder)
        os.environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        out, sys.stdout = sys.stdout, sys.stderr
        asker = Asker()
        pytest.main(["--co", "-q"], plugins=[asker])
        arguments = [collect(argument) for argument in ARGUMENTS]
        sys.stdout = out
    made_by = (
        f"record_selection.py with pytest {pytest.__version__} on Python {sys.version.split()[0]}"
    )
    version = [int(part) for part in pytest.__version__.split(".")[:2]]
    lines = {
        name: "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]"
        for name, rows in {**asker.said, "arguments": arguments}.items()
    }
    body = ",\n".join(f'"{name}": {rows}' for name, rows in lines.items())
    print(f'{{"made_by": {json.dumps(made_by)},\n"version": {version},\n{body}}}')


if __name__ == "__main__":
    main()
