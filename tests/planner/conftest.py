"""Fixtures of the planner's tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _root_logging() -> Iterator[None]:
    """Puts the root logger back: to import the planner is to install Dynamo's handlers there."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(autouse=True)
def _planner_imports() -> None:
    # ai-dynamo 1.4.2 does not name this dependency of its planner.
    pytest.importorskip("sklearn", reason="dynamo.planner needs scikit-learn")
