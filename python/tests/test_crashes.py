"""Tests that end their interpreter: told of the right test, with the reason, and of no other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from hostile import IMPORTS, hostile_suite, peaceful_outcomes, run_accounted
from running import DYNO, Outcomes, environment, journal, outcomes_of, run_dyno, write_suite

FAILED, ERROR, PASSED, LATE = ("failed",), ("error",), ("passed",), ("passed", "error")

# A name, its text, what each test comes to, and a reason that the report gives.


class Crash(NamedTuple):
    """Tests that end their interpreter."""

    name: str
    text: str
    outcomes: dict[str, tuple[str, ...]]
    # What the report tells of the end.
    reason: str


CRASHES = [
    Crash("segv", "def test_h(): ctypes.string_at(0)\n", {"h": FAILED}, "SIGSEGV"),
    Crash("abort", "def test_h(): os.abort()\n", {"h": FAILED}, "SIGABRT"),
    Crash("exit", "def test_h(): os._exit(0)\n", {"h": FAILED}, "exit code 0"),
    Crash("exec", "def test_h(): os.execv('/bin/true', ['true'])\n", {"h": FAILED}, "exit code 0"),
    Crash("killed", "def test_h(): os.kill(os.getpid(), 9)\n", {"h": FAILED}, "from outside"),
    Crash("ended", "def test_h(): os.kill(os.getpid(), 15)\n", {"h": FAILED}, "SIGTERM"),
    Crash("group", "def test_h(): os.killpg(os.getpgrp(), 9)\n", {"h": FAILED}, "SIGKILL"),
    Crash(
        "alarm", "def test_h(): signal.setitimer(0, 0.01); time.sleep(60)\n", {"h": FAILED}, "ALRM"
    ),
    Crash(
        "silent",
        "def test_h(): faulthandler.disable(); ctypes.string_at(0)\n",
        {"h": FAILED},
        "SIGSEGV",
    ),
    Crash(
        "deep",
        "class Deep:\n"
        "    def __getattr__(self, name): return getattr(self, name)\n"
        "def test_h(): sys.setrecursionlimit(10**9); Deep().x\n",
        {"h": FAILED},
        "SIGSEGV" if sys.version_info < (3, 12) else "RecursionError",
    ),
    Crash(
        "cpu",
        "def test_h():\n"
        "    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\n"
        "    while True: pass\n",
        {"h": FAILED},
        "SIGKILL",
    ),
    Crash(
        "size",
        "def test_h(tmp_path):\n"
        "    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "    for name in 'ab': (tmp_path / name).write_bytes(bytes(2000))\n",
        {"h": FAILED},
        "SIGXFSZ",
    ),
    Crash(
        "setup",
        "@pytest.fixture\ndef f(): ctypes.string_at(0)\ndef test_h(f): pass\n",
        {"h": ERROR},
        "SIGSEGV",
    ),
    Crash(
        "teardown",
        "@pytest.fixture\ndef f():\n    yield\n    ctypes.string_at(0)\ndef test_h(f): pass\n",
        {"h": LATE},
        "SIGSEGV",
    ),
    Crash(
        "module_setup",
        "@pytest.fixture(scope='module')\ndef f(): os._exit(7)\n"
        "def test_h(f): pass\ndef test_i(f): pass\ndef test_j(): pass\n",
        {"h": ERROR, "i": ERROR, "j": PASSED},
        "exit code 7",
    ),
    Crash(
        "module_teardown",
        "@pytest.fixture(scope='module')\ndef f():\n    yield\n    os._exit(8)\n"
        "def test_h(f): pass\ndef test_i(f): pass\n",
        {"h": PASSED, "i": LATE},
        "exit code 8",
    ),
    Crash(
        "unit",
        "@pytest.fixture(scope='module')\ndef f(): return []\n"
        "def test_h(f): pass\ndef test_i(f): os._exit(9)\ndef test_j(f): pass\n",
        {"h": PASSED, "i": FAILED, "j": PASSED},
        "exit code 9",
    ),
    Crash(
        "garbage",
        "def test_h():\n"
        "    for name in os.listdir('/proc/self/fd'):\n"
        "        path = '/proc/self/fd/' + name\n"
        "        if os.path.exists(path) and 'socket:' in os.readlink(path):\n"
        "            os.write(int(name), b'garbage' * 100)\n",
        {"h": FAILED},
        "a frame of",
    ),
    Crash(
        "no_message",
        "def test_h():\n"
        "    for name in os.listdir('/proc/self/fd'):\n"
        "        path = '/proc/self/fd/' + name\n"
        "        if os.path.exists(path) and 'socket:' in os.readlink(path):\n"
        "            os.write(int(name), struct.pack('>I', 5) + b'{\"a\"}')\n",
        {"h": FAILED},
        "not understood",
    ),
    Crash(
        "descriptors",
        "def test_h():\n    os.closerange(3, 65536)\n",
        {"h": FAILED},
        "its connection to dyno is gone",
    ),
    Crash(
        "replaced",
        "def test_h():\n"
        "    null = os.open('/dev/null', os.O_RDWR)\n"
        "    for number in range(3, 100):\n"
        "        if number != null: os.dup2(null, number)\n",
        {"h": FAILED},
        "its connection to dyno is gone",
    ),
]


@pytest.mark.parametrize("workers", ["1", "3"])
def test_each_crash_is_its_own_tests_and_no_others(tmp_path: Path, workers: str) -> None:
    folder = tmp_path / "suite"
    expected = peaceful_outcomes(folder)
    hostile_suite(folder, {crash.name: crash.text for crash in CRASHES})
    for index, crash in enumerate(CRASHES):
        for test, outcome in crash.outcomes.items():
            expected[f"test_h_{index:02}_{crash.name}.py::test_{test}"] = outcome
    got = run_accounted(folder, "-n", workers)
    assert got.outcomes == expected
    assert got.code == 1
    for index, crash in enumerate(CRASHES):
        told = longreprs(folder, f"test_h_{index:02}_{crash.name}.py")
        assert crash.reason in told, f"{crash.name}: {told}"


def longreprs(folder: Path, file: str) -> str:
    """The failures' texts of a file's tests."""
    texts = []
    for event in journal(folder):
        if event["event"] == "reported":
            report: dict[str, str] = event["report"]  # type: ignore[assignment]
            if report["test"].startswith(file):
                texts.append(report.get("longrepr") or "")
    return "\n".join(texts)


def test_a_crash_leaves_the_stack_of_the_line_that_it_was_at(tmp_path: Path) -> None:
    write_suite(tmp_path, {"test_a.py": IMPORTS + "def test_h():\n    ctypes.string_at(0)\n"})
    run_dyno(tmp_path, "-n", "1")
    assert "in test_h" in longreprs(tmp_path, "test_a.py")


SESSION = """
import os, pytest
@pytest.fixture(scope='session', autouse=True)
def world():
    yield
    os._exit(3)
