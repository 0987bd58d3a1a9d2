"""Bad input: one clear message, pytest's exit code, no traceback of dyno's own, no hang."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from running import DYNO, environment, run_dyno, run_pytest, write_suite

GOOD = {"test_good.py": "def test_a(): pass\ndef test_b(): pass\n"}

# What is wrong, the suite, the arguments, and what the message must name.
CASES: dict[str, tuple[dict[str, str], list[str], str]] = {
    "no such path": (GOOD, ["absent.py"], "absent.py"),
    "unknown node id": (GOOD, ["test_good.py::test_z"], "test_good.py::test_z"),
    "bad marker expression": (GOOD, ["-m", "unit and (slow"], "unit and (slow"),
    "bad keyword expression": (GOOD, ["-k", "a or or b"], "a or or b"),
    "nothing collected": ({"readme.txt": ""}, [], "collected 0 items"),
    "nothing selected": (GOOD, ["-k", "nothing"], "2 deselected"),
    "conftest raises": (
        {**GOOD, "conftest.py": "raise RuntimeError('broken conftest')\n"},
        [],
        "broken conftest",
    ),
    "missing plugin": (GOOD, ["-p", "no_such_plugin"], "no_such_plugin"),
    "unknown option": (GOOD, ["--no-such-option"], "--no-such-option"),
    "module raises": (
        {**GOOD, "test_bad.py": "import no_such_module\n"},
        [],
        "no_such_module",
    ),
    "syntax error": ({**GOOD, "test_bad.py": "def test_(:\n"}, [], "SyntaxError"),
    "bad ini": ({**GOOD, "pytest.ini": "[pytest\n"}, [], "pytest.ini"),
    "hook raises": (
        {**GOOD, "conftest.py": "def pytest_runtest_setup(): raise OSError('in hook')\n"},
        [],
        "in hook",
    ),
    "internal error": (
        {**GOOD, "conftest.py": "def pytest_collection_finish(): raise OSError('in hook')\n"},
        [],
        "in hook",
    ),
    "exits at import": ({**GOOD, "test_bad.py": "raise SystemExit(7)\n"}, [], "7"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_message_names_the_thing_and_the_code_is_pytests(tmp_path: Path, case: str) -> None:
    files, args, named = CASES[case]
    folder = tmp_path / "suite"
    write_suite(folder, files)
    expected = run_pytest(folder, *args)
    got = run_dyno(folder, "-n", "2", *args)
    assert got.code == expected.code, got.text
    assert got.outcomes == expected.outcomes
    assert named in got.text
    assert "panicked" not in got.text and "RUST_BACKTRACE" not in got.text
    assert "dyno/template.py" not in got.text and "dyno/worker.py" not in got.text


def test_a_caret_stands_under_the_place(tmp_path: Path) -> None:
    write_suite(tmp_path, GOOD)
    got = run_dyno(tmp_path, "-m", "unit and")
    lines = got.stderr.splitlines()
    place = next(
        index for index, line in enumerate(lines) if "unit and" in line and "^" not in line
    )
    caret = lines[place + 1]
    assert caret.index("^") == lines[place].index("unit and") + len("unit and"), got.stderr


def test_an_internal_error_in_a_worker_is_told_once(tmp_path: Path) -> None:
    conftest = "def pytest_runtest_protocol(): raise OSError('in protocol')\n"
    write_suite(tmp_path, {**GOOD, "conftest.py": conftest})
    expected = run_pytest(tmp_path)
    got = run_dyno(tmp_path, "-n", "1")
    assert got.code == expected.code == 3, got.text
    assert got.text.count("OSError: in protocol") == 1, got.text
    assert "Disconnected" not in got.text and "Bad file descriptor" not in got.text


@pytest.mark.parametrize(
    ("option", "nearest"),
    [("--max-fail=1", "--maxfail"), ("--numproceses=2", "--numprocesses"), ("--qqqqqq", None)],
)
def test_an_option_that_nobody_knows_is_met_with_the_nearest(
    tmp_path: Path, option: str, nearest: str | None
) -> None:
    write_suite(tmp_path, GOOD)
    got = run_dyno(tmp_path, option)
    assert got.code == 4
    assert ("hint:" in got.text) == (nearest is not None)
    assert f"`{nearest}`" in got.text or nearest is None


def test_a_test_that_reads_its_input_finds_an_end(tmp_path: Path) -> None:
    write_suite(tmp_path, {"test_a.py": "def test_a(): input()\n"})
    got = run_dyno(tmp_path, "-s")
    assert got.code == 1
    assert "EOFError" in got.stdout


def test_bad_values_of_dynos_own_options_are_usage_errors(tmp_path: Path) -> None:
    write_suite(tmp_path, GOOD)
    got = run_dyno(tmp_path, "-n", "many")
    assert got.code == 4
    assert "many" in got.stderr and "auto" in got.stderr


def test_a_python_that_is_not_there(tmp_path: Path) -> None:
    write_suite(tmp_path, GOOD)
    got = run_dyno(tmp_path, "--python", str(tmp_path / "absent"))
    assert got.code == 4
    assert "absent" in got.stderr


def test_a_python_that_lacks_pytest(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    venv.create(bare, with_pip=False)
    write_suite(tmp_path / "suite", GOOD)
    got = run_dyno(tmp_path / "suite", "--python", str(bare / "bin" / "python"))
    assert got.code == 4
    assert "has no pytest" in got.text and "hint:" in got.text


@pytest.mark.parametrize(
    ("death", "named"), [("os._exit(9)", "exit code 9"), ("os.kill(os.getpid(), 9)", "SIGKILL")]
)
def test_an_interpreter_that_dies_while_it_collects(tmp_path: Path, death: str, named: str) -> None:
    write_suite(tmp_path, {"test_a.py": f"import os\n{death}\n"})
    got = run_dyno(tmp_path)
    assert got.code == 3
    assert named in got.text and "collected" in got.text


def test_a_crash_is_told_with_its_signal_and_the_rest_still_runs(tmp_path: Path) -> None:
    write_suite(
        tmp_path,
        {
            "test_a.py": (
                "import os, signal, pytest\n"
                "@pytest.fixture(scope='module')\n"
                "def shared(): return 1\n"
                "def test_first(shared): pass\n"
                "def test_dies(shared): os.kill(os.getpid(), signal.SIGSEGV)\n"
                "def test_leaves(shared): os._exit(0)\n"
                "def test_last(shared): pass\n"
            )
        },
    )
    for workers in ("1", "2"):
        got = run_dyno(tmp_path, "-n", workers)
        assert got.code == 1
        assert got.outcomes == {
            "test_a.py::test_first": ("passed",),
            "test_a.py::test_dies": ("failed",),
            "test_a.py::test_leaves": ("failed",),
            "test_a.py::test_last": ("passed",),
        }
        assert "SIGSEGV" in got.stdout and "exit code 0" in got.stdout
        assert "test_dies" in got.stdout and "Segmentation fault" in got.stdout


def test_a_reader_that_leaves_does_not_turn_a_failure_into_a_success(tmp_path: Path) -> None:
    write_suite(tmp_path, {"test_a.py": "def test_a(): assert False\n"})
    read, write = os.pipe()
    os.close(read)
    command = [DYNO, "test", "--python", sys.executable]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), stdout=write, stderr=subprocess.PIPE, timeout=60
    )
    os.close(write)
    assert done.returncode == 1, done.stderr


def test_help_names_every_option_of_its_own() -> None:
    done = subprocess.run([DYNO, "test", "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    for option in ("--numprocesses", "--no-capture", "--python", "--collect-only", "-m"):
        assert option in done.stdout
