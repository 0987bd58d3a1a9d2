"""Plugins that change what a test is or how it ends.

Each case is also run by pytest without the plugin, which has to make a difference: so a
case fails where dyno ignores the plugin.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from running import run_dyno, run_pytest, write_suite
from side_by_side import pair


@dataclass
class Case:
    """A suite, the plugin's name for `-p no:`, and its options."""

    plugin: str
    files: dict[str, str]
    options: list[str] = field(default_factory=list)


CASES = {
    "asyncio": Case(
        "asyncio",
        {
            "pytest.ini": "[pytest]\nasyncio_mode = auto\n",
            "test_a.py": (
                "import asyncio, pytest\n"
                "@pytest.fixture\n"
                "async def server():\n"
                "    task = asyncio.create_task(asyncio.sleep(60))\n"
                "    yield task\n"
                "    task.cancel()\n"
                "async def test_runs(server): assert not server.done()\n"
                "async def test_fails(): await asyncio.sleep(0); assert False\n"
                "@pytest.mark.asyncio(loop_scope='module')\n"
                "class TestOneLoop:\n"
                "    loop = None\n"
                "    async def test_first(self): TestOneLoop.loop = asyncio.get_running_loop()\n"
                "    async def test_same(self):\n"
                "        assert asyncio.get_running_loop() is TestOneLoop.loop\n"
            ),
            "test_b.py": "async def test_other(): pass\n",
        },
    ),
    "mypy": Case(
        "mypy",
        {
            "good.py": "x: int = 1\n",
            "bad.py": "x: int = 'text'\n",
            "test_a.py": "def test_a() -> None: pass\n",
        },
        ["--mypy"],
    ),
    "timeout by signal": Case(
        "timeout",
        {
            "test_a.py": (
                "import time\ndef test_hangs(): time.sleep(5)\ndef test_a(): pass\n"
                "import pytest\n@pytest.mark.timeout(30)\ndef test_slow(): time.sleep(0.6)\n"
            ),
            "test_b.py": "import time, pytest\n@pytest.fixture\ndef slow(): time.sleep(5)\n"
            "def test_setup_hangs(slow): pass\n",
        },
        ["--timeout=0.5"],
    ),
    "order": Case(
        "order",
        {
            "test_a.py": (
                "import pytest\n"
                "@pytest.fixture(scope='module')\n"
                "def seen(): return []\n"
                "@pytest.mark.order(2)\n"
                "def test_second(seen): seen.append(2); assert seen == [1, 2]\n"
                "@pytest.mark.order(1)\n"
                "def test_first(seen): seen.append(1)\n"
                "@pytest.mark.order(after='test_second')\n"
                "def test_after(seen): assert seen == [1, 2]\n"
            ),
            "test_b.py": "def test_b(): pass\n",
        },
    ),
    "httpserver": Case(
        "pytest_httpserver",
        {
            f"test_{name}.py": (
                "import urllib.request\n"
                "def test_asks(httpserver):\n"
                "    httpserver.expect_request('/a').respond_with_data('yes')\n"
                "    with urllib.request.urlopen(httpserver.url_for('/a')) as answer:\n"
                "        assert answer.read() == b'yes'\n"
                "def test_starts_empty(httpserver):\n"
                "    assert httpserver.log == []\n"
            )
            for name in "abc"
        },
    ),
    "mock": Case(
        "pytest_mock",
        {
            "test_a.py": (
                "import os\n"
                "def test_patches(mocker):\n"
                "    mocker.patch('os.getcwd', return_value='here')\n"
                "    spy = mocker.spy(os.path, 'join')\n"
                "    assert os.getcwd() == 'here' and os.path.join('a', 'b') == 'a/b'\n"
                "    spy.assert_called_once_with('a', 'b')\n"
                "def test_is_undone(): assert os.getcwd() != 'here'\n"
                "def test_calls(mocker): mocker.stub('it').assert_called_once()\n"
            ),
        },
    ),
    # A profile of the plugin's option; without it the option is not known.
    "hypothesis": Case(
        "hypothesispytest",
        {
            "test_a.py": (
                "import pytest\n"
                "from hypothesis import given, strategies as st\n"
                "@given(st.integers())\n"
                "def test_holds(n): assert n + 0 == n\n"
                "@given(st.integers())\n"
                "def test_is_falsified(n): assert n < 1000\n"
                "@pytest.fixture\n"
                "def each(): return 1\n"
                "@given(st.booleans())\n"
                "def test_health(each, flag): pass\n"
            ),
            "test_b.py": (
                "from hypothesis import given, strategies as st\n"
                "@given(st.text())\n"
                "def test_text(text): assert text.encode('utf-8', 'replace')\n"
            ),
        },
        ["--hypothesis-seed=0"],
    ),
    "subtests of pytest": Case(
        "subtests",
        {
            "test_a.py": (
                "import unittest\n"
                "def test_some_fail(subtests):\n"
                "    for n in range(4):\n"
                "        with subtests.test('number', n=n): assert n % 2 == 0\n"
                "def test_none_fails(subtests):\n"
                "    with subtests.test('it'): pass\n"
                "def test_skips(subtests):\n"
                "    import pytest\n"
                "    with subtests.test('it'): pytest.skip('no')\n"
                "class TestOld(unittest.TestCase):\n"
                "    def test_old(self):\n"
                "        for n in range(3):\n"
                "            with self.subTest(n=n): self.assertNotEqual(n, 1)\n"
            ),
            "test_b.py": "def test_b(): pass\n",
        },
    ),
    "reruns": Case(
        "rerunfailures",
        {
            "conftest.py": (
                "import pathlib\n"
                "def times(name):\n"
                "    with open(name, 'a') as file: file.write('x')\n"
                "    return len(pathlib.Path(name).read_text())\n"
            ),
            "test_a.py": (
                "import pytest\nfrom conftest import times\n"
                "def test_passes_at_last(): assert times('first') > 2\n"
                "def test_never_passes(): assert False\n"
                "@pytest.mark.flaky(reruns=1)\n"
                "def test_once(): assert times('once') > 2\n"
                "@pytest.fixture\n"
                "def weak(): assert times('weak') > 1\n"
                "def test_setup(weak): pass\n"
            ),
            "test_b.py": "def test_b(): pass\n",
        },
        ["--reruns=2", "-rR"],
    ),
}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", CASES)
def test_outcomes_are_pytests(tmp_path: Path, name: str, workers: int) -> None:
    case = CASES[name]
    runs = pair(tmp_path, case.files, *case.options, workers=workers)
    assert runs.expected.outcomes, runs.expected.text
    runs.check()


