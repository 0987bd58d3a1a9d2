"""Writes cache-VERSION.json: runs of a suite with --lf, --ff, --nf and --sw, one after the
other, each with what pytest's cache held before and after.

    python record_cache.py > cache-9.2.json

Run it with a Python that has the pytest to be asked and no other plugin. Nothing in the
table is typed by hand but the suite and the histories.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FUNCTIONS = "def test_1(): pass\ndef test_2(): pass\n"
CLASS = (
    "class TestC:\n    def test_m(self): pass\n    class TestD:\n        def test_n(self): pass\n"
)
SUITE = {
    "pytest.ini": "[pytest]\n",
    "conftest.py": """
import json, pathlib, pytest
STATE = json.loads(pathlib.Path(__file__).with_name("state.json").read_text())
def pytest_runtest_setup(item):
    assert item.nodeid not in STATE.get("setup", [])
def pytest_runtest_teardown(item):
    assert item.nodeid not in STATE.get("teardown", [])
def pytest_pyfunc_call(pyfuncitem):
    if pyfuncitem.nodeid in STATE.get("skip", []):
        pytest.skip("asked")
    if pyfuncitem.nodeid in STATE.get("xfail", []):
        pytest.xfail("asked")
    assert pyfuncitem.nodeid not in STATE.get("fail", [])
