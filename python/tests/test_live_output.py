"""What tests print while they run, and what becomes of much of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from running import (
    DYNO,
    environment,
    journal,
    outcomes_of,
    run_dyno,
    run_pytest,
    write_suite,
)

# Python, C and a child process, whole lines and parts of them, fixtures and logs.
PRINTS = """
import ctypes, logging, os, subprocess, sys, pytest

@pytest.fixture
def noisy():
    print("set up")
    yield
    print("torn down")

def test_python(noisy):
    print("hello")
    print("of standard error", file=sys.stderr)
    print("no end", end="")

@pytest.mark.parametrize("n", range(3))
def test_all_ways(n):
    os.write(1, b"written %d\\n" % n)
    libc = ctypes.CDLL(None)
    libc.puts(b"of C")
    libc.fflush(None)
    subprocess.run(["sh", "-c", "echo of a child; echo its error >&2"], check=True)
    print("x\\ny\\nz", end="")
    assert n != 1

def test_disabled(capsys):
    print("captured")
    with capsys.disabled():
        print("let through")
    assert capsys.readouterr().out == "captured\\n"

def test_capfd(capfd):
    os.write(1, b"captured")
    assert capfd.readouterr().out == "captured"

def test_binary(capsysbinary):
    sys.stdout.buffer.write(b"\\xff")
    assert capsysbinary.readouterr().out == b"\\xff"

def test_log(caplog):
    logging.warning("first")
    print("between")
    logging.error("second\\nand its next line")
    assert len(caplog.records) == 2
    assert 0

def test_broken_set_up(request):
    print("before it breaks")
    request.getfixturevalue("nothing")
"""

WAYS = [
    [],
    ["-s"],
    ["--capture=sys"],
    ["--capture=tee-sys", "-rA"],
    ["--log-cli-level=info"],
    ["-s", "-v", "--log-cli-level=info"],
    ["-o", "log_cli=true", "--capture=tee-sys"],
    ["-p", "no:capture", "-k", "not capfd and not disabled and not binary"],
    ["-p", "no:logging", "-s", "-k", "not log"],
]


def body(screen: str) -> list[str]:
    """The screen from the first test on, without times."""
    lines = screen[screen.index("collected ") :].splitlines()
    lines = [re.sub(r"=+ (.*) in [\d.]+s =+", r"\1", line) for line in lines]
    return [re.sub(r"0x[0-9a-f]+", "0x", line) for line in lines]


def together(folder: Path, *command: str) -> str:
    """What a command prints to its standard output and error, which are one file."""
    done = subprocess.run(
        [*command],
        cwd=folder,
        # Otherwise pytest's own order of the two is that of its buffers.
        env=environment() | {"PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout


def events(folder: Path) -> list[dict[str, Any]]:
    """The events of the latest run."""
    return journal(folder)


def sections(folder: Path) -> dict[tuple[str, str], object]:
    """The captured sections of every report of the latest run."""
    found = {}
    for event in events(folder):
        if event["event"] == "reported":
            report = event["report"]
            found[report["test"], report["phase"]] = report.get("sections")
    return found


@pytest.mark.parametrize("args", WAYS, ids=" ".join)
def test_every_way_to_capture_is_pytests(tmp_path: Path, args: list[str]) -> None:
    write_suite(tmp_path, {"test_a.py": PRINTS})
    expected = together(tmp_path, sys.executable, "-m", "pytest", *args)
    got = together(tmp_path, DYNO, "test", "--python", sys.executable, "-n", "1", *args)
    assert body(got) == body(expected)
    assert body(together(tmp_path, DYNO, "report")) == body(expected)
    # Which screen and sections are right is known from here on.
    alone = (outcomes_of(journal(tmp_path)), sections(tmp_path))
    parallel = run_dyno(tmp_path, "-n", "3", *args)
    assert (parallel.outcomes, sections(tmp_path)) == alone


def test_standard_error_stays_apart_where_it_was(tmp_path: Path) -> None:
    write_suite(tmp_path, {"test_a.py": PRINTS})
    expected = run_pytest(tmp_path, "-s")
    got = run_dyno(tmp_path, "-n", "1", "-s")
    assert body(got.stdout) == body(expected.stdout)
    assert got.stderr == expected.stderr
    parallel = run_dyno(tmp_path, "-n", "2", "-s")
    assert "gw" not in parallel.stdout.partition("of standard error")[2]
    lines = [line for line in parallel.stderr.splitlines() if line.startswith("gw")]
    assert [line.partition(" ! ")[2] for line in lines].count("its error") == 3
    assert any(
        re.fullmatch(r"gw\d test_a.py::test_python ! of standard error", line) for line in lines
    )


def printed(folder: Path) -> dict[tuple[str | None, str], str]:
    """What each test printed, by the journal."""
    texts: dict[tuple[str | None, str], str] = {}
    for event in events(folder):
        if event["event"] == "printed":
            key = (event.get("test"), event["stream"])
            texts[key] = texts.get(key, "") + event["text"]
    return texts


MANY = """
import os, subprocess, sys, pytest