"""


def test_a_crash_in_the_sessions_teardown_is_the_last_tests(tmp_path: Path) -> None:
    """pytest tears the session's fixtures down within its last test."""
    write_suite(
        tmp_path, {"conftest.py": SESSION, "test_a.py": "def test_a(): pass\ndef test_b(): pass\n"}
    )
    got = run_accounted(tmp_path, "-n", "1")
    assert got.outcomes == {"test_a.py::test_a": PASSED, "test_a.py::test_b": LATE}
    assert got.code == 1


@pytest.mark.parametrize("end", ["os._exit(9)", "os.abort()"])
def test_a_crash_after_the_last_test_fails_the_run_and_no_test(tmp_path: Path, end: str) -> None:
    text = f"import atexit, os\ndef test_a(): atexit.register(lambda: {end})\n"
    write_suite(tmp_path, {"test_a.py": text})
    got = run_accounted(tmp_path, "-n", "1")
    assert got.outcomes == {"test_a.py::test_a": PASSED}
    assert got.code == 3 and "after its last test" in got.text


@contextmanager
def memory_cgroup(limit: int) -> Iterator[Path]:
    """A memory cgroup of our own, where there may be one; version 1 or 2."""
    for tree, file in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        folder = tree / f"dyno-test-{os.getpid()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            try:
                (folder / file).write_text(str(limit))
            except OSError:
                continue
            yield folder
            return
        finally:
            folder.rmdir()
    pytest.skip("no memory cgroup may be made here")


