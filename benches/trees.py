"""Trees of tests to measure on: the same seed makes the same tree."""

from __future__ import annotations

import random
from pathlib import Path

__all__ = ["RARE", "in_lane", "one_test", "realistic", "trivial", "waiting"]

SEED = 20


def one_test(root: Path) -> None:
    """One test, that says when it runs."""
    lines = [
        "import os, time",
        "def test_first():",
        "    with open(os.environ['BENCH_FIRST_TEST'], 'w') as file:",
        "        file.write(repr(time.time()))",
        "",
    ]
    _write(root / "test_first.py", "\n".join(lines))
    _write(root / "pytest.ini", "[pytest]\n")


def waiting(root: Path, tests: int, files: int, seconds: float) -> None:
    """Tests that wait so long each, and do nothing else."""
    each = tests // files
    for file in range(files):
        body = [f"def test_{number}(): time.sleep({seconds})" for number in range(each)]
        _write(root / "tests" / f"test_{file}.py", "\n".join(["import time", *body, ""]))
    _write(root / "pytest.ini", "[pytest]\n")


def in_lane(root: Path, lane: str, tests: int) -> None:
    """Functions that do nothing, one after the other, each in a process of its own."""
    body = "\n".join(f"def test_{number}(): pass\n" for number in range(tests))
    _write(root / "test_lane.py", body)
    rule = f'[tool.dyno]\n[[tool.dyno.rules]]\nlane = "{lane}"\ntokens = ["one"]\n'
    _write(root / "pyproject.toml", rule + "[tool.pytest.ini_options]\n")


def trivial(root: Path, tests: int, files: int) -> None:
    """Functions that do nothing, spread evenly."""
    each = tests // files
    body = "\n".join(f"def test_{number}(): pass\n" for number in range(each))
    for number in range(files):
        _write(root / f"tests/test_{number:04}.py", body)
    _write(root / "pytest.ini", "[pytest]\n")


CONFTEST = '''\
"""Fixtures of the tree."""

import pytest


@pytest.fixture(scope="session")
def settings():
    return {"retries": 3}


@pytest.fixture(params=["tcp", "http"], scope="module")
def transport(request):
    return request.param


@pytest.fixture
def client(settings):
    return dict(settings)


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("QUIET", "1")
'''

# What no text settles: the names come from the environment.
HOOK = """

def pytest_collection_modifyitems(config, items):
    import os

    wanted = os.environ.get("BENCH_ORDER", "name")
    items.sort(key=lambda item: item.name if wanted == "name" else item.nodeid)
"""

HELPERS = '''\
"""What the tests share."""

import dataclasses
import enum
import os
import time

import pytest

SIZES = [1, 16, 256]
DEFAULT = "small"
gpu = pytest.mark.gpu_1


class Mode(enum.Enum):
    FAST = "fast"
    SAFE = "safe"


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    size: int = 1


CASES = [
    pytest.param(Case("one"), id="one"),
    pytest.param(Case("two", 2), id="two", marks=pytest.mark.slow),
]


class Checks:
    def test_shared(self, client):
        assert client

    @pytest.mark.unit
    def test_named(self):
        began()


def began():
    """Writes down when the first test body ran, where that is asked for."""
    path = os.environ.get("BENCH_FIRST_TEST")
    if path:
        try:
            with open(path, "x") as file:
                file.write(str(time.time()))
        except FileExistsError:
            pass
'''

LIFECYCLES = ("pre_merge", "post_merge", "nightly")
ROLES = ("unit", "integration", "e2e")


# The first file that bears the marker ``rare``.
RARE = "tests/part_07/test_0007.py"

ENGINE_MODULES = 400


def realistic(
    root: Path, files: int, tests: int, *, hooked: bool = False, engine: bool = False
) -> None:
    """Marks, parameters, fixtures, classes and shared modules, as suites have them.

    One file of fifty bears the marker ``rare``. With ``engine`` half of the others import a
    package of many modules, as tests of an engine import the engine.
    """
    if engine:
        _engine(root / "engine")
    chance = random.Random(SEED)
    markers = "".join(f"    {name}\n" for name in (*LIFECYCLES, *ROLES, "gpu_1", "slow", "rare"))
    _write(root / "pytest.ini", f"[pytest]\nmarkers =\n{markers}")
    _write(root / "tests/__init__.py", "")
    _write(root / "tests/shared.py", HELPERS)
    _write(root / "tests/conftest.py", CONFTEST + (HOOK if hooked else ""))
    each = tests // files
    for number in range(files):
        folder = root / f"tests/part_{number % 20:02}"
        _write(folder / "__init__.py", "")
        text = _module(chance, number, each)
        if engine and number % 2 == 0:
            text = text.replace("import pytest\n", "import engine\nimport pytest\n", 1)
        _write(folder / f"test_{number:04}.py", text)


def _engine(root: Path) -> None:
    """A package whose import takes its time: classes, dataclasses, enums."""
    names = [f"part_{number:03}" for number in range(ENGINE_MODULES)]
    _write(root / "__init__.py", "".join(f"from engine import {name}\n" for name in names))
    for name in names:
        classes = "".join(
            f"@dataclasses.dataclass\nclass Config{number}:\n"
            + "".join(f"    field_{field}: int = {field}\n" for field in range(8))
            for number in range(4)
        )
        _write(root / f"{name}.py", f"import dataclasses\n\n\n{classes}")


def _module(chance: random.Random, number: int, tests: int) -> str:
    marks = [chance.choice(LIFECYCLES), chance.choice(ROLES)]
    if number % 50 == 7:
        marks.append("rare")
    lines = [
        f'"""Part {number}."""',
        "",
        "import pytest",
        "",
        "from tests.shared import CASES, SIZES, Case, Checks, Mode, began, gpu",
        "",
        f"pytestmark = [{', '.join(f'pytest.mark.{mark}' for mark in marks)}]",
        "",
    ]
    # Each piece is told with the number of tests that it makes.
    left = tests
    while left > 0:
        pieces = [piece for piece in _PIECES if piece[0] <= left]
        size, text = chance.choice(pieces)
        lines.append(text.replace("NUMBER", str(left)))
        left -= size
    return "\n".join(lines)


_TEMPLATES = {
    "plain": """
def test_plain_NUMBER():
    began()
    assert Mode.FAST is not Mode.SAFE
""",
    "client": """
@gpu
def test_client_NUMBER(client, tmp_path):
    began()
    assert client
""",
    "async": """
@pytest.mark.slow
async def test_async_NUMBER():
    began()
""",
    "local": """
class TestLocal_NUMBER:
    @pytest.fixture
    def local(self):
        return 1

    def test_local(self, local):
        began()
        assert local
""",
    "shared": """
class TestShared_NUMBER(Checks):
    pytestmark = pytest.mark.unit
""",
    "transport": """
def test_transport_NUMBER(transport):
    began()
    assert transport
""",
    "case": """
@pytest.mark.parametrize("case", CASES)
def test_case_NUMBER(case):
    began()
    assert case.size
""",
    "size": """
@pytest.mark.parametrize("size", SIZES)
def test_size_NUMBER(size, settings):
    began()
    assert size
""",
    "pairs": """
@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize(("left", "right"), [(1, "a"), pytest.param(2, "b", id="second")])
def test_pairs_NUMBER(mode, left, right):
    began()
    assert left
""",
}
_SIZES = {"shared": 2, "transport": 2, "case": 2, "size": 3, "pairs": 4}
_PIECES = [(_SIZES.get(name, 1), text) for name, text in _TEMPLATES.items()]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