""",
    "test_root.py": FUNCTIONS,
    "a/test_functions.py": FUNCTIONS
    + "import pytest\n@pytest.mark.parametrize('x', ['p', 'q::r', 'größe'])\ndef test_x(x): pass\n",
    "a/test_classes.py": CLASS,
    "a/test_both.py": CLASS + FUNCTIONS,
    "b/__init__.py": "",
    "b/test_package.py": FUNCTIONS,
    "b/deep/test_deep.py": FUNCTIONS,
    "c/test_broken.py": "import conftest\nassert not conftest.STATE.get('broken')\n"
    + CLASS
    + FUNCTIONS,
}
A, B = "a/test_functions.py::", "b/test_package.py::"
IN_CLASS = "a/test_classes.py::TestC::test_m"

# Each history is a list of runs: options, the state of the suite, files that go away, and
# files that are new.
HISTORIES = [
    [
        (["--lf"], {}),
        ([], {"fail": [A + "test_1", B + "test_2"]}),
        (["--lf"], {"fail": [B + "test_2"]}),
        (["--lf"], {}),
        (["--lf"], {}),
    ],
    [
        ([], {"fail": [A + "test_x[q::r]", "test_root.py::test_2"]}),
        (["--lf", "a"], {}),
        (["--lf"], {}),
        (["--lf", "--lfnf=none"], {}),
    ],
    [
        ([], {"fail": [IN_CLASS]}),
        (["--lf"], {"fail": [IN_CLASS]}),
        (["--lf", "b"], {}),
        (["--lf"], {}),
    ],
    [
        ([], {"fail": [IN_CLASS, B + "test_1"]}),
        (["--lf"], {"fail": [IN_CLASS]}),
        (["--lf", "-k", "test_1"], {}),
    ],
    [
        ([], {"fail": ["a/test_both.py::test_2", "a/test_both.py::TestC::TestD::test_n"]}),
        (["--lf"], {}),
        (["--lf"], {}),
    ],
    [
        ([], {"fail": [A + "test_1", B + "test_2"]}),
        (["--ff"], {"fail": [B + "test_2"]}),
        (["--ff", "--lf"], {}),
        (["--ff"], {}),
    ],
    [
        ([], {"fail": [A + "test_1", B + "test_2"]}),
        (["--lf", "-k", "test_2"], {"fail": [B + "test_2"]}),
        (["--lf", "--deselect", B], {}),
    ],
    [([], {"broken": True}), (["--lf"], {}), (["--lf"], {}), (["--lf"], {})],
    [
        (["--continue-on-collection-errors"], {"broken": True, "fail": [B + "test_1"]}),
        (["--lf"], {}),
        (["--lf"], {}),
        (["--lf"], {}),
    ],
    [([], {"broken": True}), (["--lf"], {"broken": True}), ([], {}), (["--lf"], {})],
    [
        (
            [],
            {
                "setup": [A + "test_1"],
                "teardown": [A + "test_2"],
                "skip": [B + "test_1"],
                "xfail": [B + "test_2"],
            },
        ),
        (["--lf"], {"skip": [A + "test_1"], "xfail": [A + "test_2"]}),
    ],
    [
        ([], {"fail": [A + "test_1", B + "test_2"]}),
        (["--lf"], {}, ["b/test_package.py"]),
        (["--lf"], {}),
    ],
    [([], {"fail": [B + "test_2"]}), (["--lf"], {}, ["b/test_package.py"])],
    [
        ([], {"fail": [A + "test_1", "test_root.py::test_1"]}),
        (["--lf", "test_root.py", "a"], {"fail": ["test_root.py::test_1"]}),
        (["--lf", "a", "test_root.py", "b"], {}),
        (["--lf"], {}),
    ],
    [
        ([], {"fail": [A + "test_1"]}),
        (["--lf", "a/test_functions.py"], {"fail": [A + "test_1"]}),
        (["--lf", "a/test_functions.py", "b"], {"fail": [A + "test_1"]}),
        (["--lf", A + "test_2", "b"], {}),
    ],
    [
        ([], {"fail": ["b/deep/test_deep.py::test_1", A + "test_2"]}),
        (["--lf", "--co"], {}),
        (["--lf", "--nf"], {}),
        (["--nf", "--ff"], {}),
    ],
    [
        (["--nf"], {}),
        (["--nf"], {}, [], ["a/test_new.py"]),
        (["--nf"], {}, [], ["b/test_newer.py"]),
        (["--nf", "--co"], {}, [], ["test_co.py"]),
        (["--nf"], {}),
        (["--nf", "a"], {}),
    ],
    [(["a"], {}), (["--nf", "-k", "test_1"], {}), (["--nf"], {})],
    [
        (["--sw"], {"fail": [A + "test_2", B + "test_1"]}),
        (["--sw"], {"fail": [A + "test_2", B + "test_1"]}),
        (["--sw"], {"fail": [B + "test_1"]}),
        (["--sw"], {}),
        (["--sw"], {}),
    ],
    [
        (["--sw"], {"fail": [A + "test_2", B + "test_1"]}),
        (["--sw", "--sw-skip"], {"fail": [A + "test_2", B + "test_1"]}),
        (["--sw-skip"], {"fail": [B + "test_1"]}),
        ([], {}),
        (["--sw"], {}),
    ],
    [
        (["--sw"], {"fail": [B + "test_1"]}),
        (["--sw", "a"], {}),
        (["--sw"], {"fail": [B + "test_1"]}),
        (["--sw"], {}, [], ["a/test_new.py"]),
    ],
    [
        (["--sw"], {"fail": [B + "test_1"]}),
        (["--sw"], {}, ["b/test_package.py"]),
        (["--sw", "-k", "test_2", "--deselect", "a"], {"fail": ["test_root.py::test_2"]}),
        (["--sw", "-k", "test_2"], {}),
    ],
    [
        (["--sw"], {"setup": [B + "test_1"]}),
        (["--sw", "--lf", "--nf"], {"setup": [B + "test_1"]}),
        (["--sw", "--lf"], {}),
        (["--sw", "--co"], {"fail": [A + "test_1"]}),
    ],
    [
        (["--sw"], {"fail": [B + "test_1"]}),
        (["--sw-reset"], {"fail": [B + "test_2"]}),
        (["--sw-reset", "--sw-skip"], {"fail": [A + "test_1"]}),
        (["--sw"], {}),
    ],
]

PLUGIN = """
import json, pytest
SAID = {"collect_reports": [], "deselected": 0, "reports": [], "collected": [], "left": []}
class Witness:
    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items):
        SAID["collected"] = [item.nodeid for item in items]
    def pytest_collection_finish(self, session):
        SAID["left"] = [item.nodeid for item in session.items]
    def pytest_deselected(self, items):
        SAID["deselected"] += len(items)
    def pytest_collectreport(self, report):
        SAID["collect_reports"].append([report.nodeid, report.outcome, [str(node.nodeid) for node in report.result or []]])
    def pytest_runtest_logreport(self, report):
        SAID["reports"].append([report.nodeid, report.when, report.outcome])
