"""Promise 1: for every test, `dyno test` and `pytest` say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from running import run_dyno, run_pytest, write_suite

EVERY_OUTCOME = """
import unittest, warnings
import pytest

def test_passes(): pass
def test_fails(): assert 1 == 2, "numbers differ"
def test_raises(): raise RuntimeError("boom")
@pytest.mark.skip(reason="by marker")
def test_skipped(): pass
@pytest.mark.skipif(True, reason="by condition")
def test_skipped_if(): pass
def test_skips_itself(): pytest.skip("by call")
@pytest.mark.xfail(reason="known")
def test_xfails(): assert False
@pytest.mark.xfail
def test_xpasses(): pass
@pytest.mark.xfail(strict=True)
def test_xpasses_strictly(): pass
@pytest.mark.xfail(run=False)
def test_is_not_run(): raise SystemExit(3)

@pytest.fixture
def broken(): raise ValueError("set-up")
def test_errors(broken): pass

@pytest.fixture
def broken_end():
    yield
    raise ValueError("teardown")
def test_errors_at_the_end(broken_end): pass
def test_fails_and_errors(broken_end): assert False
def test_warns(): warnings.warn("careful")
@pytest.mark.parametrize("value", [1, "a", None, 2.5, b"x", "\\n", "\\u00e9"])
def test_parameters(value): assert value != 2.5

class TestClass:
    @classmethod
    def setup_class(cls): cls.seen = []
    def test_one(self): self.seen.append(1)
    def test_two(self): assert self.seen == [1]
    class TestInner:
        def test_three(self): pass

class OldStyle(unittest.TestCase):
    @classmethod
    def setUpClass(cls): cls.ready = True
    def test_old(self): self.assertTrue(self.ready)
    def test_old_fails(self): self.assertEqual(1, 2)
    @unittest.skip("old way")
    def test_old_skips(self): pass
    @unittest.expectedFailure
    def test_old_xfails(self): self.fail()

def test_exits(): raise SystemExit(3)
def test_captures(capsys, capfd):
    pass
"""

SCOPES = """
import os, pytest

@pytest.fixture(scope="session")
def of_session(tmp_path_factory):
    yield tmp_path_factory.mktemp("session")

@pytest.fixture(scope="module", params=["x", "y"])
def of_module(request, of_session):
    return [request.param]

@pytest.fixture(scope="class")
def of_class():
    return []

state = []
def setup_module(): state.append("set up")
def teardown_module(): assert state == ["set up"]

def test_module_is_set_up(): assert state == ["set up"]
def test_first(of_module): of_module.append(1); assert len(of_module) == 2
def test_second(of_module): of_module.append(2); assert len(of_module) == 3
class TestShared:
    def test_a(self, of_class): of_class.append(1)
    def test_b(self, of_class): assert of_class == [1]
def test_tmp_path(tmp_path, of_session):
    (tmp_path / "f").write_text("x")
    assert of_session.exists()
def test_env(monkeypatch):
    monkeypatch.setenv("A", "b")
    assert os.environ["A"] == "b"
