"""Trees that nobody means to have: `dyno collect` lists what pytest lists, with its exit code."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from dyno._wire import as_sent

from running import DYNO, environment, run_dyno, run_pytest, write_suite

TEXT = """
import pytest

def test_a(): pass

@pytest.mark.parametrize("x", [1, 2])
def test_b(x): pass
"""
CIRCLE = {
    "test_n.py": "from m import *\ndef test_a(): pass\n",
    "m.py": "X = 1\nfrom n import *\ndef test_m(): pass\n",
    "n.py": "from m import *\ndef test_n(): pass\n",
}
SELF = {"test_n.py": "Y = 1\nfrom test_n import *\ndef test_a(): pass\nZ = Y\n"}


def _files(root: Path, files: dict[str, str]) -> None:
    write_suite(root, {"test_good.py": TEXT, **files})


def _socket(root: Path) -> None:
    _files(root, {})
    before = Path.cwd()
    os.chdir(root)  # The path of a socket is short.
    with socket.socket(socket.AF_UNIX) as end:
        end.bind("test_x.py")
    os.chdir(before)


def _deeper_than_a_path(root: Path) -> None:
    _files(root, {})
    before = Path.cwd()
    os.chdir(root)
    for _ in range(25):
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
    Path("test_deep.py").write_text(TEXT)
    os.chdir(before)


def _bytes(name: str, content: bytes) -> Callable[[Path], None]:
    def build(root: Path) -> None:
        _files(root, {})
        (root / "pytest.ini").unlink()
        (root / name).write_bytes(content)

    return build


def _links(**targets: str) -> Callable[[Path], None]:
    def build(root: Path) -> None:
        _files(root, {"a/test_in.py": TEXT})
        for name, target in targets.items():
            (root / name.replace("__", "/").replace("_py", ".py")).symlink_to(target)

    return build


def _special(make: Callable[[Path], object], name: str) -> Callable[[Path], None]:
    def build(root: Path) -> None:
        _files(root, {"p/test_in.py": TEXT})
        make(root / name)

    return build


TREES: dict[str, Callable[[Path], None]] = {
    "a link to the folder above": _links(a__up=".."),
    "a link to itself": _links(loop="loop"),
    "a link to a folder": _links(b="a"),
    "a link to a file": _links(test_l_py="a/test_in.py"),
    "a link to nothing": _links(test_l_py="nowhere.py", d="nowhere", conftest_py="nowhere.py"),
    "a link to a device": _links(test_l_py="/dev/null"),
    "a pipe": _special(os.mkfifo, "test_x.py"),
    "a pipe for a conftest": _special(os.mkfifo, "conftest.py"),
    "a pipe for a package": _special(os.mkfifo, "p/__init__.py"),
    "a pipe for a configuration": _special(os.mkfifo, "tox.ini"),
    "a socket": _socket,
    "a folder for a conftest": _special(Path.mkdir, "conftest.py"),
    "a folder for a package's text": _special(Path.mkdir, "p/__init__.py"),
    "a folder for a configuration": _special(Path.mkdir, "pyproject.toml"),
    "a folder that ends in .py": lambda root: _files(root, {"test_d.py/test_in.py": TEXT}),
    "deeper than a path may be": _deeper_than_a_path,
    "control characters": lambda root: _files(
        root, {"test_a\nb.py": TEXT, "\x1b[31m/test_c.py": TEXT}
    ),
    "brackets and colons": lambda root: _files(root, {"test_[1].py": TEXT, "a::b/test_c.py": TEXT}),
    "names without a name": lambda root: _files(
        root, {".py": TEXT, "test_.py": TEXT, "_test.py": TEXT}
    ),
    "star imports in a circle": lambda root: _files(root, CIRCLE),
    "a star import of itself": lambda root: _files(root, SELF),
    "two files of one module's name": lambda root: _files(
        root, {"a/test_x.py": TEXT, "b/test_x.py": TEXT, "c/test_y.py": TEXT}
    ),
    "two files of one name in packages": lambda root: _files(
        root,
        {"a/test_x.py": TEXT, "a/__init__.py": "", "b/test_x.py": TEXT, "b/__init__.py": ""},
    ),
    "a package whose text is none": lambda root: _files(
        root, {"p/__init__.py": "def (", "p/test_x.py": TEXT, "test_y.py": TEXT}
    ),
    "an imported module whose text is none": lambda root: _files(
        root, {"helper.py": "x = '\0'", "test_x.py": f"import helper\n{TEXT}", "test_y.py": TEXT}
    ),
    "testpaths that is a file": lambda root: _files(
        root, {"tests": "", "pytest.ini": "[pytest]\ntestpaths = tests\n"}
    ),
    "an ini file with a mark": _bytes("pytest.ini", b"\xef\xbb\xbf[pytest]\naddopts = -v\n"),
    "an ini file of carriage returns": _bytes("pytest.ini", b"[pytest]\rpython_files = good.py\r"),
    "an ini file with a section twice": _bytes("pytest.ini", b"[pytest]\n[pytest]\n"),
    "an ini file with a null": _bytes("pytest.ini", b"[pytest]\naddopts = -q\0\n"),
    "TOML with a mark": _bytes("pyproject.toml", b"\xef\xbb\xbf[tool.pytest.ini_options]\n"),
    "TOML of carriage returns": _bytes(
        "pyproject.toml", b"[tool.pytest.ini_options]\rpython_files = 'test_goo*.py'\r"
    ),
    "TOML that is none": _bytes("pyproject.toml", b"[tool.pytest\n"),
    "TOML with a null": _bytes("pyproject.toml", b"[tool.pytest.ini_options]\naddopts='\0'\n"),
}


# Where links lead round and round, names end with the 40th link. Linux may give up earlier: links
# of a lookup that it begins anew, because folders change meanwhile, are counted twice
# (`fs/namei.c`: `path_lookupat` after an attempt with `LOOKUP_RCU`).
TOO_MANY = "Too many levels of symbolic links"


def collected(folder: Path, *command: str) -> tuple[int, list[str]]:
    for _ in range(10):
        done = subprocess.run(
            command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120
        )
        if TOO_MANY not in done.stdout + done.stderr:
            break
    assert "panicked" not in done.stderr, done.stderr
    lines = done.stdout.splitlines()
    return done.returncode, [line for line in lines if "::" in line and line[0] not in "E "]


@pytest.mark.parametrize("tree", TREES)
def test_the_list_and_the_code_are_pytests(tmp_path: Path, tree: str) -> None:
    folder = tmp_path / "suite"
    TREES[tree](folder)
    quiet = ["-q", "-p", "no:cacheprovider"]
    expected = collected(folder, sys.executable, "-m", "pytest", "--collect-only", *quiet)
    for _ in range(2):  # From the text, and from what is kept.
        got = collected(folder, DYNO, "collect", "--python", sys.executable, *quiet)
        assert got == expected


@pytest.mark.parametrize(
    "text", ["tool = 1\n", "[tool]\npytest = []\n", "[[tool.pytest.ini_options]]\n"]
)
def test_configuration_that_is_no_table_is_named(tmp_path: Path, text: str) -> None:
    _bytes("pyproject.toml", text.encode())(tmp_path)
    command = [DYNO, "collect", "--python", sys.executable]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60
    )
    # pytest ends with a traceback here.
    assert done.returncode == 4
    assert "pyproject.toml" in done.stderr and "is not a table" in done.stderr


def test_names_that_are_no_text_are_written_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    _files(tmp_path, {})
    folder = os.fsencode(tmp_path) + b"/d\xfe"
    os.mkdir(folder)
    failing = "def test_a(): raise ValueError('\\udcff')\ndef test_b(): assert not __file__\n"
    for name in (b"/test_\xff.py", b"/test_plain.py"):
        with open(folder + name, "w") as file:
            file.write(failing)
    expected = run_pytest(tmp_path)
    got = run_dyno(tmp_path, "-n", "2")
    assert got.code == expected.code == 1, got.text
    assert got.outcomes == {as_sent(test): how for test, how in expected.outcomes.items()}
    assert "d\\udcfe/test_\\udcff.py::test_a" in got.outcomes
    for _ in range(2):
        code, ids = collected(tmp_path, DYNO, "collect", "-q", "--python", sys.executable)
        assert (code, sorted(ids)) == (0, sorted(got.outcomes))
    code, differing = collected(tmp_path, DYNO, "collect", "--verify", "--python", sys.executable)
    assert (code, differing) == (0, [])
