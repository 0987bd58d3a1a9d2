"""Bad input: what a test does to its own process harms neither the run nor the others.

Expected outcomes are pytest's own: each of these tests is one that pytest survives.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from hostile import IMPORTS, hostile_suite, run_accounted, run_pytest_and_clear
from running import run_dyno, run_pytest, start_dyno, write_suite

# Sets of tests whose doings do not hinder each other in one process, as under pytest.
SETS: dict[str, dict[str, str]] = {
    "what it stands on": {
        "folder": (
            "def test_gone(tmp_path):\n"
            "    folder = tmp_path / 'gone'; folder.mkdir(); os.chdir(folder); folder.rmdir()\n"
            "def test_fails_there(): assert False\n"
        ),
        "locale": (
            "def test_locale():\n"
            "    os.environ['LC_ALL'] = 'C'; locale.setlocale(locale.LC_ALL, 'C')\n"
            "    print('\\u00e9')\n"
            "    assert False, '\\u00e9'\n"
        ),
        "descriptors": "def test_closes(): os.close(0); os.close(1); os.close(2)\n",
        "umask": "def test_umask(): os.umask(0o077)\n",
        "environment": "def test_clears(): os.environ.clear()\n",
        "no_environment": "def test_replaces(): os.environ = {}\n",
    },
    "what it imports": {
        "streams": (
            "def test_string(): sys.stdout = io.StringIO(); sys.stderr = None; print('x')\n"
            "def test_none(): sys.stdout = None; sys.__stdout__ = None\n"
        ),
        "json": (
            "def test_json():\n"
            "    json.dumps = json.loads = pickle.dumps = pickle.loads = refuse\n"
            "    json.JSONEncoder.encode = json.JSONEncoder.iterencode = refuse\n"
            "    json.JSONDecoder.decode = json.JSONDecoder.raw_decode = refuse\n"
            "    json.JSONEncoder.default = refuse; json.encoder.c_make_encoder = None\n"
        ),
        "socket": "def test_socket(): socket.socket = socket.socketpair = refuse\n",
        "builtins": (
            "@pytest.fixture\n"
            "def patched(monkeypatch):\n"
            "    monkeypatch.setattr(builtins, 'len', lambda of: 0)\n"
            "    yield\n"
            "def test_len(patched): pass\n"
            "def test_for_good(): builtins.open = builtins.print = builtins.repr = refuse\n"
        ),
        "struct": (
            "def test_struct(monkeypatch):\n"
            "    monkeypatch.setattr(struct, 'pack', None)\n"
            "    monkeypatch.setattr(os, 'getpid', lambda: 1)\n"
            "    monkeypatch.setattr(time, 'perf_counter', lambda: -5.0)\n"
        ),
        "own": (
            "def test_forgets():\n"
            "    for name in list(sys.modules):\n"
            "        if name.partition('.')[0] in ('dyno', 'json'): del sys.modules[name]\n"
        ),
        "hooks": (
            "def test_hooks():\n"
            "    sys.excepthook = sys.unraisablehook = threading.excepthook = None\n"
        ),
    },
    "processes": {
        "returns": (
            "def test_both_return():\n"
            "    child = os.fork()\n"
            "    if child: os.waitpid(child, 0)\n"
            "@pytest.fixture\n"
            "def forked():\n"
            "    child = os.fork()\n"
            "    if child: os.waitpid(child, 0)\n"
            "def test_in_a_fixture(forked): pass\n"
        ),
        "unwaited": "def test_nobody_waits(): os.fork()\n",
        "fails": (
            "def test_the_child_fails():\n"
            "    child = os.fork()\n"
            "    assert child, 'not heard'\n"
            "    assert os.waitpid(child, 0)[1] != 0\n"
            "def test_the_child_leaves():\n"
            "    child = os.fork()\n"
            "    if not child: sys.exit(3)\n"
            "    os.waitpid(child, 0)\n"
        ),
        "exits": (
            "import multiprocessing\n"
            "def test_exits():\n"
            "    child = os.fork()\n"
            "    if not child: os._exit(3)\n"
            "    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3\n"
            "def test_multiprocessing():\n"
            "    run = multiprocessing.get_context('fork').Process(target=print)\n"
            "    run.start(); run.join(); assert run.exitcode == 0\n"
        ),
        "leaves": (
            "def test_leaves_some():\n"
            "    subprocess.Popen(['sleep', '600'], stdout=-3, stderr=-3)\n"
            "    daemon = ['setsid', 'sh', '-c', 'sleep 600 & sleep 600']\n"
            "    subprocess.Popen(daemon, stdin=-3, stdout=-3, stderr=-3)\n"
        ),
        "session": ("def test_setsid():\n    try: os.setsid()\n    except OSError: pass\n"),
        "nested": (
            "def test_main(tmp_path):\n"
            "    text = 'def test_a(): pass\\ndef test_b(): assert False\\n'\n"
            "    (tmp_path / 'test_in.py').write_text(text)\n"
            "    args = [str(tmp_path), '-p', 'no:cacheprovider', '--rootdir', str(tmp_path)]\n"
            "    assert pytest.main(args) == 1\n"
        ),
        "unshares": (
            "def test_unshares():\n"
            "    pid = os.fork()\n"
            "    if not pid:\n"
            "        failed = ctypes.CDLL(None).unshare(0x10020000)\n"
            "        os._exit(0 if failed else 1)\n"
            "    os.waitpid(pid, 0)\n"
        ),
    },
    "signals and limits": {
        "blocks": "def test_blocks(): signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n",
        "ignores": (
            "def test_ignores():\n"
            "    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):\n"
            "        signal.signal(number, signal.SIG_IGN)\n"
        ),
        "children": "def test_ignores_children(): signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n",
        "thread": (
            "def test_daemon():\n"
            "    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
        ),
        "recursion": "def recurse(): recurse()\ndef test_recurses(): recurse()\n",
        "file_size": (
            "def test_full(tmp_path):\n"
            "    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
            "    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))\n"
            "    try:\n"
            "        with open(tmp_path / 'file', 'wb', buffering=0) as file:\n"
            "            while file.write(b'x' * 600): pass\n"
            "    finally:\n"
            "        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))\n"
        ),
        "memory": (
            "def test_memory():\n"
            "    soft, hard = resource.getrlimit(resource.RLIMIT_AS)\n"
            "    resource.setrlimit(resource.RLIMIT_AS, (1 << 20, hard))\n"
            "    try: bytearray(1 << 28)\n"
            "    finally: resource.setrlimit(resource.RLIMIT_AS, (soft, hard))\n"
        ),
        "timeout": "def test_default(): socket.setdefaulttimeout(0.001)\n",
        "trace": "def test_trace(): sys.settrace(lambda *args: None)\n",
        "collector": (
            "import gc\n"
            "class Bad:\n"
            "    def __del__(self): raise RuntimeError('in __del__')\n"
            "def test_del(): gc.disable(); Bad()\n"
        ),
    },
    "exceptions and output": {
        "exits": (
            "@pytest.fixture\n"
            "def early(): sys.exit(3)\n"
            "def test_exits(): sys.exit(3)\n"
            "def test_early(early): pass\n"
        ),
        "odd": (
            "class Odd(BaseException): pass\n"
            "class Mute(Exception):\n"
            "    def __str__(self): raise RuntimeError('no text')\n"
            "    __repr__ = __str__\n"
            "def test_generator_exit(): raise GeneratorExit\n"
            "def test_base(): raise Odd('x')\n"
            "def test_mute(): raise Mute\n"
        ),
        "binary": (
            "def test_binary():\n"
            "    os.write(1, bytes(range(256)))\n"
            "    sys.stdout.write('\\udcff\\x1b[2J\\x1b[31m\\x00\\r\\b')\n"
            "    assert False, '\\udcff\\x1b[2J'\n"
        ),
        "ids": (
            "ODD = ['::', '[', ']', '\\n', ' ', '\\x00', '\\x1b[31m', '\\U0001F600', 'a/b',\n"
            "    '\\udcff', '\"', \"'\", '\\\\', '%s', '{}', '<&>', '']\n"
            "@pytest.mark.parametrize('value', ODD)\n"
            "def test_id(value): assert value != '%s'\n"
        ),
        "properties": (
            "def test_properties(record_property):\n"
            "    for value in (lambda: 1, object(), sys, b'x', {1: (2,)}):\n"
            "        record_property('name', value)\n"
        ),
    },
}


@pytest.mark.parametrize("name", SETS)
def test_what_pytest_survives_ends_as_under_pytest(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "suite"
    hostile_suite(folder, SETS[name])
    expected = run_pytest_and_clear(folder, "-p", "no:cacheprovider")
    assert len(expected.outcomes) > 10, expected.text
    for workers in ("1", "3"):
        got = run_accounted(folder, "-n", workers)
        assert got.outcomes == expected.outcomes
        assert got.code == expected.code == 1, got.text


def test_a_teardown_that_exits(tmp_path: Path) -> None:
    """pytest blames the first test of the next file, which with several workers can be any."""
    text = (
        "import sys, pytest\n"
        "@pytest.fixture\n"
        "def late():\n"
        "    yield\n"
        "    sys.exit(3)\n"
        "def test_late(late): pass\n"
    )
    blamed = "def test_blamed(): pass\ndef test_after(): pass\n"
    write_suite(tmp_path, {"test_h.py": text, "test_i.py": blamed})
    expected = run_pytest(tmp_path, "-p", "no:cacheprovider")
    got = run_accounted(tmp_path, "-n", "1")
    assert (got.outcomes, got.code) == (expected.outcomes, expected.code), got.text
    assert expected.outcomes["test_i.py::test_blamed"] == ("error",)


RAISING_HOOKS = {
    "pytest_runtest_setup": "item",
    "pytest_runtest_call": "item",
    "pytest_runtest_teardown": "item",
    "pytest_runtest_makereport": "item",
    "pytest_fixture_setup": "request",
    "pytest_fixture_post_finalizer": "request",
    "pytest_pyfunc_call": "pyfuncitem",
    "pytest_assertrepr_compare": "op",
    "pytest_sessionstart": "session",
    "pytest_sessionfinish": "session",
    "pytest_configure": "config",
    "pytest_unconfigure": "config",
    "pytest_collection_modifyitems": "items",
    "pytest_generate_tests": "metafunc",
    "pytest_itemcollected": "item",
    "pytest_terminal_summary": "config",
}


@pytest.mark.parametrize("hook", RAISING_HOOKS)
def test_a_hook_that_raises(tmp_path: Path, hook: str) -> None:
    folder = tmp_path / "suite"
    argument = RAISING_HOOKS[hook]
    conftest = (
        f"def {hook}({argument}):\n"
        f"    node = getattr({argument}, 'node', {argument})\n"
        "    if 'peaceful' not in getattr(node, 'nodeid', ''):\n"
        "        raise RuntimeError('in the hook')\n"
    )
    module = (
        IMPORTS
        + "@pytest.fixture\ndef one(): return 1\n"
        + "def test_compares(one): assert one == 2\n"
        + "def test_passes(one): assert one == 1\n"
    )
    peaceful = "def test_x(): pass\ndef test_y(): pass\n"
    write_suite(
        folder, {"conftest.py": conftest, "test_h.py": module, "test_peaceful.py": peaceful}
    )
    expected = run_pytest(folder, "-p", "no:cacheprovider")
    got = run_dyno(folder, "-p", "no:cacheprovider", "-n", "1")
    assert (got.outcomes, got.code) == (expected.outcomes, expected.code), got.text
    # What pytest blames on the test after the one that was not torn down is, with several
    # workers, another test's.
    assert run_dyno(folder, "-p", "no:cacheprovider", "-n", "2").code == expected.code


HANGS = """
import time, pytest
@pytest.fixture
def never():
    time.sleep(600)
