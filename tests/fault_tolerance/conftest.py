"""Fixtures for the tests of faults."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file that is not there yet: replies that are caught in the middle wait for it."""
    return tmp_path / "gate"