"""

SUITES: dict[str, dict[str, str]] = {
    "every outcome": {"test_all.py": EVERY_OUTCOME},
    "scopes": {"a/test_scopes.py": SCOPES, "b/test_more_scopes.py": SCOPES},
    "packages": {
        "conftest.py": (
            "import pytest\n@pytest.fixture(scope='package')\ndef counter(): return []\n"
        ),
        "pkg/__init__.py": "",
        "pkg/conftest.py": (
            "import pytest\n@pytest.fixture(scope='package')\ndef own(): return []\n"
        ),
        "pkg/test_one.py": "def test_a(own, counter): own.append(1); counter.append(1)\n",
        "pkg/test_two.py": "def test_b(own): assert own == [1]\n",
        "pkg/sub/__init__.py": "",
        "pkg/sub/test_three.py": "def test_c(own): pass\n",
    },
    "module skipped": {
        "test_skip.py": "import pytest\npytest.skip('whole', allow_module_level=True)\n",
        "test_importorskip.py": "import pytest\npytest.importorskip('no_such_module')\n",
        "test_run.py": "def test_a(): pass\n",
    },
    "session teardown fails": {
        "conftest.py": (
            "import pytest\n@pytest.fixture(scope='session', autouse=True)\n"
            "def world():\n    yield\n    raise RuntimeError('end')\n"
        ),
        "test_a.py": "def test_a(): pass\n",
    },
    "hooks": {
        "conftest.py": (
            "import pytest\n"
            "def pytest_collection_modifyitems(items): items.reverse()\n"
            "def pytest_generate_tests(metafunc):\n"
            "    if 'number' in metafunc.fixturenames:\n"
            "        metafunc.parametrize('number', range(5))\n"
            "def pytest_report_teststatus(report):\n"
            "    if report.when == 'call' and report.passed:\n"
            "        return 'passed', 'o', 'GOOD'\n"
        ),
        "test_a.py": "def test_a(number): assert number != 3\ndef test_b(): pass\n",
    },
    "doctests": {
        "pytest.ini": "[pytest]\naddopts = --doctest-modules --doctest-glob=*.md\n",
        "module.py": 'def f():\n    """\n    >>> f()\n    1\n    """\n    return 2\n',
        "page.md": ">>> 1 + 1\n2\n",
        "test_a.py": "def test_a(): pass\n",
    },
    "deselected": {
        "pytest.ini": "[pytest]\naddopts = -k 'not second'\nmarkers = slow\n",
        "test_a.py": "def test_first(): pass\ndef test_second(): assert False\n",
    },
    "garbage collection": {
        "pytest.ini": "[pytest]\nfilterwarnings = error\naddopts = -p no:asyncio\n",
        "test_gc.py": (
            "import gc\n"
            "class Mark: pass\n"
            "mark = Mark()\n"
            "holder = [mark]\n"
            "def test_referrers(): assert holder in gc.get_referrers(mark)\n"
            "def test_objects(): assert any(o is holder for o in gc.get_objects())\n"
        ),
    },
    # A fixture's patches are in force while dyno asks for the next test and packs a report.
    "patches of what dyno uses": {
        "test_patches.py": (
            "from unittest import mock\n"
            "import pytest\n"
            "NAMES = ['json.loads', 'json.dumps', 'json.JSONDecoder.decode',\n"
            "    'json.JSONEncoder.encode', 'pickle.dumps', 'pickle.loads', 'base64.b64encode',\n"
            "    'socket.socket', 'socket.recv_fds', 'socket.socket.sendall',\n"
            "    'socket.socket.recv', 'socket.socket.recvmsg', 'array.array', 'uuid.uuid4']\n"
            "@pytest.fixture(params=NAMES)\n"
            "def patched(request):\n"
            "    with mock.patch(request.param, create=True):\n"
            "        yield\n"
            "def test_patched(patched): pass\n"
            "def test_fails(patched): assert 1 == 2\n"
            "def test_after(): pass\n"
        ),
    },
    "same name twice": {
        "pytest.ini": "[pytest]\naddopts = --import-mode=importlib\n",
        "a/test_same.py": "def test_a(): pass\n",
        "b/test_same.py": "def test_a(): assert False\n",
    },
}


@pytest.mark.parametrize("workers", ["1", "3"])
@pytest.mark.parametrize("suite", SUITES)
def test_every_outcome_is_pytests(tmp_path: Path, suite: str, workers: str) -> None:
    folder = tmp_path / "suite"
    write_suite(folder, SUITES[suite])
    expected = run_pytest(folder)
    assert expected.outcomes, expected.text
    got = run_dyno(folder, "-n", workers)
    # Under pytest-xdist's rules a session fixture is torn down, and may fail, once a worker.
    assert got.outcomes == expected.outcomes
    assert got.code == expected.code, got.text
    assert got.closing_counts() == expected.closing_counts(), got.stdout


def test_one_worker_keeps_pytests_order(tmp_path: Path) -> None:
    folder = tmp_path / "suite"
    write_suite(folder, SUITES["hooks"] | SUITES["scopes"])
    expected = run_pytest(folder)
    got = run_dyno(folder, "-n", "1")
    assert list(got.outcomes) == list(expected.outcomes)


def test_a_module_fixture_is_set_up_once_whatever_the_workers(tmp_path: Path) -> None:
    folder = tmp_path / "suite"
    log = tmp_path / "log"
    module = (
        "import os, pytest\n"
        "@pytest.fixture(scope='module')\n"
        "def server():\n"
        f"    with open({str(log)!r}, 'a') as file: file.write('up\\n')\n"
        "    yield\n"
        f"    with open({str(log)!r}, 'a') as file: file.write('down\\n')\n"
        "@pytest.mark.parametrize('n', range(6))\n"
        "def test_it(server, n): pass\n"
        "@pytest.mark.parametrize('n', range(6))\n"
        "def test_other(n): pass\n"
    )
    write_suite(folder, {"test_a.py": module})
    got = run_dyno(folder, "-n", "4")
    assert got.code == 0, got.text
    assert log.read_text().split() == ["up", "down"]


def test_a_session_fixture_lives_through_a_workers_units(tmp_path: Path) -> None:
    folder = tmp_path / "suite"
    log = tmp_path / "log"
    write_suite(
        folder,
        {
            "conftest.py": (
                "import os, pytest\n"
                "@pytest.fixture(scope='session', autouse=True)\n"
                "def world():\n"
                f"    with open({str(log)!r}, 'a') as file: file.write('up\\n')\n"
                "    yield\n"
            ),
            "test_a.py": "import pytest\n@pytest.mark.parametrize('n', range(40))\n"
            "def test_it(n): pass\n",
        },
    )
    got = run_dyno(folder, "-n", "2")
    assert got.code == 0, got.text
    assert log.read_text().split() == ["up", "up"]


def test_old_temporary_folders_are_removed_by_one_process(tmp_path: Path) -> None:
    """As pytest does. Several at once would be in each other's way, and pytest warns of that."""
    notes = tmp_path / "notes"
    notes.mkdir()
    conftest = f"""
import os
import pathlib
from _pytest import pathlib as private

remove = private.cleanup_numbered_dir

def noted(*args, **options):
    pathlib.Path({str(notes)!r}, str(os.getpid())).touch()
    remove(*args, **options)

private.cleanup_numbered_dir = noted
"""
    tests = "".join(f"def test_{number}(tmp_path): pass\n" for number in range(20))
    write_suite(tmp_path / "suite", {"conftest.py": conftest, "test_a.py": tests})

    got = run_dyno(tmp_path / "suite", "-n", "4")

    assert got.closing_counts() == {"passed": 20}, got.text
    assert len(list(notes.iterdir())) == 1, got.text