@pytest.mark.parametrize("n", range(200))
def test_n(n):
    print(f"out {n}")
    os.write(2, b"err %d\\n" % n)
    if n % 20 == 0:
        subprocess.run(["sh", "-c", f"echo child {n}"], check=True)
    print(f"end {n}", end="")
"""


@pytest.mark.parametrize("workers", ["1", "4"])
def test_each_line_is_its_tests(tmp_path: Path, workers: str) -> None:
    write_suite(tmp_path, {"test_a.py": MANY})
    got = run_dyno(tmp_path, "-n", workers, "-s", "-p", "no:randomly")
    assert got.code == 0, got.text
    texts = printed(tmp_path)
    for n in range(200):
        child = f"child {n}\n" if n % 20 == 0 else ""
        assert texts[f"test_a.py::test_n[{n}]", "stdout"] == f"out {n}\n{child}end {n}"
        assert texts[f"test_a.py::test_n[{n}]", "stderr"] == f"err {n}\n"
    assert len(texts) == 400
    if workers != "1":
        # Whole lines, each with its place, and as many as there were.
        lines = [line for line in got.stdout.splitlines() if " | " in line]
        assert len(lines) == 410
        for line in lines:
            assert re.fullmatch(r"gw\d test_a.py::test_n\[(\d+)\] \| (out|end|child) \1", line)


def test_live_log_lines_say_whose_they_are(tmp_path: Path) -> None:
    write_suite(tmp_path, {"test_a.py": PRINTS})
    got = run_dyno(tmp_path, "-n", "2", "--log-cli-level=info")
    lines = [line for line in got.stdout.splitlines() if "::test_log |" in line]
    assert [line.split(" ", 1)[1] for line in lines] == [
        "test_a.py::test_log | WARNING  root:test_a.py:40 first",
        "test_a.py::test_log | ERROR    root:test_a.py:42 second",
        "test_a.py::test_log | and its next line",
    ]


def test_a_line_is_seen_while_its_test_runs(tmp_path: Path) -> None:
    waits = """
import os, time
def test_waits():
    print("waiting")
    deadline = time.monotonic() + 60
    while not os.path.exists("seen"):
        assert time.monotonic() < deadline
        os.sched_yield()
def test_other(): pass
"""
    write_suite(tmp_path, {"test_a.py": waits})
    process = subprocess.Popen(
        [DYNO, "test", "--python", sys.executable, "-n", "2", "-s"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith(" | waiting\n"):
            (tmp_path / "seen").touch()
    assert process.wait(60) == 0


def test_a_child_that_keeps_the_pipe_holds_nobody(tmp_path: Path) -> None:
    holds = """
import subprocess, sys
def test_leaves_a_child():
    print("before")
    child = "import sys, time\\nprint('I am here', flush=True)\\ntime.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
def test_other(): print("other")
"""
    write_suite(tmp_path, {"test_a.py": holds})
    for workers in ("1", "2"):
        got = run_dyno(tmp_path, "-n", workers, "-s")
        assert got.code == 0, got.text
        assert "before" in got.stdout and "other" in got.stdout


def test_what_a_test_printed_before_it_died_is_its_own(tmp_path: Path) -> None:
    dies = """