import sys
code = pytest.main(sys.argv[1:], plugins=[Witness()])
print("SAID" + json.dumps(SAID))
"""

PLAIN = {}
VALUES = ["lastfailed", "nodeids", "stepwise"]


def run(folder, options):
    env = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", PLUGIN, *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, check=False)
    out, found, said = done.stdout.rpartition("SAID")
    if not found:
        raise SystemExit(done.stdout + done.stderr)
    lines = [line for line in out.splitlines() if line.startswith(("run-last-failure", "stepwise"))]
    return json.loads(said) | {"lines": lines}


def cache(folder):
    def text(name):
        path = Path(folder, ".pytest_cache/v/cache", name)
        return path.read_text(encoding="utf-8") if path.exists() else None

    return {name: text(name) for name in VALUES}


def history(runs):
    import pytest

    steps = []
    with tempfile.TemporaryDirectory() as folder:
        clock = 1_700_000_000
        for path, text in SUITE.items():
            clock += 10
            Path(folder, path).parent.mkdir(parents=True, exist_ok=True)
            Path(folder, path).write_text(text)
            os.utime(Path(folder, path), (clock, clock))
        for options, state, *changes in runs:
            if not pytest.__version__.startswith("8.0") or "--sw-reset" not in options:
                gone, new = [*changes, [], []][:2]
                for path in gone:
                    Path(folder, path).unlink()
                for path in new:
                    clock += 10
                    Path(folder, path).write_text(FUNCTIONS)
                    os.utime(Path(folder, path), (clock, clock))
                Path(folder, "state.json").write_text(json.dumps(state))
                steps.append(step(folder, options))
    return steps


def plain(folder, options):
    """What a run without a cache leaves."""
    files = tuple(sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("test_*.py")))
    if (key := (files, *options)) not in PLAIN:
        PLAIN[key] = run(folder, ["--co", "-q", "-p", "no:cacheprovider", *options])["left"]
    return PLAIN[key]


def step(folder, options):
    before = cache(folder)
    paths = [
        option
        for option in options
        if not option.startswith("-") and option != "test_1" and option != "test_2"
    ]
    paths = [path for path in paths if path != "a" or "--deselect" not in options]
    paths = [path for path in paths if path != B]
    Path(folder, "state.json").rename(Path(folder, "kept.json"))
    Path(folder, "state.json").write_text("{}")
    # (A file of which an argument names a test is collected as a whole, and then searched.)
    files = [path.partition("::")[0] for path in paths]
    everything = plain(folder, files)
    # What -k and --deselect leave of it is not this table's question.
    others = [option for option in options if option in ("-k", "--deselect", "test_1", "test_2", B)]
    others = [*others, "a"] if "--deselect" in options and "a" in options else others
    selected = plain(folder, [*others, *files])
    Path(folder, "kept.json").replace(Path(folder, "state.json"))
    said = run(folder, options)
    here = Path(folder)
    failed = before["lastfailed"] or ""
    said["collect_reports"] = [
        # What is below a node matters only where the node was a failure.
        [node, outcome, below if f'"{node}"' in failed else len(below)]
        for node, outcome, below in said["collect_reports"]
    ]
    # Phases around a test that pass change nothing.
    said["reports"] = [
        report for report in said["reports"] if report[1] == "call" or report[2] != "passed"
    ]
    return {
        "options": [option for option in options if option not in paths],
        "arguments": paths,
        "paths": sorted(
            str(path.relative_to(here))
            for path in here.rglob("*")
            if ".pytest_cache" not in path.parts
        ),
        "modified": {}
        if "--nf" not in options
        else {
            str(path.relative_to(here)): path.stat().st_mtime
            for path in sorted(here.rglob("test_*.py"))
        },
        "everything": everything,
        "deselected_by_others": [test for test in everything if test not in selected],
        **said,
        "after": cache(folder),
    }


def main():
    import pytest

    version = [int(part) for part in pytest.__version__.split(".")[:2]]
    reset = version >= [8, 4]
    wanted = [
        runs for runs in HISTORIES if reset or not any("--sw-reset" in run[0] for run in runs)
    ]
    made_by = f"record_cache.py with pytest {pytest.__version__} on Python {sys.version.split()[0]}"
    rows = ",\n".join(
        json.dumps(history(runs), ensure_ascii=False, separators=(",", ":")) for runs in wanted
    )
    print(
        f'{{"made_by": {json.dumps(made_by)},\n"version": {version},\n"histories": [\n{rows}\n]}}'
    )


if __name__ == "__main__":
    main()