def test_the_out_of_memory_killer_is_told_from_any_other(tmp_path: Path) -> None:
    text = "def test_a(): pass\ndef test_h(): x = bytearray(1 << 30)\ndef test_z(): pass\n"
    write_suite(tmp_path, {"test_a.py": text})
    with memory_cgroup(300 << 20) as cgroup:
        join = f'echo $$ > {cgroup}/cgroup.procs; exec "$@"'
        done = subprocess.run(
            ["sh", "-c", join, "sh", DYNO, "test", "--python", sys.executable, "-n", "1"],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=100,
        )
    expected: Outcomes = {f"test_a.py::test_{name}": PASSED for name in "az"}
    expected["test_a.py::test_h"] = FAILED
    assert outcomes_of(journal(tmp_path)) == expected, done.stdout + done.stderr
    assert "SIGKILL (out of memory)" in done.stdout
    assert "resident memory had reached" in longreprs(tmp_path, "test_a.py")


SERVERS = """
import os, signal, time
import dyno, pytest

@pytest.fixture(scope="module")
def store(bench_module):
    return bench_module.process(
        ["sh", "-c", "echo stored; exec sleep 1000"], name="store", ready=dyno.log("stored"))

def test_before(store, bench):
    bench.process(["sh", "-c", "echo earlier; exec sleep 1000"], name="earlier",
                  ready=dyno.log("earlier"))

def test_dies(store, bench):
    bench.process(["sh", "-c", "seq 1000; echo up; exec sleep 1000"], name="web",
                  ready=dyno.log("^up$"))
    end()

def test_after(): assert False
"""


@pytest.mark.parametrize(
    "end",
    [
        "os.kill(os.getpid(), signal.SIGKILL)",
        "os.abort()",
        # Told to end, it does not heed, and is killed.
        "signal.signal(16, signal.SIG_IGN); signal.signal(15, signal.SIG_IGN); time.sleep(600)",
    ],
)
def test_who_dies_leaves_the_logs_of_its_servers(tmp_path: Path, end: str) -> None:
    limits = '[tool.dyno]\n[[tool.dyno.rules]]\nname = "dies"\ntimeout = "1s"\n'
    files = {"test_a.py": SERVERS.replace("end()", end), "pyproject.toml": limits}
    write_suite(tmp_path, files)
    got = run_dyno(tmp_path, "-n", "1", "-p", "no:timeout")
    assert got.outcomes["test_a.py::test_dies"] == ("failed",), got.text
    report = got.stdout.partition("___ test_dies ___")[2].partition("___ test_after ___")[0]
    lines = report.splitlines()
    assert "server log: store (pid" in report, got.text
    assert "stored" in lines
    web = lines[next(at for at, line in enumerate(lines) if "server log: web (pid" in line) :]
    assert web[1:51] == [*map(str, range(952, 1001)), "up"]
    assert "earlier" not in report
    # The next worker has none.
    assert "server log" not in got.stdout.partition("___ test_after ___")[2]


def test_the_logs_that_who_dies_leaves_have_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_run")
    rules = '[tool.dyno]\n[[tool.dyno.rules]]\nname = "dies"\nenv = {API_KEY = "of-a-rule"}\n'
    says = "echo up $HF_TOKEN $API_KEY; exec sleep 1000"
    suite = (
        "import os, signal, dyno\n"
        "def test_dies(bench):\n"
        f"    bench.process(['sh', '-c', {says!r}], name='web', ready=dyno.log('^up'))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    write_suite(tmp_path, {"test_a.py": suite, "pyproject.toml": rules})
    got = run_dyno(tmp_path, "-n", "1")
    assert got.outcomes["test_a.py::test_dies"] == ("failed",), got.text
    assert "up *** ***" in got.stdout.splitlines(), got.text
    written = (tmp_path / ".dyno" / "latest" / "journal.jsonl").read_text()
    assert "hf_of_the_run" not in written and "of-a-rule" not in written
    assert not list((tmp_path / ".dyno/latest/logs").glob("*.servers*"))