import os
def test_dies():
    print("last words")
    os.write(1, b"without end")
    os._exit(3)
def test_other(): print("other")
"""
    write_suite(tmp_path, {"test_a.py": dies})
    got = run_dyno(tmp_path, "-n", "2", "-s")
    assert got.outcomes["test_a.py::test_dies"] == ("failed",)
    texts = printed(tmp_path)
    assert texts["test_a.py::test_dies", "stdout"] == "last words\nwithout end"
    assert texts["test_a.py::test_other", "stdout"] == "other\n"


MUCH = """
import subprocess, sys

LINE = "x" * 99 + "\\n"
N = 60_000

def test_python():
    for n in range(N // 100):
        sys.stdout.write(LINE * 100)
    assert 0

def test_child():
    subprocess.run([sys.executable, "-c", f"print({LINE!r} * {N}, end='')"], check=True)
    assert 0

def test_assertion():
    assert 0, LINE * N
"""


@pytest.mark.parametrize("capture", ["fd", "sys"])
def test_of_much_output_head_and_tail_are_reported_and_the_whole_is_kept(
    tmp_path: Path, capture: str
) -> None:
    write_suite(tmp_path, {"test_a.py": MUCH})
    xml = tmp_path / "out.xml"
    got = run_dyno(tmp_path, "-n", "2", f"--capture={capture}", f"--junitxml={xml}")
    assert got.code == 1
    reports = {
        event["report"]["test"].partition("::")[2]: event["report"]
        for event in events(tmp_path)
        if event["event"] == "reported" and event["report"]["phase"] == "call"
    }
    (section,) = reports["test_python"]["sections"]
    assert section["title"] == "Captured stdout call"
    whole = "x" * 99 + "\n"
    assert shortened(section["text"]) == whole * 60_000
    assert shortened(reports["test_assertion"]["longrepr"]).count("x" * 99) == 60_000
    if capture == "fd":
        (section,) = reports["test_child"]["sections"]
        assert shortened(section["text"]) == whole * 60_000
    else:
        # Only what Python itself writes is captured; the rest is shown, and kept.
        more = [event for event in events(tmp_path) if event["event"] == "printed_more"]
        assert len(more) == 1
        assert Path(str(more[0]["file"])).read_text() == whole * 60_000
    size = (tmp_path / ".dyno/latest/journal.jsonl").stat().st_size
    assert size < 10 << 20
    assert xml.stat().st_size < 10 << 20


def shortened(text: str) -> str:
    """The whole of a shortened text, whose head and tail it is held against."""
    found = re.search(
        r"^\[dyno: about ([\d,]+) \w+ left out; the whole is in (.*)\]\n", text, re.MULTILINE
    )
    assert found, text[:1000]
    whole = Path(found[2]).read_text()
    head, tail = text[: found.start()], text[found.end() :]
    assert whole.startswith(head) and whole.endswith(tail) and min(len(head), len(tail)) > 100_000
    assert len(whole) - len(head) - len(tail) == int(found[1].replace(",", ""))
    return whole


def test_up_to_a_mebibyte_nothing_is_shortened(tmp_path: Path) -> None:
    prints = "import sys\ndef test_a():\n    sys.stdout.write('é\\n' * 349_000)\n    assert 0\n"
    write_suite(tmp_path, {"test_a.py": prints})
    expected = run_pytest(tmp_path)
    got = run_dyno(tmp_path, "-n", "2")
    assert got.stdout.count("é\n") == expected.stdout.count("é\n") == 349_000
    assert not (tmp_path / ".dyno/latest/captured").exists()


def test_much_that_is_shown_is_all_shown_and_the_journal_has_head_and_tail(tmp_path: Path) -> None:
    write_suite(tmp_path, {"test_a.py": MUCH})
    got = run_dyno(tmp_path, "-n", "1", "-s", "-k", "python or child")
    assert got.stdout.count("x" * 99 + "\n") == 120_000
    assert "left out" not in got.stdout
    again = together(tmp_path, DYNO, "report")
    assert again.count("bytes left out; the whole is in") == 2
    assert 2 * 10_000 < again.count("x" * 99 + "\n") < 2 * 12_000
