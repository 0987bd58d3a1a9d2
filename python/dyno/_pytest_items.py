"""Private names of pytest's items: which fixtures they come to, whether they are skipped.

Checked on pytest 8.0, 8.4, 9.0 and 9.2, as those of `_pytest_private`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from _pytest import skipping

__all__ = ["fixture_definitions", "is_skipped", "used_fixtures"]


def is_skipped(item: pytest.Item) -> bool:
    """Whether pytest will skip a test, or not run it, by its markers (``skipping``), or unittest
    by its decorators.

    A condition that raises is pytest's to report, when it runs the test.
    """
    owners = (getattr(item, "obj", None), getattr(item, "cls", None))
    if any(getattr(owner, "__unittest_skip__", False) for owner in owners):
        return True
    try:
        if skipping.evaluate_skip_marks(item):
            return True
        xfailed = skipping.evaluate_xfail_marks(item)
    except (Exception, pytest.fail.Exception):  # noqa: BLE001 - whatever a condition raises
        return False
    return xfailed is not None and not xfailed.run and not item.config.option.runxfail


def fixture_definitions(item: pytest.Item) -> Iterator[tuple[str, Any]]:
    """The fixture definitions that a test is known to use."""
    for name, overrides in _overrides(item).items():
        for definition in overrides:
            yield name, definition


def used_fixtures(item: pytest.Item) -> Iterator[tuple[str, Any]]:
    """The definitions that a test's fixtures come to: of one that overrides another the last, and
    those before only as far as each asks for its own name."""
    for name, overrides in _overrides(item).items():
        for definition in reversed(overrides):
            yield name, definition
            if name not in definition.argnames:
                break


def _overrides(item: pytest.Item) -> Mapping[str, Sequence[Any]]:
    """By name the definitions of a test's fixtures, each overriding those before it
    (``_fixtureinfo``); none for an item that is no function."""
    info: Any = getattr(item, "_fixtureinfo", None)
    definitions: Mapping[str, Sequence[Any]] = {} if info is None else info.name2fixturedefs
    return definitions
