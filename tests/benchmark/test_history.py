"""The comparison with earlier runs, in numbers alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmark.history import NEWEST_RUNS, Better, Figure, History, Run, worse

pytestmark = [pytest.mark.pre_merge, pytest.mark.unit, pytest.mark.gpu_0]


def runs(*values: float) -> list[Run]:
    return [Run("a", "here", {"figure": value}) for value in values]


def of(value: float, better: Better = Better.LOWER) -> dict[str, Figure]:
    return {"figure": Figure(value, better)}


@pytest.mark.parametrize(
    ("value", "better", "is_worse"),
    [
        (2.01, Better.LOWER, True),
        (1.99, Better.LOWER, False),
        (0.01, Better.LOWER, False),
        (0.49, Better.HIGHER, True),
        (0.51, Better.HIGHER, False),
        (99.0, Better.HIGHER, False),
        # Nothing at all is no speed.
        (0.0, Better.HIGHER, True),
    ],
)
def test_twice_as_bad_as_the_median_is_worse(value: float, better: Better, is_worse: bool) -> None:
    # One run of them was far off, either way.
    earlier = runs(1.0, 100.0, 1.0, 1.0, 0.001)

    assert bool(worse(of(value, better), earlier)) is is_worse


def test_four_runs_are_too_few_to_say() -> None:
    assert worse(of(100.0), runs(1.0, 1.0, 1.0, 1.0)) == []


def test_figure_that_is_new_is_not_compared() -> None:
    assert worse({"other": Figure(100.0, Better.LOWER)}, runs(1, 1, 1, 1, 1)) == []


def test_message_names_the_figure_and_what_is_usual() -> None:
    assert worse(of(7.0), runs(1, 2, 3, 3, 3)) == ["figure is 7; the median of 5 is 3"]


def test_history_gives_back_the_runs_of_a_benchmark_on_this_machine(tmp_path: Path) -> None:
    history = History(tmp_path / "new" / "history.jsonl")
    assert history.runs("a", "here") == []
    for benchmark, where, value in [("a", "here", 1), ("b", "here", 2), ("a", "there", 3)]:
        history.add(Run(benchmark, where, {"figure": value}))
    history.add(Run("a", "here", {"figure": 4}))

    assert [run.figures["figure"] for run in history.runs("a", "here")] == [1, 4]


def test_lines_that_are_no_runs_are_passed_over(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    history.path.write_text('{"benchmark": "a"\n[]\n{"benchmark": "a", "figures": 3}\n\n')
    history.add(*runs(5))

    assert [run.figures["figure"] for run in history.runs("a", "here")] == [5]


def test_only_the_newest_runs_count(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    for run in runs(*range(NEWEST_RUNS + 3)):
        history.add(run)

    assert history.runs("a", "here") == runs(*range(3, NEWEST_RUNS + 3))