@pytest.fixture
def never_ends():
    yield
    time.sleep(600)
def test_set_up(never): pass
def test_call(): time.sleep(600)
def test_teardown(never_ends): pass
def test_after(): pass
"""


def test_what_never_returns_is_ended_by_pytest_timeout_as_under_pytest(tmp_path: Path) -> None:
    pytest.importorskip("pytest_timeout")
    folder = tmp_path / "suite"
    write_suite(folder, {"test_h.py": HANGS})
    expected = run_pytest(folder, "--timeout=0.3", "--timeout-method=signal")
    got = run_accounted(folder, "-n", "2", "--timeout=0.3", "--timeout-method=signal")
    assert (got.outcomes, got.code) == (expected.outcomes, expected.code), got.text
    assert len(got.outcomes) == 4
    # By this method it ends the interpreter, and under pytest all is lost.
    got = run_accounted(folder, "-n", "2", "--timeout=0.3", "--timeout-method=thread")
    assert got.code == 1
    assert got.outcomes == {
        "test_h.py::test_set_up": ("error",),
        "test_h.py::test_call": ("failed",),
        "test_h.py::test_teardown": ("passed", "error"),
        "test_h.py::test_after": ("passed",),
    }


@pytest.mark.parametrize("place", ["never", "never_ends"])
def test_a_fixture_that_never_returns_is_interrupted(tmp_path: Path, place: str) -> None:
    started = tmp_path / "started"
    text = HANGS.replace("    time.sleep", f"    open({str(started)!r}, 'w').close(); time.sleep")
    write_suite(tmp_path, {"test_h.py": text + f"def test_only({place}): pass\n"})
    dyno = start_dyno(tmp_path, "-n", "1", "-k", "test_only")
    while not started.exists():
        os.sched_yield()
    os.kill(dyno.pid, signal.SIGINT)
    stdout, _ = dyno.communicate(timeout=60)
    assert dyno.returncode == 2, stdout
    assert "KeyboardInterrupt" in stdout


def test_a_thread_that_outlives_its_session_fails_nothing(tmp_path: Path) -> None:
    """pytest would wait for it, for ever; pytest-xdist waits ten seconds, and so do we."""
    text = (
        "import threading\n"
        "def test_a(): threading.Thread(target=threading.Event().wait).start()\n"
        "def test_b(): pass\n"
    )
    write_suite(tmp_path, {"test_a.py": text})
    got = run_accounted(tmp_path, "-n", "1")
    assert got.outcomes == {"test_a.py::test_a": ("passed",), "test_a.py::test_b": ("passed",)}
    assert got.code == 0, got.text
    assert "does a thread keep it alive?" in got.stdout


def test_garbage_of_one_test_does_not_break_the_report_of_another(tmp_path: Path) -> None:
    """On Python 3.11 pytest itself ends with an internal error after a few of these."""
    text = (
        "import pytest\n"
        "class Bad:\n"
        "    def __init__(self): self.me = self\n"
        "    def __del__(self): raise KeyError('gone')\n"
        "@pytest.mark.filterwarnings('ignore')\n"
        "@pytest.mark.parametrize('number', range(300))\n"
        "def test_it(number):\n"
        "    for _ in range(number % 7 * 30): [[]]\n"
        "    Bad()\n"
        "    assert False\n"
    )
    write_suite(tmp_path, {"test_a.py": text})
    got = run_dyno(tmp_path, "-n", "1", "--no-summary")
    assert (got.closing_counts(), got.code) == ({"failed": 300}, 1), got.text[-2000:]
