"""The fixture that keeps what a benchmark has measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.benchmark.history import Figure, History, Run, machine, worse

# Where the history is kept, if not in pytest's cache.
HISTORY = "DYNO_BENCHMARK_HISTORY"

Keep = Callable[[Mapping[str, Figure]], None]


@pytest.fixture
def keep(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Keep:
    """Records figures in the JUnit file and in the history, and fails where one is far worse than
    it was. See `tests.benchmark.history`."""

    def keep(figures: Mapping[str, Figure]) -> None:
        for name, figure in figures.items():
            record_property(name, figure.value)
        history = _history(request.config)
        if history is None:
            return
        benchmark = request.node.nodeid
        found = worse(figures, history.runs(benchmark, machine()))
        assert not found, f"far worse than in earlier runs: {'; '.join(found)} ({history.path})"
        values = {name: figure.value for name, figure in figures.items()}
        history.add(Run(benchmark, machine(), values))

    return keep


def _history(config: pytest.Config) -> History | None:
    """The history, or nothing where pytest keeps no cache."""
    if named := os.environ.get(HISTORY):
        return History(Path(named))
    # `-p no:cacheprovider` takes it away.
    cache = getattr(config, "cache", None)
    if cache is None:
        return None
    return History(cache.mkdir("dyno-benchmarks") / "history.jsonl")
