"""pytest-cov: what workers covered is the same as what one process covers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from coverage import CoverageData

from running import run_dyno, run_pytest, write_suite
from side_by_side import pair

SOURCE = {
    "pkg/__init__.py": "",
    "pkg/sign.py": (
        "def sign(number):\n"
        "    if number > 0:\n"
        "        return 1\n"
        "    if number < 0:\n"
        "        return -1\n"
        "    return 0\n"
        "def unused():\n"
        "    return 2\n"
    ),
    "pkg/lazy.py": "def late():\n    return 'late'\n",
    "pkg/child.py": "import sys\ndef main():\n    print(len(sys.argv))\nmain()\n",
}
TESTS = {
    **SOURCE,
    "test_a.py": "from pkg.sign import sign\ndef test_plus(): assert sign(3) == 1\n",
    "test_b.py": "from pkg.sign import sign\ndef test_minus(): assert sign(-3) == -1\n",
    "test_c.py": (
        "import threading\n"
        "def test_lazy():\n"
        "    from pkg.lazy import late\n"
        "    seen = []\n"
        "    thread = threading.Thread(target=lambda: seen.append(late()))\n"
        "    thread.start(); thread.join()\n"
        "    assert seen == ['late']\n"
        "def test_fails(): assert False\n"
        "def test_nothing(): pass\n"
        "def test_nothing_more(no_cover):\n"
        "    from pkg.sign import unused\n"
        "    assert unused() == 2\n"
    ),
}

# Where plugins look at all that is collected, dyno imports all anyway.
NO_OTHERS = [
    f"-pno:{name}"
    for name in (
        "allure_pytest",
        "asyncio",
        "benchmark",
        "hypothesispytest",
        "mypy",
        "order",
        "pytest_httpserver",
        "pytest_jsonreport",
        "rerunfailures",
        "xdist",
    )
]

# What one test file measured: its lines, arcs, and the contexts of each line.
Measured = dict[str, tuple[object, object, object]]


def measured(folder: Path) -> Measured:
    data = CoverageData(str(folder / ".coverage"))
    data.read()
    found: Measured = {}
    for file in data.measured_files():
        contexts = {line: sorted(of) for line, of in data.contexts_by_lineno(file).items()}
        arcs = data.arcs(file)
        name = str(Path(file).relative_to(folder))
        found[name] = (
            sorted(data.lines(file) or ()),
            None if arcs is None else sorted(arcs),
            contexts,
        )
    return found


def is_clean(folder: Path) -> bool:
    """Whether nothing but the combined data is left."""
    return {path.name for path in folder.glob(".coverage*")} <= {".coverage", ".coveragerc"}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    "options",
    [
        ["--cov=pkg"],
        ["--cov=pkg", "--cov-branch", "--cov-context=test"],
        ["--cov=.", "--cov-branch"],
    ],
)
def test_data_equal_a_serial_runs(tmp_path: Path, options: list[str], workers: int) -> None:
    runs = pair(tmp_path, TESTS, *options, workers=workers)
    runs.check()
    expected = measured(runs.pytest)
    assert expected["pkg/lazy.py"][0] == [1, 2]
    assert measured(runs.dyno) == expected
    assert is_clean(runs.dyno)


def test_data_of_workers_that_are_no_forks_equal_a_serial_runs(tmp_path: Path) -> None:
    """Those that start later must not erase what is there."""
    thread = (
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    )
    files = {**TESTS, "conftest.py": thread + TESTS.get("conftest.py", "")}
    options = ["--cov=pkg", "--cov-branch", "--cov-context=test"]
    runs = pair(tmp_path, files, *options, workers=2)
    runs.check()
    assert "FRESH INTERPRETERS" in runs.got.stdout
    assert measured(runs.dyno) == measured(runs.pytest)
    assert is_clean(runs.dyno)
    # The last test is tried again when the data of the others is saved.
    again = tmp_path / "again"
    flaky = (
        "from pathlib import Path\n"
        "def test_flaky():\n"
        "    path = Path('tried')\n"
        "    if not path.exists(): path.touch(); assert False\n"
    )
    write_suite(again, {**files, "test_z.py": flaky})
    got = run_dyno(
        again, "-n", "1", "--retries", "1", "--deselect", "test_c.py::test_fails", *options
    )
    assert got.closing_counts()["flaky"] == 1, got.text
    assert "2 workers were not forked" in got.stdout
    assert measured(again) == measured(runs.pytest)


def test_the_report_is_pytests_own(tmp_path: Path) -> None:
    runs = pair(
        tmp_path,
        TESTS,
        "--cov=pkg",
        "--cov-report=term-missing",
        "--cov-report=json",
        "-k",
        "minus",
    )
    runs.check()
    table = report(runs.expected.stdout)
    assert any(line.startswith("TOTAL") for line in table)
    assert report(runs.got.stdout) == table
    assert totals(runs.dyno) == totals(runs.pytest)


def totals(folder: Path) -> object:
    return json.loads((folder / "coverage.json").read_text())["totals"]


def report(text: str) -> list[str]:
    lines = text.splitlines()
    start = next(place for place, line in enumerate(lines) if "tests coverage" in line)
    end = next(place for place, line in enumerate(lines) if line.startswith("TOTAL"))
    return lines[start : end + 1]


@pytest.mark.parametrize("bound", ["40", "99"])
def test_a_bound_decides_the_exit_code(tmp_path: Path, bound: str) -> None:
    runs = pair(tmp_path, TESTS, "--cov=pkg", f"--cov-fail-under={bound}", "-k", "plus or minus")
    assert runs.expected.code == (1 if bound == "99" else 0)
    runs.check()
    line = next(line for line in runs.expected.stdout.splitlines() if "Required test" in line)
    assert line in runs.got.stdout.splitlines()


def test_data_of_processes_that_tests_start_are_combined(tmp_path: Path) -> None:
    files = {
        **TESTS,
        ".coveragerc": "[run]\npatch = subprocess\nsource = pkg\n",
        "test_d.py": (
            "import subprocess, sys\n"
            "def test_child(): subprocess.run([sys.executable, '-m', 'pkg.child'], check=True)\n"
        ),
    }
    runs = pair(tmp_path, files, "--cov")
    runs.check()
    expected = measured(runs.pytest)
    assert expected["pkg/child.py"][0] == [1, 2, 3, 4]
    assert measured(runs.dyno) == expected
    assert is_clean(runs.dyno)


def test_data_are_appended_to(tmp_path: Path) -> None:
    runs = pair(tmp_path, TESTS, "--cov=pkg", "-k", "plus")
    again = ["--cov=pkg", "--cov-append", "-k", "minus"]
    run_pytest(runs.pytest, *again)
    run_dyno(runs.dyno, *again, "-n", "2")
    assert measured(runs.dyno) == measured(runs.pytest)


def test_data_of_templates_that_share_the_import_are_combined(tmp_path: Path) -> None:
    files = {
        **SOURCE,
        **{
            f"test_{n}.py": f"from pkg.sign import sign\ndef test_it(): assert sign({n}) >= 0\n"
            for n in range(40)
        },
        # Nobody forks a worker of whom imports this one.
        "test_skipped.py": "import pytest\npytest.skip('all', allow_module_level=True)\n",
    }
    runs = pair(tmp_path, files, "--cov=.")
    runs.check()
    assert measured(runs.dyno) == measured(runs.pytest)


def test_a_file_without_a_wanted_test_counts_as_imported(tmp_path: Path) -> None:
    files = {**TESTS, "test_e.py": "from pkg.lazy import late\ndef test_late(): late()\n"}
    runs = pair(tmp_path, files, "--cov=.", "-k", "plus", *NO_OTHERS)
    runs.check()
    assert measured(runs.pytest)["pkg/lazy.py"][0] == [1]
    assert measured(runs.dyno) == measured(runs.pytest)


def test_a_worker_that_dies_is_named(tmp_path: Path) -> None:
    """Its data are lost, and nothing else is."""
    files = {**TESTS, "test_d.py": "import os\ndef test_dies(): os._exit(3)\n"}
    folder = tmp_path / "suite"
    write_suite(folder, files)
    got = run_dyno(folder, "-n", "1", "--cov=pkg")
    assert got.outcomes["test_d.py::test_dies"] == ("failed",)
    assert "coverage: failed workers" in got.stdout
    assert "gw0" in got.stdout
    assert is_clean(folder)
