"""What the package offers: three lists of names, and what they lead to."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import dyno
import pytest


def for_type_checkers() -> Iterator[tuple[str, tuple[str, ...]]]:
    """The modules and names that a type checker sees imported."""
    tree = ast.parse(Path(dyno.__file__).read_text())
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for each in node.body:
                assert isinstance(each, ast.ImportFrom) and each.module
                names = tuple(alias.name for alias in each.names)
                yield each.module.removeprefix("dyno."), names


@pytest.mark.parametrize("name", dyno.__all__)
def test_each_name_is_there(name: str) -> None:
    assert getattr(dyno, name).__name__ == name


def test_the_lists_agree() -> None:
    assert dict(for_type_checkers()) == dyno._MODULES
    offered = [name for names in dyno._MODULES.values() for name in names]
    assert sorted(offered) == dyno.__all__


def test_no_other_name_is_there() -> None:
    with pytest.raises(AttributeError, match="'dyno' has no attribute 'nothing'"):
        dyno.nothing  # noqa: B018
