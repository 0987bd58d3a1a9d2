"""`dyno markers`: counts, and the policy of a project."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from running import DYNO, write_suite
from test_collect import Answer, run

POLICY = """
[tool.pytest.ini_options]
markers = ["fast: quick [speed]", "slow: not quick [speed]", "gpu(n): needs so many"]

[tool.dyno.markers]
require = ["speed"]
"""

SUITE = {
    "pyproject.toml": POLICY,
    "test_a.py": """
import pytest
import framework_that_is_not_there

@pytest.mark.fast
@pytest.mark.parametrize("x", [1, 2])
def test_good(x): pass

def test_none(): pass

@pytest.mark.slwo
class TestX:
    def test_misspelled(self): pass
""",
    "test_b.py": """
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.gpu(1)]

def test_b(): pass
""",
}


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def markers(folder: Path, cache: Path, *args: str) -> Answer:
    write = folder / "pytest.ini"
    if write.exists():
        write.unlink()
    return run([DYNO, "markers", "--python", sys.executable, *args], folder, cache)


def test_violations_are_told_with_their_place(tmp_path: Path, cache: Path) -> None:
    write_suite(tmp_path, SUITE)
    answer = markers(tmp_path, cache, "--check")
    assert answer.code == 1, answer.err
    found = answer.out.splitlines()
    assert found[:2] == [
        "test_a.py:9: `test_none` has no speed marker (fast, slow)",
        "test_a.py:13: `TestX::test_misspelled` has no speed marker (fast, slow)",
    ]
    misspelled = "`TestX::test_misspelled` has the marker `slwo`, which is not registered"
    assert found[2:] == [f"test_a.py:13: {misspelled}; did you mean `slow`?"]


def test_only_the_files_of_a_commit_are_checked(tmp_path: Path, cache: Path) -> None:
    write_suite(tmp_path, SUITE)
    answer = markers(tmp_path, cache, "--check", "test_b.py")
    assert (answer.code, answer.out) == (0, "")


def test_markers_that_a_conftest_registers_are_known(tmp_path: Path, cache: Path) -> None:
    conftest = "def pytest_configure(config):\n    config.addinivalue_line('markers', {})\n"
    write_suite(tmp_path, {**SUITE, "conftest.py": conftest.format("'slwo: is a word'")})
    assert "registered" not in markers(tmp_path, cache, "--check").out
    write_suite(tmp_path, {**SUITE, "conftest.py": conftest.format("make_line()")})
    answer = markers(tmp_path, cache, "--check")
    assert "registered" not in answer.out and "not decided" in answer.err


@pytest.mark.parametrize("table", ["require = ['size']", "requires = []", "allow = 1", "= broken"])
def test_a_policy_that_cannot_be_followed_is_a_usage_error(
    table: str, tmp_path: Path, cache: Path
) -> None:
    text = f"[tool.dyno.markers]\n{table}\n"
    write_suite(tmp_path, {**SUITE, "pyproject.toml": text})
    answer = markers(tmp_path, cache, "--check", "test_b.py")
    assert answer.code == 4 and answer.err, answer.out


def test_counts(tmp_path: Path, cache: Path) -> None:
    write_suite(tmp_path, SUITE)
    counts = json.loads(markers(tmp_path, cache, "--json").out)
    assert counts["markers"] == {"fast": 2, "gpu": 1, "slow": 1, "slwo": 1}
    assert counts["files"]["test_b.py"] == {"gpu": 1, "slow": 1}
    assert (counts["tests"], counts["unmarked"]) == (5, 1)
    assert "5 tests in 2 files" in markers(tmp_path, cache).out


def test_the_hook_for_pre_commit_is_what_the_command_takes(tmp_path: Path, cache: Path) -> None:
    text = (Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text()
    fields = dict(re.findall(r"^[- ] (\w+): (.*)$", text, re.MULTILINE))
    assert {"id", "name", "entry", "language", "files"} <= fields.keys()
    command = fields["entry"].split()
    assert command[0] == "dyno"
    files = re.compile(fields["files"])
    assert [name for name in SUITE if files.search(name)] == ["test_a.py", "test_b.py"]
    assert not files.search("conftest.py") and files.search("a/b_test.py")
    write_suite(tmp_path, SUITE)
    assert markers(tmp_path, cache, *command[2:], "test_b.py").code == 0
