"""What `dyno.dynamo` offers, and what it costs who does not use it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from dyno import dynamo

FOLDER = Path(dynamo.__file__).parent


@pytest.mark.parametrize("name", dynamo.__all__)
def test_each_name_is_there(name: str) -> None:
    assert getattr(dynamo, name).__name__ == name


def test_the_lists_agree() -> None:
    tree = ast.parse((FOLDER / "__init__.py").read_text())
    typed = {
        (node.module or "").removeprefix("dyno.dynamo."): tuple(each.name for each in node.names)
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
    }
    assert typed == dynamo._MODULES
    assert sorted(sum(dynamo._MODULES.values(), ())) == sorted(dynamo.__all__)


def test_no_other_name_is_there() -> None:
    with pytest.raises(AttributeError, match="'dyno.dynamo' has no attribute 'nothing'"):
        dynamo.nothing  # noqa: B018


def test_importing_dyno_imports_none_of_it() -> None:
    program = "import sys, dyno; print([m for m in sys.modules if m.startswith('dyno.dynamo')])"
    command = [sys.executable, "-c", program]
    assert subprocess.check_output(command, text=True, timeout=60) == "[]\n"


def test_nothing_is_imported_but_the_standard_library_and_dyno() -> None:
    imported = set()
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    assert imported - sys.stdlib_module_names == {"dyno"}