# Every test in a sandbox of its own, as far as fixtures let it.
SEALED = "[[tool.dyno.rules]]\npath = '*'\nlane = 'sealed'\n"


@pytest.mark.parametrize("name", CASES)
def test_outcomes_are_pytests_behind_walls(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    files = {**case.files, "pyproject.toml": SEALED}
    pair(tmp_path, files, *case.options, workers=2).check()


def test_a_sealed_worker_counts_reruns_for_itself(tmp_path: Path) -> None:
    files = {f"test_{n}.py": "def test_it(): assert False\n" for n in range(2)}
    write_suite(tmp_path, {**files, "pyproject.toml": SEALED})
    got = run_dyno(tmp_path, "-n", "2", "--reruns=1", "--max-suite-reruns=9")
    assert got.closing_counts() == {"failed": 2, "rerun": 2}, got.text


@pytest.mark.parametrize("name", CASES)
def test_the_plugin_makes_a_difference(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    write_suite(tmp_path, case.files)
    without = run_pytest(tmp_path, *case.options, "-p", f"no:{case.plugin}")
    write_suite(tmp_path / "again", case.files)
    assert without.outcomes != run_pytest(tmp_path / "again", *case.options).outcomes


def lines(text: str, *starts: str) -> list[str]:
    return sorted(line for line in text.splitlines() if line.startswith(starts))


def test_reruns_are_listed(tmp_path: Path) -> None:
    case = CASES["reruns"]
    runs = pair(tmp_path, case.files, *case.options)
    expected = lines(runs.expected.stdout, "RERUN")
    assert len(expected) == 6
    assert lines(runs.got.stdout, "RERUN") == expected


def test_reruns_of_a_whole_run_are_counted_over_all_workers(tmp_path: Path) -> None:
    """pytest-rerunfailures counts on a socket of the controller's."""
    files = {f"test_{n}.py": "def test_it(): assert False\n" for n in range(4)}
    runs = pair(tmp_path, files, "--reruns=2", "--max-suite-reruns=3")
    # Which test is refused a rerun is chance, and the plugin then tears one down too late.
    assert runs.expected.closing_counts()["rerun"] == 3
    assert runs.got.closing_counts()["rerun"] == 3
    assert runs.got.code == runs.expected.code


def test_a_timeout_by_thread_ends_one_test(tmp_path: Path) -> None:
    """It ends the process: pytest's whole run, one worker of dyno's. The stacks are kept."""
    files = {
        "test_a.py": "import time\ndef test_hangs(): print('said'); time.sleep(9)\n"
        "def test_after(): pass\n",
        "test_b.py": "def test_b(): pass\n",
    }
    write_suite(tmp_path, files)
    got = run_dyno(tmp_path, "-n", "2", "--timeout=0.5", "--timeout-method=thread")
    assert got.outcomes == {
        "test_a.py::test_hangs": ("failed",),
        "test_a.py::test_after": ("passed",),
        "test_b.py::test_b": ("passed",),
    }
    assert got.code == 1
    assert "Stack of MainThread" in got.stdout
    assert 'test_a.py", line 2, in test_hangs' in got.stdout
    assert "said" in got.stdout


def test_one_worker_keeps_the_order_of_the_plugin(tmp_path: Path) -> None:
    case = CASES["order"]
    runs = pair(tmp_path, case.files, workers=1)
    assert list(runs.got.outcomes) == list(runs.expected.outcomes)
    assert next(iter(runs.got.outcomes)) == "test_a.py::test_first"


def test_what_falsifies_is_shown(tmp_path: Path) -> None:
    case = CASES["hypothesis"]
    runs = pair(tmp_path, case.files, *case.options, "--hypothesis-show-statistics")
    assert "test_is_falsified(" in runs.expected.stdout
    for line in ("    n=1000,", "============================ Hypothesis Statistics"):
        found = [one for one in runs.expected.stdout.splitlines() if line in one]
        assert found
        assert [one for one in runs.got.stdout.splitlines() if line in one] == found
    shown = "test_a.py::test_holds:"
    assert runs.got.stdout.count(shown) == runs.expected.stdout.count(shown) > 0


def test_what_mypy_says_is_shown(tmp_path: Path) -> None:
    case = CASES["mypy"]
    runs = pair(tmp_path, case.files, *case.options)
    said = [line for line in runs.expected.stdout.splitlines() if "error:" in line]
    assert said
    for line in said:
        assert line in runs.got.stdout.splitlines()
