"""What Dynamo's Python bindings say they have."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

pytest.importorskip("dynamo.llm", reason="needs ai-dynamo")

from dynamo import _core

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.kv_router,
    pytest.mark.router,
    pytest.mark.kvbm,
]


def classes() -> list[str]:
    """The classes that the stubs declare, but for those that are types of dictionaries."""
    assert _core.__file__ is not None
    stubs = Path(_core.__file__).with_name("_core.pyi").read_text()
    return [
        node.name
        for node in ast.parse(stubs).body
        if isinstance(node, ast.ClassDef)
        and not any(isinstance(base, ast.Name) and base.id == "TypedDict" for base in node.bases)
    ]


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="Dynamo 1.4.2 has no KvIndexer, ApproxKvIndexer, BlockManager: docs/findings.md, F37",
)
def test_every_class_of_the_stubs_is_there() -> None:
    declared = classes()
    if "RadixTree" not in declared:
        pytest.fail("these are not the stubs")

    assert [name for name in declared if not hasattr(_core, name)] == []
