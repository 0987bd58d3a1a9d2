"""--pdb, --trace and breakpoint() in a real terminal, held against pytest's own."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from running import DYNO, run_dyno, run_pytest, write_suite
from terminals import Terminal

# A generator of pytest's that is collected in the debugger is a step of it, under pytest too.
SUITE = """
import gc, pytest
gc.disable()

@pytest.fixture
def tidy():
    yield
    print("torn down")

def test_fails(tidy):
    print("printed")
    x = 41
    assert x == 42

def test_passes(): pass

def test_fails_too():
    assert 0

def test_asks():
    y = 1
    print("before")
    breakpoint()
    print("after")

@pytest.fixture
def broken():
    z = 7
    raise ValueError("broken")

def test_error(broken): pass
"""

PROMPT = "(Pdb) "

# Arguments, and what is typed at each prompt.
TALKS: dict[str, tuple[list[str], list[str]]] = {
    "several failures": (["--pdb"], ["x + 1", "c", "c", "p y", "c", "p z", "c"]),
    "quit": (["--pdb"], ["x + 1", "q"]),
    "end of file": (["--pdb", "-k", "too"], ["\x04"]),
    "no capture": (["--pdb", "-s"], ["c", "c", "c", "c"]),
    "captured by Python": (["--pdb", "--capture=sys"], ["c", "c", "c", "c"]),
    "tee": (["--pdb", "--capture=tee-sys"], ["c", "c", "c", "c"]),
    "verbose": (["--pdb", "-v", "-rA"], ["c", "c", "c", "c"]),
    "trace": (["--trace", "-k", "passes"], ["c"]),
    "trace step by step": (["--trace", "-k", "too"], ["n", "n", "n"]),
    "breakpoint": (["-k", "asks"], ["p y", "n", "c"]),
    "breakpoint without capture": (["-k", "asks", "-s"], ["p y", "c"]),
    "breakpoint left by quitting": (["-k", "asks or passes"], ["q"]),
    "breakpoint and its tests after": (["-k", "asks or error"], ["c"]),
}


def talk(
    folder: Path, command: list[str], answers: list[str], start: str = "collected "
) -> tuple[int, list[str]]:
    with Terminal(folder, *command) as terminal:
        for answer in answers:
            terminal.answer(PROMPT, answer)
        code, screen = terminal.end()
    screen = re.sub(r" in [\d.]+s", "", screen[screen.index(start) :])
    return code, re.sub(r"=+ ?$|^=+ ", "", screen, flags=re.MULTILINE).splitlines()


@pytest.mark.parametrize("name", TALKS)
def test_one_talks_to_the_debugger_as_under_pytest(tmp_path: Path, name: str) -> None:
    args, answers = TALKS[name]
    write_suite(tmp_path, {"test_a.py": SUITE})
    expected = talk(tmp_path, [sys.executable, "-m", "pytest", *args], answers)
    command = [DYNO, "test", "--python", sys.executable, *args]
    if not {"--pdb", "--trace"} & set(args):
        command += ["-n", "1"]
    assert talk(tmp_path, command, answers) == expected


def test_a_file_that_cannot_be_collected(tmp_path: Path) -> None:
    write_suite(tmp_path, {"test_a.py": "w = 3\nraise ValueError('at import')\n"})
    pytests = [sys.executable, "-m", "pytest", "--pdb"]
    expected = talk(tmp_path, pytests, ["p w", "c"], "collecting ")
    got = talk(
        tmp_path,
        [DYNO, *["test", "--pdb", "--python"], sys.executable],
        ["p w", "c"],
        "collecting ",
    )
    assert got == expected


def test_the_debugger_asks_again_at_its_own_breakpoints(tmp_path: Path) -> None:
    counts = """
def test_counts():
    breakpoint()
    n = 1
    n += 1
    n += 1
    print("done")
def test_other(): pass
"""
    write_suite(tmp_path, {"test_a.py": counts})
    answers = ["b 6", "c", "p n", "c"]
    expected = talk(tmp_path, [sys.executable, "-m", "pytest"], answers)
    got = talk(tmp_path, [DYNO, "test", "--python", sys.executable, "-n", "1"], answers)
    assert got == expected


def test_ctrl_c_at_the_prompt_ends_nothing(tmp_path: Path) -> None:
    write_suite(tmp_path, {"test_a.py": SUITE})
    command = [DYNO, "test", "--python", sys.executable, "--pdb", "-k", "fails or passes"]
    with Terminal(tmp_path, *command) as terminal:
        terminal.wait_for(PROMPT)
        terminal.interrupt("--KeyboardInterrupt--")
        terminal.answer(PROMPT, "x + 2")
        assert "43" in terminal.answer(PROMPT, "c")
        terminal.answer(PROMPT, "c")
        code, screen = terminal.end()
    assert code == 1
    assert "2 failed, 1 passed" in screen and "Interrupted" not in screen


def test_ctrl_c_after_the_prompt_reaches_the_test_again(tmp_path: Path) -> None:
    waits = """
import os
def test_waits():
    breakpoint()
    # By no buffer, which could be in use when the debugger prints that it was interrupted.
    os.write(1, b"waiting\\n")
    while True:
        os.getpid()
def test_never(): pass
"""
    write_suite(tmp_path, {"test_a.py": waits})
    commands = [
        [sys.executable, "-m", "pytest"],
        [DYNO, "test", "-n", "1", "--python", sys.executable],
    ]
    for command in commands:
        with Terminal(tmp_path, *command, *["-p", "no:cacheprovider", "-s"], "-k", "waits") as it:
            it.answer(PROMPT, "c")
            it.wait_for("waiting")
            it.type("\x03")
            it.answer(PROMPT, "q")
            code, screen = it.end()
        assert code == 2, screen


def test_a_debugger_that_dies_gives_the_terminal_back(tmp_path: Path) -> None:
    dies = "def test_dies():\n    breakpoint()\ndef test_after():\n    breakpoint()\n"
    write_suite(tmp_path, {"test_a.py": dies})
    with Terminal(tmp_path, DYNO, "test", "--python", sys.executable, "-n", "1") as terminal:
        terminal.answer(PROMPT, "import os; os._exit(9)")
        terminal.wait_for("F\n>>>>")
        terminal.answer(PROMPT, "c")
        code, screen = terminal.end()
    assert code == 1 and "1 failed, 1 passed" in screen


@pytest.mark.parametrize("args", [[], ["-s"], ["--capture=sys"]])
def test_without_a_terminal_the_test_fails_and_says_what_helps(
    tmp_path: Path, args: list[str]
) -> None:
    write_suite(tmp_path, {"test_a.py": SUITE})
    expected = run_pytest(tmp_path, *args)
    got = run_dyno(tmp_path, "-n", "2", *args)
    assert (got.code, got.outcomes) == (expected.code, expected.outcomes)
    assert "`dyno test -n 1`" in got.stdout and "--pdb" in got.stdout
    # With one worker what pytest reads is read: nothing, here.
    alone = run_dyno(tmp_path, "-n", "1", *args)
    assert (alone.code, alone.outcomes) == (expected.code, expected.outcomes)


def test_a_test_that_answers_itself_needs_no_terminal(tmp_path: Path) -> None:
    answers = """
import io, sys
def test_answers(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("c\\n"))
    breakpoint()
"""
    write_suite(tmp_path, {"test_a.py": answers, "test_b.py": "def test_b(): pass"})
    expected = run_pytest(tmp_path, "-s")
    got = run_dyno(tmp_path, "-n", "2", "-s")
    assert (got.code, got.outcomes) == (expected.code, expected.outcomes) == (0, got.outcomes)
